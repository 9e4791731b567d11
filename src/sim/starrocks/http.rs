//! HTTP GETs on frontends, backends and anything else: health, bootstrap, SHOW_HA, features and a few metrics (real-fe.md §3, §8).

use std::time::Duration;

use super::process::{Component, Phase, Process};
use super::state::{Group, Leadership, Loss};
use super::{StarRocks, access};
use crate::model::Timestamp;
use crate::sim::runtime::HttpReply;

/// So many hanging SHOW_HA requests use up a frontend's HTTP workers (recording blackhole35: health stops answering).
const WORKERS: usize = 3;

/// What a frontend says about itself.
struct SelfView {
    role: &'static str,
    master: Option<String>,
    can_read: bool,
    ready: bool,
    bootstrap: bool,
    closed: bool,
}

fn answer(status: u16, body: impl Into<String>) -> HttpReply {
    HttpReply::Answer { status, body: body.into(), after: access::PROMPT }
}

impl StarRocks {
    /// The reply to a GET on a running program.
    pub(super) fn http_answer(&self, process: &Process, port: u16, path: &str, now: Timestamp) -> HttpReply {
        if self.faults.is_cut(process) {
            return HttpReply::Silence;
        }
        if process.component == Component::Other {
            return answer(200, "ok");
        }
        if !process.open() || port != process.ports.http {
            return HttpReply::Refused;
        }
        let now = now.max(self.now);
        match process.component {
            Component::Frontend => self.frontend_answer(process, path, now),
            Component::Backend | Component::ComputeNode | Component::Other => match path.split('?').next() {
                Some("/api/health") => answer(200, r#"{"status": "OK","msg": "To Be Added"}"#),
                Some("/metrics") => answer(200, self.node_metrics(process)),
                _ => answer(404, ""),
            },
        }
    }

    fn frontend_answer(&self, process: &Process, path: &str, now: Timestamp) -> HttpReply {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        match path {
            "/api/health" => self.health(process, now),
            "/api/bootstrap" => self.bootstrap_answer(process, query, now),
            "/api/show_meta_info" => self.show_meta_info(process, query, now),
            "/api/v2/feature" => answer(200, super::warehouses::features(process)),
            "/api/show_runtime_info" => {
                answer(200, r#"{"free_mem":"179840080","total_mem":"398458880","thread_cnt":"128","max_mem":"1153433600"}"#)
            }
            "/metrics" => answer(200, self.frontend_metrics(process)),
            "/info" | "/role" | "/check" | "/journal_id" | "/version" | "/image" => answer(400, "invalid client host."),
            _ => answer(401, "Authentication Failed. <br/> Need auth information."),
        }
    }

    fn group_of(&self, process: &Process) -> Option<&Group> {
        self.groups.get(&process.cluster?)
    }

    fn health(&self, process: &Process, now: Timestamp) -> HttpReply {
        let stuck = self
            .hanging
            .borrow()
            .get(&process.start.id)
            .map_or(0, |since| since.iter().filter(|since| now.since(**since) < Duration::from_secs(40)).count());
        if stuck >= WORKERS && self.leader_cut(process) {
            return HttpReply::Silence;
        }
        // 500 from the first 0.2 s of a graceful exit.
        if process.leaving_gracefully().is_some_and(|since| now.since(since) >= Duration::from_millis(150)) {
            return answer(500, "");
        }
        let nodes = self.group_of(process).map(|group| (group.backends().filter(|node| node.alive).count(), group.backends().count()));
        let (online, total) = nodes.unwrap_or((0, 0));
        answer(200, format!(r#"{{"online_backend_num":{online},"total_backend_num":{total},"status":"OK"}}"#))
    }

    /// The leader is unreachable without a word.
    fn leader_cut(&self, process: &Process) -> bool {
        let leadership = self.group_of(process).map(|group| &group.leadership);
        matches!(leadership, Some(Leadership::Electing { loss: Loss::Cut, .. } | Leadership::Vacant { loss: Loss::Cut, .. }))
    }

    fn bootstrap_answer(&self, process: &Process, query: &str, now: Timestamp) -> HttpReply {
        let ready = self.self_view(process, now).bootstrap;
        let (code, text, status) = if ready { ("0", "Success", "OK") } else { ("1", "not ready", "FAILED") };
        let cores = if process.release.at_least(4, 0, 0) { r#""cpuCores":0,"# } else { "" };
        if query.contains("token=") {
            return answer(
                200,
                r#"{"replayedJournalId":0,"queryPort":0,"rpcPort":0,"feStartTime":0,"heapUsedPercent":0.0,"status":"FAILED","code":"0","msg":"invalid parameter","message":"OK"}"#,
            );
        }
        let message = if ready { "OK" } else { text };
        answer(
            200,
            format!(
                r#"{{"replayedJournalId":0,"queryPort":0,"rpcPort":0,"feStartTime":0,"heapUsedPercent":0.0,{cores}"status":"{status}","code":"{code}","msg":"{text}","message":"{message}"}}"#
            ),
        )
    }

    fn show_meta_info(&self, process: &Process, query: &str, now: Timestamp) -> HttpReply {
        match query.split('&').find_map(|pair| pair.strip_prefix("action=")) {
            Some("SHOW_HA") => {}
            Some(_) => return answer(400, "Invalid parameter"),
            None => return answer(400, "Missing parameter"),
        }
        if self.leader_cut(process) || self.minority_hangs(process, now) {
            let mut hanging = self.hanging.borrow_mut();
            let since = hanging.entry(process.start.id.clone()).or_default();
            since.push(now);
            since.retain(|since| now.since(*since) < Duration::from_secs(40));
            return HttpReply::Silence;
        }
        let view = self.self_view(process, now);
        if view.closed {
            return answer(500, r#"{"status":"FAILED","code":"1","msg":"Environment is closed.","message":"Environment is closed."}"#);
        }
        let Some(group) = self.group_of(process) else { return answer(500, "") };
        let leading = group.leader().and_then(|leader| self.processes.get(leader)).map(|leader| leader.member.as_str());
        let of_role = |role| {
            group
                .frontends
                .iter()
                .filter(|row| row.role == role && Some(row.name.as_str()) != leading)
                .map(|row| row.host.as_str())
                .collect::<Vec<_>>()
                .join(",")
        };
        let electable = of_role(super::state::MemberRole::Follower);
        let electable = if electable.is_empty() { String::new() } else { format!(r#""electable_nodes":"{electable}","#) };
        let observers = of_role(super::state::MemberRole::Observer);
        let image = self.image_of(process);
        let (version, time) = image.map_or((0, 0), |image| (image.journal, image.at.as_millis()));
        let journal = self.replayed(process, group);
        answer(
            200,
            format!(
                r#"{{"can_read":"{}","role":"{}","is_ready":"{}",{electable}"last_checkpoint_version":"{version}","last_checkpoint_time":"{time}","current_journal_id":"{journal}","observer_nodes":"{observers}","master":"{}"}}"#,
                view.can_read,
                view.role,
                view.ready,
                view.master.unwrap_or_else(|| "unknown".to_owned())
            ),
        )
    }

    fn replayed(&self, process: &Process, group: &Group) -> u64 {
        process.stuck_at.map_or(group.journal, |(_, journal)| journal)
    }

    /// SHOW_HA on a leader that has just lost its majority (recording graceful35, at its end).
    fn minority_hangs(&self, process: &Process, now: Timestamp) -> bool {
        match self.group_of(process).map(|group| &group.leadership) {
            Some(Leadership::Led { leader, minority_since: Some(since), .. }) => {
                *leader == process.start.id && now.since(*since) < Duration::from_millis(10_500)
            }
            _ => false,
        }
    }

    /// Role, master and readiness in every phase of an election, after the recordings elect35, graceful35, quorum35, requorum35.
    fn self_view(&self, process: &Process, now: Timestamp) -> SelfView {
        let settled = SelfView { role: "FOLLOWER", master: None, can_read: true, ready: true, bootstrap: true, closed: false };
        let Some(group) = self.group_of(process) else { return SelfView { role: "UNKNOWN", ..settled } };
        let host = |id: &crate::sim::runtime::ContainerId| self.processes.get(id).map(Process::host);
        let observes = group.frontend(&process.member).is_some_and(|row| row.role == super::state::MemberRole::Observer);
        let settled = SelfView { role: if observes { "OBSERVER" } else { settled.role }, ..settled };
        if self.is_stale(process) {
            return SelfView { role: "UNKNOWN", can_read: false, ready: false, bootstrap: false, ..settled };
        }
        if process.dropped_at.is_some() {
            return SelfView { role: "UNKNOWN", ..settled };
        }
        if process.stuck_at.is_some() {
            return SelfView { master: group.leader().and_then(host), can_read: false, ready: false, bootstrap: false, ..settled };
        }
        let own = &process.start.id;
        match &group.leadership {
            Leadership::Vacant { since, .. } => {
                let role = if now.since(*since) < Duration::from_millis(500) { "FOLLOWER" } else { "UNKNOWN" };
                SelfView { role, ..settled }
            }
            Leadership::Electing { loss: Loss::Left(leaver), .. } => {
                SelfView { role: if leaver == own { "LEADER" } else { "FOLLOWER" }, ..settled }
            }
            // Nobody has noticed anything yet (recording blackhole35).
            Leadership::Electing { loss: Loss::Cut, .. } => settled,
            Leadership::Electing { since, loss: Loss::Started, elected } => {
                let waits = elected == own;
                SelfView { role: "UNKNOWN", ready: !waits, bootstrap: !waits || now.since(*since).as_millis() < 900, ..settled }
            }
            Leadership::Electing { since, elected, .. } => {
                let elapsed = now.since(*since).as_millis();
                let role = if elapsed < 500 { "FOLLOWER" } else { "UNKNOWN" };
                let waits = elapsed >= 550 && elected == own;
                SelfView { role, master: (elapsed >= 550).then(|| host(elected)).flatten(), ready: !waits, bootstrap: !waits, ..settled }
            }
            Leadership::Led { leader, lost, loss, .. } => {
                self.led_view(process, now, (leader, *lost, loss), SelfView { master: host(leader), ..settled })
            }
        }
    }

    fn led_view(
        &self,
        process: &Process,
        now: Timestamp,
        (leader, lost, loss): (&crate::sim::runtime::ContainerId, Timestamp, &Loss),
        settled: SelfView,
    ) -> SelfView {
        let own = &process.start.id;
        let millis = now.since(lost).as_millis();
        let leads = leader == own;
        match loss {
            Loss::Left(leaver) if leaver == own => match millis {
                ..2_150 => SelfView { role: "LEADER", ..settled },
                2_150..2_500 => SelfView { role: "LEADER", closed: true, ..settled },
                2_500..2_900 => SelfView { ready: false, bootstrap: false, ..settled },
                _ => settled,
            },
            Loss::Left(_) if leads => match millis {
                ..2_250 => settled,
                2_250..2_700 => SelfView { role: "UNKNOWN", ready: false, bootstrap: false, ..settled },
                _ => SelfView { role: "LEADER", ..settled },
            },
            Loss::Left(_) if (1_200..2_200).contains(&millis) => SelfView { role: "UNKNOWN", ..settled },
            Loss::Started if leads && process.followed && millis < 3_300 => {
                SelfView { role: "UNKNOWN", ready: false, bootstrap: false, ..settled }
            }
            Loss::Died if leads => match millis {
                ..1_250 => SelfView { role: "UNKNOWN", ready: false, bootstrap: false, ..settled },
                1_250..1_700 => SelfView { role: "LEADER", bootstrap: false, ..settled },
                _ => SelfView { role: "LEADER", ..settled },
            },
            Loss::Died if millis < 1_050 => SelfView { role: "UNKNOWN", ..settled },
            // A leader that has not been a follower before cannot read (real-fe.md §8).
            Loss::Started | Loss::Cut if leads => SelfView { role: "LEADER", can_read: process.followed, ..settled },
            _ => settled,
        }
    }

    /// Metrics of a backend or compute node: counters begin anew with each process.
    fn node_metrics(&self, process: &Process) -> String {
        let failed = if self.faults.fails_compactions(process) { 7 } else { 0 };
        let queries = self.faults.queries_on(process);
        let requests = |status: &str, count: u32| {
            format!("starrocks_be_engine_requests_total{{status=\"{status}\",type=\"base_compaction\"}} {count}\n")
        };
        format!(
            "# TYPE starrocks_be_process_mem_bytes gauge\nstarrocks_be_process_mem_bytes 1\n\
             # TYPE starrocks_be_engine_requests_total counter\n{}{}\
             # TYPE starrocks_be_pipe_drivers gauge\nstarrocks_be_pipe_drivers {queries}\n",
            requests("failed", failed),
            requests("total", failed + 12)
        )
    }

    fn frontend_metrics(&self, process: &Process) -> String {
        let Some(group) = self.group_of(process) else { return String::new() };
        let leads = group.leader() == Some(&process.start.id);
        let journal = self.replayed(process, group);
        let image = self.image_of(process).map_or(0, |image| image.journal);
        let mut text = format!("starrocks_fe_max_journal_id {journal}\nstarrocks_fe_meta_log_count {}\n", journal.saturating_sub(image));
        let nodes = |compute: bool| {
            let of_kind = || group.nodes.values().filter(move |node| node.compute == compute);
            (of_kind().count(), of_kind().filter(|node| node.alive).count(), of_kind().filter(|node| node.decommissioned).count())
        };
        let members = (group.frontends.len(), group.frontends.iter().filter(|row| row.alive).count(), 0);
        for (kind, (total, alive, decommissioned)) in
            [("fe_node_num", members), ("be_node_num", nodes(false)), ("cn_node_num", nodes(true))]
        {
            for (state, count) in [("total", total), ("alive", alive), ("decommissioned", decommissioned)] {
                text.push_str(&format!("node_info{{type=\"{kind}\", state=\"{state}\"}} {count}\n"));
            }
        }
        if leads {
            text.push_str("node_info{type=\"is_master\"} 1\n");
        }
        let jobs = group.jobs.values().filter(|job| job.running.is_some()).count();
        let backups = group.activity.backups.values().filter(|state| !matches!(state.as_str(), "FINISHED" | "CANCELLED")).count();
        text.push_str(&format!("starrocks_fe_scheduled_tablet_num {jobs}\nstarrocks_fe_tablet_count {}\nstarrocks_fe_unfinished_backup_job {backups}\nstarrocks_fe_unfinished_restore_job 0\n", group.tablets.len()));
        for state in ["NEED_SCHEDULE", "RUNNING", "PAUSED", "STOPPED", "CANCELLED", "UNSTABLE"] {
            let count = group.activity.routine_loads.values().filter(|known| *known == state).count();
            text.push_str(&format!("starrocks_fe_routine_load_jobs{{state=\"{state}\"}} {count}\n"));
        }
        text.push_str(if matches!(process.phase, Phase::Leaving { .. }) {
            "starrocks_fe_safe_mode 1\n"
        } else {
            "starrocks_fe_safe_mode 0\n"
        });
        text
    }
}
