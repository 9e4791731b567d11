//! A Cluster and what was observed go in, a Decision comes out; cannot fail, never talks to anyone.
//!
//! The order of thought is that of `plan` below: where the releases stand, what that allows to be rolled, how many nodes there
//! are to be, which objects that makes, and what all of it means to the user.

mod adoption;
mod budgets;
mod check;
mod configuration;
mod describe;
mod draft;
mod drain;
mod health;
mod objects;
mod ports;
mod preview;
mod pulls;
mod quorum;
mod record;
mod recovery;
mod refusals;
mod rollout;
mod scale;
mod status;
mod transfer;
mod upgrade;
mod versions;
mod view;
mod warehouse;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use adoption::{Adoption, Change, ObjectChange, adoption};
pub use check::{Violation, check};
pub use describe::describe;
pub use preview::{Gate, Pace, Preview, Restart, as_described, preview, refused_way, with_reports};
pub use status::{Rejection, refuse};
pub use warehouse::{let_go, without_cluster};

use draft::Draft;
use rollout::{Course, Progress};
use versions::{Frontier, Leg, Route, is_versioned};
use view::View;

use crate::api::{Operation, OperationKind, OperationPhase};
use crate::model::{Cluster, Component, Decision, Observed, WaitingOn, spec_change};

/// Decides what is to be done next. Total and deterministic: the same two arguments give the same Decision, whatever they are.
pub fn plan(cluster: &Cluster, observed: &Observed) -> Decision {
    let view = View::new(cluster, observed);
    if cluster.warehouse.is_some() {
        return warehouse::plan(&view, &observed.warehouse.clone().unwrap_or_default());
    }
    let frontier = versions::frontier(&view);
    let mut draft = Draft::default();
    let recovery = recovery::wanted(&view);
    if let Some(recovery) = recovery.filter(|recovery| !recovery::may_begin(&view, *recovery)) {
        recovery::wait_for_snapshot(&view, recovery, &mut draft);
        // Frontends that are made now would found an empty cluster.
        if view.fleet(Component::Frontend).is_some_and(|fleet| fleet.live.is_none()) {
            return decide(&view, &frontier, draft);
        }
    } else if let Some(recovery) = recovery {
        recovery::run(&view, recovery, &mut draft);
        objects::run(&view, &mut draft);
        // What was restored is afterwards brought to its usual form, which is a change of pod templates.
        draft.operation = Some(continued(&view, OperationKind::Rollout, OperationPhase::Bootstrap));
        return decide(&view, &frontier, draft);
    }
    let route = versions::route(&view);
    let progress = match &route {
        Route::Fresh => create(&view, &frontier, &mut draft),
        Route::Settled => settle(&view, &frontier, &mut draft),
        Route::Leg(leg) => walk(&view, leg, &frontier, &mut draft),
        Route::Arrived => arrive(&view, &frontier, &mut draft),
        Route::Held(wait) => stand_still(&view, wait, &frontier, &mut draft),
        Route::Unsure(wait) => wait_for_answers(&view, wait, &frontier, &mut draft),
    };
    // Until a hop begins, which may be in weeks, nothing rolls and nodes come and go as ever.
    let waits = upgrade::is_yet_to_begin(&view, &route, &frontier, &draft);
    let versioned = draft.operation.as_ref().is_some_and(is_versioned);
    scale::run(&view, progress.to_do && !waits, versioned && !waits, &mut draft);
    configuration::run(&view, matches!(route, Route::Settled), &mut draft);
    objects::run(&view, &mut draft);
    pulls::clear(&view, &mut draft);
    decide(&view, &frontier, draft)
}

/// A Decision that has passed `check`. One that breaks a rule loses every step and changes nothing that is remembered.
pub fn guarded(cluster: &Cluster, observed: &Observed) -> (Decision, Vec<Violation>) {
    let decision = plan(cluster, observed);
    let violations = check(cluster, observed, &decision);
    if violations.is_empty() {
        return (decision, violations);
    }
    (refused(cluster, observed, &violations), violations)
}

/// What is decided instead of something that breaks a rule.
fn refused(cluster: &Cluster, observed: &Observed, violations: &[Violation]) -> Decision {
    let detail = violations.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
    let mut draft = Draft { operation: observed.status.operation.clone(), ..Draft::default() };
    draft.wait(WaitingOn::DecisionRefused { detail: detail.clone() });
    draft.warn("DecisionRefused", detail);
    let view = View::new(cluster, observed);
    decide(&view, &versions::frontier(&view), draft)
}

