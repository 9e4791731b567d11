//! A metadata image that covers everything before the hop must reach every frontend before a node is touched; asks for it, proves it by journal id.

use std::time::Duration;

use super::super::draft::Draft;
use super::super::versions::Leg;
use super::super::view::{View, require};
use crate::api::ImageMark;
use crate::model::{Answer, Component, Statement, Timestamp, WaitingOn};
use crate::release::HopKind;

/// CREATE IMAGE took 85 to 156 s in every run (real-fe.md §6); asked for again after this long, and after each such time.
const PATIENCE: Duration = Duration::from_secs(240);
/// For how long it is asked for again each time; a pass looks every five seconds meanwhile.
const AGAIN: Duration = Duration::from_secs(6);

/// Whether the hop starts with an image: not for a patch upgrade, whose metadata format stays, and never while releases differ.
pub(super) fn is_needed(leg: &Leg) -> bool {
    !leg.mixed && (leg.hop.kind != HopKind::Patch || leg.is_downgrade())
}

/// Marks, asks, waits. Returns whether every frontend holds an image that reaches the mark.
pub(super) fn drive(view: &View<'_>, draft: &mut Draft) -> bool {
    let mark = draft.operation.as_ref().and_then(|operation| operation.image.clone());
    let Some(mark) = mark else {
        ask(view, draft, None);
        return false;
    };
    let want = u64::try_from(mark.journal_id).unwrap_or(0);
    let lacking = lacking(view, want);
    if lacking.is_empty() {
        return true;
    }
    draft.wait_all(lacking);
    match mark.requested_at.as_deref().and_then(Timestamp::parse) {
        None => ask(view, draft, Some(mark)),
        Some(asked) if is_time_to_repeat(view.now().since(asked)) => draft.execute(view, Statement::CreateImage),
        Some(_) => {}
    }
    false
}

/// By the clock alone and without a word in the status: an operator that dies after whatever it writes would otherwise never come to
/// the statement.
const fn is_time_to_repeat(since: Duration) -> bool {
    since.as_secs() >= PATIENCE.as_secs() && since.as_secs() % PATIENCE.as_secs() < AGAIN.as_secs()
}

/// The closing image: asked for, and awaited as far as frontends tell about it. Nothing depends on its proof until the next hop asks anew.
pub(super) fn close(view: &View<'_>, draft: &mut Draft) -> bool {
    let silent = view.leader().and_then(|leader| view.report(&leader.name)).is_some_and(|report| report.availability == Answer::NotAsked);
    if !silent {
        return drive(view, draft);
    }
    draft.execute(view, Statement::CreateImage);
    true
}

/// Frontends whose image does not reach the mark, or who did not say.
fn lacking(view: &View<'_>, want: u64) -> Vec<WaitingOn> {
    let Some(fleet) = view.fleet(Component::Frontend) else { return Vec::new() };
    let of = |ordinal| {
        let pod = view.pod_name(Component::Frontend, ordinal);
        let have =
            view.report(&pod).and_then(|report| report.availability.known()).map_or(0, |availability| availability.last_checkpoint_version);
        (have < want).then_some(WaitingOn::ImageNotSynced { pod, have, want })
    };
    fleet.ordinals().into_iter().filter_map(of).collect()
}

/// The status is written before the statement is sent: the mark is on record whatever happens to the statement.
fn ask(view: &View<'_>, draft: &mut Draft, former: Option<ImageMark>) {
    let now = Some(view.now().to_seconds_text());
    let mark = match former {
        Some(former) => ImageMark { requested_at: now, ..former },
        None => match journal_id(view) {
            Ok(journal_id) => ImageMark { journal_id, marked_at: now.clone(), requested_at: now },
            Err(wait) => return draft.wait(wait),
        },
    };
    if view.leader().is_none() {
        return draft.wait(WaitingOn::LeaderElection);
    }
    let want = u64::try_from(mark.journal_id).unwrap_or(0);
    draft.wait_all(lacking(view, want.max(1)));
    draft.remember(|operation| operation.image = Some(mark));
    draft.execute(view, Statement::CreateImage);
}

fn journal_id(view: &View<'_>) -> Result<i64, WaitingOn> {
    let leader = view.leader().ok_or(WaitingOn::LeaderElection)?;
    let report = view.report(&leader.name).ok_or(WaitingOn::LeaderElection)?;
    let own = require(&report.availability, "the journal id of the leader")?.current_journal_id;
    let row = view.leader_row().map_or(0, |row| row.replayed_journal_id);
    Ok(i64::try_from(own.max(row)).unwrap_or(i64::MAX))
}
