//! Routine load jobs that ran before a hop and are paused after it are resumed; jobs that their owner had paused, or is known to have paused
//! meanwhile, are never touched.

use std::time::Duration;

use super::super::draft::Draft;
use super::super::view::{View, require};
use crate::api::RoutineLoadMark;
use crate::model::starrocks::{RoutineLoad, RoutineLoadState};
use crate::model::{Statement, Timestamp, WaitingOn};

/// A job that was resumed is looked at again after this long; it is scheduled every 10 s (`routine_load_scheduler_interval_millisecond`).
const PATIENCE: Duration = Duration::from_secs(30);
/// A statement can get lost with its operator, so it is sent again; a job that still pauses itself needs its owner.
const RESUMES_MAX: i32 = 3;
const QUESTION: &str = "SHOW ROUTINE LOAD";

/// The jobs that load now, to be remembered before the first node of a hop is touched.
pub(super) fn active(view: &View<'_>) -> Result<Vec<RoutineLoadMark>, WaitingOn> {
    let jobs = require(&view.observed.group.routine_loads, QUESTION)?;
    let mark = |job: &RoutineLoad| RoutineLoadMark { database: job.database.clone(), name: job.name.clone(), ..RoutineLoadMark::default() };
    Ok(jobs.iter().filter(|job| job.state == RoutineLoadState::Active).map(mark).collect())
}

/// Forgets the jobs that a user has paused since, while the frontends can tell.
pub(super) fn leave_to_owners(view: &View<'_>, draft: &mut Draft) {
    let Some(jobs) = view.observed.group.routine_loads.known() else { return };
    let is_left = |mark: &RoutineLoadMark| {
        let same = |job: &&RoutineLoad| job.database == mark.database && job.name == mark.name;
        jobs.iter().find(same).is_some_and(|job| job.state == RoutineLoadState::PausedByUser)
    };
    let marks = draft.operation.as_ref().map(|operation| operation.routine_loads.clone()).unwrap_or_default();
    let (left, kept): (Vec<_>, Vec<_>) = marks.into_iter().partition(is_left);
    left.iter().for_each(|mark| tell_left(mark, draft));
    if !left.is_empty() {
        draft.remember(|operation| operation.routine_loads = kept);
    }
}

/// Resumes what is paused and was not; forgets each job once it loads again, has ended, or cannot be helped. Returns whether none is left.
pub(super) fn resume(view: &View<'_>, draft: &mut Draft) -> bool {
    let marks = draft.operation.as_ref().map(|operation| operation.routine_loads.clone()).unwrap_or_default();
    if marks.is_empty() {
        return true;
    }
    let jobs = match require(&view.observed.group.routine_loads, QUESTION) {
        Ok(jobs) => jobs,
        Err(wait) => {
            draft.wait(wait);
            return false;
        }
    };
    if view.leader().is_none() {
        draft.wait(WaitingOn::LeaderElection);
        return false;
    }
    let left: Vec<RoutineLoadMark> = marks.into_iter().filter_map(|mark| go_on(view, jobs, mark, draft)).collect();
    if !left.is_empty() {
        draft.wait(WaitingOn::RoutineLoadsPaused { jobs: left.iter().map(label).collect() });
    }
    let done = left.is_empty();
    draft.remember(|operation| operation.routine_loads = left);
    done
}

/// One job: what is still to be remembered of it.
fn go_on(view: &View<'_>, jobs: &[RoutineLoad], mark: RoutineLoadMark, draft: &mut Draft) -> Option<RoutineLoadMark> {
    let found = jobs.iter().find(|job| job.database == mark.database && job.name == mark.name);
    match found.map(|job| job.state) {
        Some(RoutineLoadState::Active) => return None,
        Some(RoutineLoadState::Paused) => {}
        Some(RoutineLoadState::PausedByUser) => {
            tell_left(&mark, draft);
            return None;
        }
        Some(RoutineLoadState::Unknown) => {
            draft.warn("RoutineLoadUnclear", format!("{} ran before and is in a state that this operator does not know", label(&mark)));
            return None;
        }
        Some(RoutineLoadState::Ended) | None => {
            draft.warn("RoutineLoadEnded", format!("{} ran before and was stopped, cancelled or dropped meanwhile", label(&mark)));
            return None;
        }
    }
    let sent = mark.resumed_at.as_deref().and_then(Timestamp::parse);
    if sent.is_some_and(|sent| view.now().since(sent) < PATIENCE) {
        return Some(mark);
    }
    if mark.resumes >= RESUMES_MAX {
        let job = label(&mark);
        draft.warn(
            "RoutineLoadPaused",
            format!("{job} pauses itself again; SHOW ROUTINE LOAD FOR {job} says why, then RESUME ROUTINE LOAD FOR {job}"),
        );
        return None;
    }
    draft.execute(view, Statement::ResumeRoutineLoad { database: mark.database.clone(), name: mark.name.clone() });
    Some(RoutineLoadMark { resumes: mark.resumes + 1, resumed_at: Some(view.now().to_seconds_text()), ..mark })
}

fn tell_left(mark: &RoutineLoadMark, draft: &mut Draft) {
    let job = label(mark);
    draft.warn(
        "RoutineLoadLeftPaused",
        format!("{job} was paused by a user during the upgrade and stays so; RESUME ROUTINE LOAD FOR {job} ends that"),
    );
}

fn label(mark: &RoutineLoadMark) -> String {
    format!("{}.{}", mark.database, mark.name)
}