fn decide(view: &View<'_>, frontier: &Frontier, mut draft: Draft) -> Decision {
    draft.sort_steps();
    drain::remember(view, &mut draft);
    transfer::remember(view, &mut draft);
    refusals::heed(view, &mut draft);
    // Nothing rests on it: what runs is kept, and everything else goes on.
    if let Some((following, detail)) = view.cluster.following.as_ref().and_then(|following| Some((following, following.held.clone()?))) {
        draft.wait(WaitingOn::ChannelHeld { channel: following.channel.clone(), detail });
    }
    draft.waiting.sort_by_key(|wait| !wait.needs_a_person());
    // Whatever this pass could do about it: the next one sees a change that is no longer new.
    if is_authorised(view) {
        draft.remember(|operation| operation.holds_templates = None);
    }
    let status = status::publish(view, frontier, &draft);
    record::explain(view, frontier, &status, &mut draft);
    let look_again = Some(draft.look_again(view));
    Decision { steps: draft.steps, status, waiting_on: draft.waiting, notices: draft.notices, look_again }
}

/// Nothing ran yet: frontends first, the others as soon as one serves.
fn create(view: &View<'_>, frontier: &Frontier, draft: &mut Draft) -> Progress {
    let order = vec![Component::Frontend, Component::Backend, Component::ComputeNode];
    let course = Course { order, leg: None, may_begin: true, may_restart: true, rescue: true, authorised: true };
    let progress = rollout::run(view, &course, frontier, draft);
    let phase = if view.serving_frontends() == 0 { OperationPhase::Bootstrap } else { OperationPhase::Join };
    draft.operation = Some(continued(view, OperationKind::Create, phase));
    progress
}

/// The releases are as wanted: templates that differ are rolled, operations that are over are closed.
fn settle(view: &View<'_>, frontier: &Frontier, draft: &mut Draft) -> Progress {
    let order = vec![Component::Backend, Component::ComputeNode, Component::Frontend];
    let course = Course { order, leg: None, may_begin: true, may_restart: true, rescue: true, authorised: is_authorised(view) };
    let former = view.observed.status.operation.as_ref();
    draft.operation = former.cloned();
    if let Some(wait) = awaits_window(view) {
        draft.wait(wait);
        draft.wait_all(health::of_all(view));
        rollout::hold(view, draft);
        remember_pending(view, draft);
        return Progress { turn: None, to_do: true, rolls: false, phase: None };
    }
    let progress = rollout::run(view, &course, frontier, draft);
    let healthy = progress.turn.is_none();
    if former.is_some_and(is_versioned) && !progress.to_do {
        if !upgrade::close(view, &frontier.all(), healthy, draft) {
            return progress;
        }
    } else if former.is_some_and(is_versioned) {
        return progress;
    }
    draft.operation = at_rest_or_busy(view, &progress, healthy, draft);
    progress
}

/// What a rollout waits for that may not begin now. One that has begun goes on, and whatever cannot start may be replaced.
fn awaits_window(view: &View<'_>) -> Option<WaitingOn> {
    let wait = view.closed_window()?;
    let begun = view.observed.status.operation.as_ref().is_some_and(|operation| {
        is_versioned(operation) || operation.kind == OperationKind::Rollout && operation.phase >= OperationPhase::Canary
    });
    let broken = view.fleets().flat_map(|fleet| fleet.pods.values()).any(|pod| health::is_broken(pod));
    let differs = |fleet: &view::Fleet<'_>| {
        let (workload, image) = (fleet.workload?, fleet.workload?.image.to_string());
        let differs = objects::template_differs(view, fleet, workload, &image);
        let agreed =
            || objects::restarts_for_configuration(view, fleet, workload) || objects::held(view, fleet, workload, &image).is_none();
        Some(differs && (is_authorised(view) || agreed()))
    };
    let busy = is_authorised(view) || view.observed.status.operation.is_some();
    let outdated = |fleet: &view::Fleet<'_>| busy && fleet.outdated().next().is_some();
    let pending = view.fleets().any(|fleet| outdated(fleet) || differs(fleet) == Some(true));
    (!begun && !broken && pending).then_some(wait)
}

