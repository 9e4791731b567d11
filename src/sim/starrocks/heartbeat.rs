//! The leader's heartbeats, every 5 s, and what they change in its books; the only place where Alive is written.

use std::net::IpAddr;
use std::time::Duration;

use super::process::{Component, Phase, Process};
use super::state::{Node, NodeStatus};
use super::{Event, StarRocks};
use crate::sim::runtime::{ContainerId, Resolver};

const INTERVAL: Duration = Duration::from_secs(5);
/// real-fe.md §2, §11.1: three retries, the fourth failure counts (16–20 s).
const TOLERATED_FAILURES: u32 = 3;

/// What a node answered to a heartbeat.
enum Beat {
    Well { start: crate::model::Timestamp, version: String, ports: [u16; 4], volume: String },
    ShuttingDown,
    Failed(&'static str),
    UnknownHost,
}

impl StarRocks {
    /// One round of heartbeats by the leader of a cluster.
    pub(super) fn heartbeat(&mut self, cluster: u32, epoch: u64, resolver: &dyn Resolver) {
        self.schedule(self.now + INTERVAL, Event::Heartbeat(cluster, epoch));
        let Some(mut group) = self.groups.remove(&cluster) else { return };
        // The journal grows by itself, about three entries in ten seconds (recordings three35, image_down).
        group.journal += 1 + u64::from(self.now.as_seconds() % 2 == 0);
        self.beat_frontends(&mut group);
        self.crash_backends_behind(&group);
        let ids: Vec<u64> = group.nodes.keys().copied().collect();
        let mut reports = Vec::new();
        let mut lost = false;
        for id in ids {
            let Some(node) = group.nodes.get_mut(&id) else { continue };
            let beat = self.beat_node(node, cluster, resolver);
            let was_alive = node.alive;
            if self.note_beat(node, beat) {
                reports.push(id);
            }
            lost |= was_alive && !node.alive && (!node.compute || group.shared_data);
        }
        self.schedule_routine_loads(&mut group, lost);
        let first = group.first_backend_alive.is_none() && group.backends().any(|node| node.alive);
        if first {
            group.first_backend_alive = Some(self.now);
        }
        self.groups.insert(cluster, group);
        for id in reports {
            let delay = self.between(2_000, 10_000);
            self.schedule(self.now + delay, Event::Report(cluster, epoch, id));
        }
        if first {
            self.schedule(self.now + Duration::from_secs(20), Event::Statistics(cluster, 0));
        }
    }

    fn beat_frontends(&mut self, group: &mut super::state::Group) {
        let now = self.now;
        let leader = group.leader().cloned();
        let journal = group.journal;
        for row in &mut group.frontends {
            let found = self
                .processes
                .iter()
                .find(|(_, process)| process.cluster == Some(group.cluster) && process.member == row.name && process.running());
            let Some((id, process)) = found else {
                note_frontend_failure(row, "Connection refused");
                continue;
            };
            let leads = Some(id) == leader.as_ref();
            let exiting = process.leaving_gracefully().is_some_and(|since| now.since(since) > Duration::from_millis(2_200));
            let error = if self.faults.is_cut(process) {
                Some("connect timed out")
            } else if (!process.open() && !leads) || exiting {
                Some("Connection refused")
            } else if process.stuck_at.is_some() {
                Some("not ready")
            } else {
                None
            };
            if let Some(error) = error {
                note_frontend_failure(row, error);
                continue;
            }
            row.failures = 0;
            row.alive = true;
            row.error.clear();
            row.last_heartbeat = Some(now);
            row.start_time = process.serving_since;
            row.version = Some(process.release.reported());
            row.query_port = process.ports.query;
            row.rpc_port = process.ports.rpc;
            // Followers are about one entry behind what the leader has just written (recording three35).
            row.replayed = if leads { journal } else { journal.saturating_sub(1) };
        }
    }

