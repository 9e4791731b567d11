//! The leader whose restart is due goes in, the follower that is to lead before it goes comes out; remembers whom it asked, and gives up after the second time.
//!
//! Best effort by design: a leader that is stopped costs one election as well, so whatever goes wrong here ends in the restart as it would have been.

use std::cmp::Reverse;
use std::time::Duration;

use super::draft::Draft;
use super::quorum;
use super::view::{Fleet, View};
use crate::api::LeaderTransferMark;
use crate::model::cluster::RunMode;
use crate::model::starrocks::FrontendRow;
use crate::model::{Pod, Request, Statement, Timestamp, TransferWait, WaitingOn};
use crate::release::{Version, parse_reported};

/// In StarRocks' own runs a leader had stepped down within three seconds (StarRocks/starrocks#75125), and roles are shown by the next heartbeat, five seconds
/// later at most. A leader that hangs over it is given up by its group after `bdbje_heartbeat_timeout_second`, 30 s: what has not moved by then stays.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often a leader is asked.
const ATTEMPTS: i32 = 2;

/// What the restart of a frontend waits for because it leads and is to hand its lead over; `None` when it may be restarted as it is.
pub(super) fn wait(view: &View<'_>, fleet: &Fleet<'_>, pod: &Pod, draft: &mut Draft) -> Option<WaitingOn> {
    let leader = view.leader().filter(|leader| leader.uid == pod.uid)?;
    let former = mark_of(view, leader);
    if let Some(mark) = former {
        let refusal = view.observed.refusals.iter().find(|refusal| matches!(refusal.request, Request::TransferLeader(_)));
        let until = mark.requested_at.as_deref().and_then(Timestamp::parse).map(|asked| asked + PATIENCE);
        let until = until.filter(|until| refusal.is_none() && view.now() < *until);
        if let Some(until) = until {
            return Some(WaitingOn::LeaderTransfer(TransferWait { pod: mark.pod.clone(), to: mark.to.clone(), until }));
        }
        if refusal.is_some() || mark.attempts >= ATTEMPTS {
            let why = refusal.map_or_else(|| "without effect".to_owned(), |refusal| format!("and refused: {}", refusal.words));
            draft.warn(
                "LeaderNotTransferred",
                format!("{} was asked to hand its lead over to {}, {why}; it is restarted as it is", mark.pod, mark.to),
            );
            // What was refused once is not asked again, although nobody remembers the words.
            draft.leader_transfer = Some(LeaderTransferMark { attempts: ATTEMPTS, ..mark.clone() });
            return None;
        }
    }
    let (heir, row) = heir(view, fleet, leader)?;
    let mark = LeaderTransferMark {
        pod: leader.name.clone(),
        uid: leader.uid.clone(),
        to: heir.name.clone(),
        attempts: former.map_or(0, |mark| mark.attempts).saturating_add(1),
        requested_at: Some(view.now().to_seconds_text()),
    };
    draft.tell("TransferringLeader", format!("{} hands its lead over to {} before it is restarted", leader.name, heir.name));
    draft.execute(view, Statement::TransferLeader { host: row.host.clone(), port: row.edit_log_port });
    // The status is written before the statement is sent: an attempt that nobody heard of counts as well.
    draft.leader_transfer = Some(mark);
    let until = view.now() + PATIENCE;
    Some(WaitingOn::LeaderTransfer(TransferWait { pod: leader.name.clone(), to: heir.name.clone(), until }))
}

/// Puts the mark of this pass into the memory, or keeps the former one as long as its pod is there.
pub(super) fn remember(view: &View<'_>, draft: &mut Draft) {
    let former = view.observed.status.operation.as_ref().and_then(|operation| operation.leader_transfer.clone());
    let is_there = |mark: &LeaderTransferMark| view.observed.pods.get(&mark.pod).is_some_and(|pod| pod.uid == mark.uid);
    let mark = draft.leader_transfer.take().or_else(|| former.filter(is_there));
    draft.remember(|operation| operation.leader_transfer = mark);
}

fn mark_of<'a>(view: &View<'a>, pod: &Pod) -> Option<&'a LeaderTransferMark> {
    view.observed.status.operation.as_ref()?.leader_transfer.as_ref().filter(|mark| mark.uid == pod.uid)
}

/// The follower that is to lead: one that would be elected as well, on the new template already, and the furthest in the journal. None where the release
/// that the leader runs does not know the statement, in shared-data, and where the others are no majority. None of another line either: the leader that
/// steps down goes on as a follower until it is restarted, and a follower is stuck at the first entry of a newer line that it does not know
/// (real-fe.md §10).
fn heir<'a>(view: &View<'a>, fleet: &Fleet<'a>, leader: &Pod) -> Option<(&'a Pod, &'a FrontendRow)> {
    let release = release_of(view, leader)?;
    let known = view.cluster.run_mode == RunMode::SharedNothing && view.cluster.releases.table().has_leader_transfer(&release);
    if !known || !quorum::without(view, &leader.name)?.survive() {
        return None;
    }
    let fits = |pod: &Pod| !fleet.is_outdated(pod) && release_of(view, pod).is_some_and(|other| other.line() == release.line());
    let others = quorum::others(view, &leader.name)?.into_iter().filter(|(pod, _)| fits(pod));
    others.max_by_key(|(pod, row)| (row.replayed_journal_id, Reverse(pod.ordinal)))
}

/// The release of a frontend by its own word.
fn release_of(view: &View<'_>, pod: &Pod) -> Option<Version> {
    parse_reported(view.report(&pod.name)?.version.known()?).release()
}