/// What goes on when no release changes.
fn at_rest_or_busy(view: &View<'_>, progress: &Progress, healthy: bool, draft: &mut Draft) -> Option<Operation> {
    let former = view.observed.status.operation.as_ref().filter(|operation| !is_versioned(operation));
    let kind = former.map(|operation| operation.kind.clone());
    let phase = progress.phase.clone().or_else(|| former.map(|former| former.phase.clone())).unwrap_or(OperationPhase::Preflight);
    if kind == Some(OperationKind::Create) {
        let complete = healthy && view.fleets().filter(|fleet| fleet.workload.is_some()).all(|fleet| fleet.live.is_some());
        // No event: the condition Ready says the same, with its time, and for longer.
        return (!complete).then(|| continued(view, OperationKind::Create, OperationPhase::Join));
    }
    if progress.to_do {
        return Some(as_asked(view, continued(view, OperationKind::Rollout, phase)));
    }
    if scale::is_scaling(view) {
        return Some(as_asked(view, continued(view, OperationKind::Scale, OperationPhase::Join)));
    }
    match kind {
        Some(kind @ (OperationKind::Rollout | OperationKind::Scale)) if !healthy => Some(as_asked(view, continued(view, kind, phase))),
        Some(kind) => {
            draft.tell(&format!("{kind}Finished"), "every node is as the resource describes it".to_owned());
            None
        }
        None => None,
    }
}

/// One hop of an upgrade or downgrade.
fn walk(view: &View<'_>, leg: &Leg, frontier: &Frontier, draft: &mut Draft) -> Progress {
    let permit = upgrade::drive(view, leg, draft);
    let (order, unapproved) = approved_order(view, leg, draft);
    // With answers missing the leg is a memory: what was begun goes on, nothing new begins.
    let begin = permit.begin && frontier.missing.is_none();
    let course = Course {
        order,
        leg: Some(leg),
        may_begin: begin,
        may_restart: permit.restart && frontier.missing.is_none(),
        rescue: begin,
        authorised: true,
    };
    let progress = rollout::run(view, &course, frontier, draft);
    if permit.begin && progress.turn.is_none() {
        draft.wait_all(unapproved);
    }
    upgrade::turn_back_if_stuck(view, leg, frontier, draft);
    if permit.begin {
        note_phase(view, leg, &progress, draft);
    }
    progress
}

/// Remembers where the roll stands, and that canaries have to be watched anew if anything but their watch was awaited.
fn note_phase(view: &View<'_>, leg: &Leg, progress: &Progress, draft: &mut Draft) {
    let judged = view.cluster.policy.canary.is_some();
    // What waits for a word about the next component waits with canaries that are as healthy as before.
    let keeps = |wait: &WaitingOn| wait.is_of_canaries() || judged && matches!(wait, WaitingOn::ApprovalNeeded { .. });
    let watched = draft.waiting.iter().all(keeps);
    draft.remember(|operation| {
        // Nodes that are done and only wait, for a new leader to hear of their tablets say, take the turn without taking the way back.
        if let Some(phase) = progress.phase.clone().filter(|phase| progress.rolls || !rollout::is_behind(leg, phase, &operation.phase)) {
            operation.phase = phase;
        }
        // Where all nodes of a component are canaries, nothing rolls while they are watched.
        if progress.phase.is_some() || judged {
            let over = judged
                && match operation.phase {
                    OperationPhase::ComputeNodes => view.cluster.backend.is_some(),
                    OperationPhase::Followers | OperationPhase::Leader => true,
                    _ => false,
                };
            operation.canary_since = operation.canary_since.take().filter(|_| watched && !over);
        }
    });
}

/// The components that may take their new release, in order; and what has to be approved before the next one may.
fn approved_order(view: &View<'_>, leg: &Leg, draft: &Draft) -> (Vec<Component>, Option<WaitingOn>) {
    let Some(operation) = &draft.operation else { return (leg.order().to_vec(), None) };
    let approvals = record::approvals(view, leg, operation);
    let mut order = Vec::new();
    for component in leg.order().into_iter().filter(|component| view.cluster.workload(*component).is_some()) {
        if let Some(wait) = approvals.before(component) {
            return (order, Some(wait));
        }
        order.push(component);
    }
    (order, None)
}

