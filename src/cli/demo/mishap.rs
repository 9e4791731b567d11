//! What went wrong on purpose: begins and ends each fault, and tells whether a broken promise was its doing or the operator's.

use std::collections::BTreeSet;

use serde::Serialize;

use super::Fault;
use super::progress::Progress;
use super::screen::stamp;

/// A process that was killed is looked at again after this many seconds: Kubernetes notices within one.
const NOTICED_AFTER_SECONDS: u64 = 3;

/// A fault that was played.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Mishap {
    /// What happened, in words.
    pub(super) what: String,
    pub(super) begin_seconds: u64,
    /// When its last trace was gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) end_seconds: Option<u64>,
    #[serde(skip)]
    fault: Fault,
    #[serde(skip)]
    lasts_seconds: u64,
    /// The pod that it hits; `None` when it hits all or none.
    #[serde(skip)]
    victim: Option<String>,
    /// Pods that were being stopped when it began.
    #[serde(skip)]
    stopping: BTreeSet<String>,
    /// Whether the operator took away another node while it lasted.
    operator_acted: bool,
}

/// Milliseconds in which a promise did not hold, so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Shortage {
    pub(super) quorum_lost_ms: u64,
    pub(super) below_two_replicas_ms: u64,
}

/// All faults of a story.
#[derive(Clone, Debug, Default)]
pub(super) struct Mishaps {
    pub(super) played: Vec<Mishap>,
    /// What the faults did by themselves.
    pub(super) their_doing: Shortage,
    seen: Shortage,
}

impl Mishaps {
    /// Begins a fault.
    pub(super) fn begin(&mut self, fault: Fault, what: String, lasts_seconds: u64, victim: Option<String>, progress: &Progress) {
        self.played.push(Mishap {
            what,
            begin_seconds: progress.at_seconds,
            end_seconds: None,
            fault,
            lasts_seconds,
            victim,
            stopping: stopping(progress),
            operator_acted: false,
        });
    }

    /// Notes what a glance shows: who is to blame for a shortage since the last one, and which faults have ended, in words.
    pub(super) fn glance(&mut self, progress: &Progress, shortage: Shortage) -> Vec<String> {
        let stopping = stopping(progress);
        for mishap in self.played.iter_mut().filter(|mishap| mishap.end_seconds.is_none()) {
            let theirs = |pod: &&String| !mishap.stopping.contains(*pod) && mishap.victim.as_ref() != Some(*pod);
            // Whoever loses a node also loses its pods, which Kubernetes then deletes by itself.
            let acted = mishap.fault != Fault::LoseNode && stopping.iter().any(|pod| theirs(&pod));
            mishap.operator_acted |= acted;
        }
        let ongoing = || self.played.iter().filter(|mishap| mishap.end_seconds.is_none());
        if ongoing().next().is_some() && ongoing().all(|mishap| !mishap.operator_acted) {
            self.their_doing.quorum_lost_ms += shortage.quorum_lost_ms.saturating_sub(self.seen.quorum_lost_ms);
            self.their_doing.below_two_replicas_ms += shortage.below_two_replicas_ms.saturating_sub(self.seen.below_two_replicas_ms);
        }
        self.seen = shortage;
        let mut told = Vec::new();
        for mishap in self.played.iter_mut().filter(|mishap| mishap.end_seconds.is_none() && mishap.is_over(progress)) {
            mishap.end_seconds = Some(progress.at_seconds);
            let after = progress.at_seconds.saturating_sub(mishap.begin_seconds);
            told.push(format!("{} fault over after {after} s: {}", stamp(progress.at_seconds), mishap.what));
        }
        told
    }
}

impl Mishap {
    fn is_over(&self, progress: &Progress) -> bool {
        if progress.at_seconds < self.begin_seconds + self.lasts_seconds.max(NOTICED_AFTER_SECONDS) {
            return false;
        }
        let well = |pod: &str| {
            let ready = progress.nodes.iter().any(|node| node.pod == pod && node.state == "ready");
            ready && progress.status.blocked.iter().all(|blocked| blocked.node.as_deref() != Some(pod))
        };
        match &self.victim {
            _ if self.fault == Fault::LoseNode => progress.nodes.iter().all(|node| well(&node.pod)),
            Some(pod) => well(pod),
            None => true,
        }
    }
}

fn stopping(progress: &Progress) -> BTreeSet<String> {
    progress.nodes.iter().filter(|node| node.state.starts_with("stopping")).map(|node| node.pod.clone()).collect()
}
