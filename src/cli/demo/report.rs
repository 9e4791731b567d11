//! The closing report: what was promised before the upgrade and what was seen by the laboratory's own books, not by the operator.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use super::mishap::{Mishap, Mishaps, Shortage};
use super::progress::Progress;
use super::screen::stamp;
use crate::model::Timestamp;
use crate::release::Version;
use crate::sim::embedded::Embedded;
use crate::sim::ledger::Tally;
use crate::sim::world::EPOCH;

/// Scheduler settings by frontend.
pub(super) type Settings = BTreeMap<String, BTreeMap<String, String>>;

/// The state of things before the upgrade.
pub(super) struct Before {
    pub(super) tally: Tally,
    pub(super) settings: Settings,
}

/// What came of the upgrade.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    from: Version,
    to: Version,
    /// Simulated seconds from the request to rest.
    seconds: u64,
    restarts: Vec<Restart>,
    elections: u64,
    quorum_lost_ms: u64,
    min_live_replicas: Option<usize>,
    below_two_replicas_ms: u64,
    settings_restored: bool,
    settings: Settings,
    /// Whether the routine load that ran before the upgrade runs again.
    routine_load_runs: bool,
    faults: Vec<Mishap>,
    /// What the faults did to the promises by themselves.
    their_doing: Shortage,
    /// What the operator asked of Kubernetes and StarRocks for the upgrade.
    upgrade: Tally,
    /// The same for the whole story.
    whole: Tally,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Restart {
    at_seconds: u64,
    pod: String,
    version: String,
    was_leader: bool,
}

impl Report {
    pub(super) fn new(
        embedded: &Embedded,
        (from, to): (Version, Version),
        (created, finished): (&Progress, &Progress),
        before: &Before,
        mishaps: &Mishaps,
        load: &str,
    ) -> Self {
        let world = embedded.world();
        let audit = world.starrocks.metrics(world.now());
        let since = |at: Timestamp| at.since(EPOCH).as_secs();
        let restarts = audit.restarts.iter().filter(|restart| since(restart.at) >= created.at_seconds).map(|restart| Restart {
            at_seconds: since(restart.at),
            pod: restart.pod.split('/').next_back().unwrap_or_default().to_owned(),
            version: restart.version.clone(),
            was_leader: restart.was_leader,
        });
        let whole = embedded.ledger.tally();
        Self {
            from,
            to,
            seconds: finished.at_seconds.saturating_sub(created.at_seconds),
            restarts: restarts.collect(),
            elections: audit.elections,
            quorum_lost_ms: audit.quorum_lost_ms,
            min_live_replicas: audit.min_live_replicas,
            below_two_replicas_ms: audit.below_two_ms,
            settings_restored: audit.settings_now == before.settings,
            settings: audit.settings_now,
            routine_load_runs: load
                .split_once('/')
                .is_some_and(|(namespace, job)| matches!(world.starrocks.routine_load(namespace, job), Some("RUNNING" | "NEED_SCHEDULE"))),
            faults: mishaps.played.clone(),
            their_doing: mishaps.their_doing,
            upgrade: difference(&whole, &before.tally),
            whole,
        }
    }

    /// Whether the operator kept every promise; what a fault broke by itself is not the operator's.
    pub(super) const fn holds(&self) -> bool {
        let ours = self.ours();
        ours.quorum_lost_ms == 0 && ours.below_two_replicas_ms == 0 && self.settings_restored && self.routine_load_runs
    }

    /// Simulated seconds from the request to rest.
    pub(super) const fn seconds(&self) -> u64 {
        self.seconds
    }

    /// The promises that the operator broke, a line each.
    pub(super) fn broken(&self) -> Vec<String> {
        let mut text = String::new();
        self.promises(&mut text);
        text.lines().filter_map(|line| line.trim().strip_prefix("BROKEN")).map(|line| line.trim().to_owned()).collect()
    }

    /// The shortage that no fault explains.
    const fn ours(&self) -> Shortage {
        Shortage {
            quorum_lost_ms: self.quorum_lost_ms.saturating_sub(self.their_doing.quorum_lost_ms),
            below_two_replicas_ms: self.below_two_replicas_ms.saturating_sub(self.their_doing.below_two_replicas_ms),
        }
    }

    pub(super) fn text(&self) -> String {
        let mut text = format!("\n{} -> {} took {} of cluster time.\n\nRestarts in order:\n", self.from, self.to, stamp(self.seconds));
        for restart in &self.restarts {
            let leader = if restart.was_leader { "  (was the leader)" } else { "" };
            let _ = writeln!(text, "  {} {:<16} {}{leader}", stamp(restart.at_seconds), restart.pod, restart.version);
        }
        if !self.faults.is_empty() {
            text.push_str("\nFaults:\n");
        }
        for fault in &self.faults {
            let end = fault.end_seconds.map_or_else(|| "the end".to_owned(), stamp);
            let _ = writeln!(text, "  {} to {end}: {}", stamp(fault.begin_seconds), fault.what);
        }
        text.push_str("\nPromises of the operator:\n");
        self.promises(&mut text);
        let _ = writeln!(
            text,
            "\nFor the upgrade the operator made {} API writes and {} API reads, sent {} SQL statements and {} queries.",
            self.upgrade.write_count(),
            self.upgrade.read_count(),
            self.upgrade.statement_count(),
            self.upgrade.queries
        );
        for (what, count) in self.upgrade.writes.iter().chain(&self.upgrade.statements) {
            let _ = writeln!(text, "  {count:>5}  {what}");
        }
        text
    }

    fn promises(&self, text: &mut String) {
        let (ours, theirs) = (self.ours(), self.their_doing);
        let least =
            self.min_live_replicas.map_or_else(|| "no table has three replicas".to_owned(), |least| format!("the least was {least}"));
        for (what, ours, theirs, more) in [
            ("frontend quorum never lost", ours.quorum_lost_ms, theirs.quorum_lost_ms, String::new()),
            ("no tablet short of two live replicas", ours.below_two_replicas_ms, theirs.below_two_replicas_ms, format!("; {least}")),
        ] {
            let _ = match (ours, theirs) {
                (0, 0) => writeln!(text, "  kept   {what} (0 ms without{more})"),
                (0, theirs) => {
                    writeln!(
                        text,
                        "  kept   {what} by the operator; the fault alone did for {theirs} ms, and nothing was restarted meanwhile{more}"
                    )
                }
                (ours, 0) => writeln!(text, "  BROKEN {what} ({ours} ms without{more})"),
                (ours, theirs) => writeln!(text, "  BROKEN {what} ({ours} ms without, and {theirs} ms more by the fault alone{more})"),
            };
        }
        for (kept, what) in [
            (self.settings_restored, "scheduler settings saved and put back on every frontend"),
            (self.routine_load_runs, "the routine load that ran before runs again"),
        ] {
            let _ = writeln!(text, "  {} {what}", if kept { "kept  " } else { "BROKEN" });
        }
    }
}

fn difference(after: &Tally, before: &Tally) -> Tally {
    let minus = |after: &BTreeMap<String, u64>, before: &BTreeMap<String, u64>| {
        let grown = after.iter().map(|(what, count)| (what.clone(), count - before.get(what).copied().unwrap_or(0)));
        grown.filter(|(_, count)| *count > 0).collect()
    };
    Tally {
        writes: minus(&after.writes, &before.writes),
        reads: minus(&after.reads, &before.reads),
        statements: minus(&after.statements, &before.statements),
        queries: after.queries - before.queries,
        http_requests: after.http_requests - before.http_requests,
    }
}