/// A way that was given up has come to its end: what runs is kept, and what is owed is paid back.
fn arrive(view: &View<'_>, frontier: &Frontier, draft: &mut Draft) -> Progress {
    draft.operation.clone_from(&view.observed.status.operation);
    draft.wait_all(health::of_all(view));
    let healthy = draft.waiting.is_empty();
    rollout::hold(view, draft);
    upgrade::close(view, &frontier.all(), healthy, draft);
    Progress { turn: None, to_do: false, rolls: false, phase: None }
}

/// The way is refused: what runs is kept, and nothing stays frozen for it.
fn stand_still(view: &View<'_>, wait: &WaitingOn, frontier: &Frontier, draft: &mut Draft) -> Progress {
    draft.wait(wait.clone());
    draft.wait_all(health::of_all(view));
    upgrade::give_up(view, frontier.all().len() > 1, draft);
    rollout::hold(view, draft);
    remember_pending(view, draft);
    Progress { turn: None, to_do: false, rolls: false, phase: None }
}

/// Too little was answered: only what cannot start anyway may be replaced, and only by what ran before.
fn wait_for_answers(view: &View<'_>, wait: &WaitingOn, frontier: &Frontier, draft: &mut Draft) -> Progress {
    draft.wait(wait.clone());
    draft.operation.clone_from(&view.observed.status.operation);
    if goes_back_to_what_ran(view) {
        let order = vec![Component::Frontend, Component::Backend, Component::ComputeNode];
        let course = Course { order, leg: None, may_begin: false, may_restart: false, rescue: true, authorised: true };
        return rollout::run(view, &course, frontier, draft);
    }
    draft.wait_all(health::of_all(view));
    rollout::hold(view, draft);
    remember_pending(view, draft);
    Progress { turn: None, to_do: true, rolls: false, phase: None }
}

/// Whether the frontends are asked to run what they were last known to run, while one of them cannot start.
fn goes_back_to_what_ran(view: &View<'_>) -> bool {
    let Some(fleet) = view.fleet(Component::Frontend) else { return false };
    let Some(wanted) = fleet.workload.and_then(|workload| workload.claim.release().or(view.cluster.version)) else { return false };
    let status = &view.observed.status;
    let ran = status.star_rocks_fe_status.as_ref().is_some_and(|frontends| frontends.running_versions.contains_key(&wanted.to_string()));
    let at = status.version.as_deref() == Some(wanted.to_string().as_str());
    (ran || at) && fleet.pods.values().any(|pod| health::is_broken(pod))
}

/// Whether a change of any pod template has a cause that users can see: a change of the resource beyond numbers of nodes, or work that began with one.
/// A cluster that another operator made is taken over as it is, and so is one whose status was lost: nobody knows then what was asked for last.
fn is_authorised(view: &View<'_>) -> bool {
    let status = &view.observed.status;
    status.operation.as_ref().is_some_and(|operation| operation.holds_templates != Some(true))
        || status.observed_generation.is_some() && spec_change::is_new(&view.cluster.asked(), status)
}

/// Keeps in mind that a change was asked for, although nothing can be rolled now.
fn remember_pending(view: &View<'_>, draft: &mut Draft) {
    let differs = |fleet: &view::Fleet<'_>| match (fleet.workload, fleet.live_image()) {
        (Some(workload), Some(image)) => objects::template_differs(view, fleet, workload, image),
        (None, _) | (_, None) => false,
    };
    if draft.operation.is_none() && is_authorised(view) && view.fleets().any(differs) {
        draft.operation = Some(continued(view, OperationKind::Rollout, OperationPhase::Preflight));
    }
}

/// An operation that remembers if it began without a change of the resource: with a template that was agreed to or repaired, or an autoscaler's word.
fn as_asked(view: &View<'_>, operation: Operation) -> Operation {
    Operation { holds_templates: (!is_authorised(view)).then_some(true), ..operation }
}

/// The operation of this kind, begun now unless it is under way.
fn continued(view: &View<'_>, kind: OperationKind, phase: OperationPhase) -> Operation {
    let former = view.observed.status.operation.as_ref().filter(|operation| operation.kind == kind);
    let started_at = former.and_then(|operation| operation.started_at.clone()).or_else(|| Some(view.now().to_seconds_text()));
    Operation { kind, phase, started_at, ..Operation::default() }
}