    fn beat_node(&self, node: &Node, cluster: u32, resolver: &dyn Resolver) -> Beat {
        let Some((_, process)) = self.node_process(node) else {
            let literal = node.host.parse::<IpAddr>().is_ok();
            return if !literal && resolver.resolve(&node.host).is_empty() {
                Beat::UnknownHost
            } else {
                Beat::Failed("java.net.ConnectException: Connection refused")
            };
        };
        if self.faults.is_cut(process) {
            return Beat::Failed("java.net.NoRouteToHostException: No route to host");
        }
        if !process.open() {
            return Beat::Failed("java.net.ConnectException: Connection refused");
        }
        if matches!(process.phase, Phase::Leaving { .. }) {
            return Beat::ShuttingDown;
        }
        if self.stored_cluster(process).is_some_and(|stored| stored != cluster) {
            return Beat::Failed("invalid cluster id. ignore.");
        }
        let ports = process.ports;
        Beat::Well {
            start: process.serving_since.unwrap_or(self.now),
            version: process.release.reported(),
            ports: [ports.be, ports.http, ports.brpc, ports.starlet],
            volume: process.volume.clone(),
        }
    }

    fn stored_cluster(&self, process: &Process) -> Option<u32> {
        match self.volumes.get(&process.volume) {
            Some(super::state::Volume::Backend(volume)) => volume.cluster,
            _ => None,
        }
    }

    /// The running program behind a row of SHOW BACKENDS.
    pub(super) fn node_process(&self, node: &Node) -> Option<(&ContainerId, &Process)> {
        let address: Option<IpAddr> = node.host.parse().ok();
        self.processes.iter().find(|(_, process)| {
            let nodes = matches!(process.component, Component::Backend | Component::ComputeNode);
            let named = || address.map_or_else(|| process.start.fqdn == node.host, |address| process.start.ip == address);
            nodes && process.ports.heartbeat == node.port && process.running() && named()
        })
    }

    /// Enters an answer in the books; returns whether a first tablet report is to come.
    fn note_beat(&mut self, node: &mut Node, beat: Beat) -> bool {
        let now = self.now;
        match beat {
            Beat::Well { start, version, ports, volume } => {
                let restarted = node.start_time.is_none_or(|known| known.as_seconds() != start.as_seconds());
                let changed = !node.alive || restarted || node.version != version;
                node.failures = 0;
                if !node.alive {
                    node.alive_since = Some(now);
                }
                node.alive = true;
                node.status = NodeStatus::Ok;
                node.error.clear();
                node.last_heartbeat = Some(now);
                node.start_time = Some(start);
                node.version = version;
                node.ports = Some(ports);
                node.volume = Some(volume);
                // Only heartbeats that change something are journaled (real-fe.md §11.1).
                if changed {
                    node.journaled_heartbeat = Some(now);
                    node.first_report = None;
                    node.reports_until = None;
                }
                changed || (node.first_report.is_none() && node.reports_until.is_none())
            }
            Beat::ShuttingDown => {
                node.alive = false;
                node.status = NodeStatus::Shutdown;
                node.error = "shutting down".to_owned();
                node.failures = 0;
                node.reports_until = node.reports_until.or(Some(now));
                false
            }
            Beat::Failed(error) => {
                note_node_failure(node, error, now);
                false
            }
            Beat::UnknownHost => {
                let error = format!("java.net.UnknownHostException: {}", node.host);
                note_node_failure(node, &error, now);
                false
            }
        }
    }
}

fn note_frontend_failure(row: &mut super::state::Frontend, error: &str) {
    row.failures += 1;
    if row.failures > TOLERATED_FAILURES {
        row.alive = false;
        row.error = error.to_owned();
        row.start_time = None;
    }
}

fn note_node_failure(node: &mut Node, error: &str, now: crate::model::Timestamp) {
    node.failures += 1;
    node.reports_until = node.reports_until.or(Some(now));
    let told = node.status == NodeStatus::Shutdown;
    if node.failures > TOLERATED_FAILURES || told {
        node.alive = false;
        node.status = NodeStatus::Disconnected;
        node.error = error.to_owned();
    }
}
