//! One hop of an upgrade or downgrade: which phase it is in, and whether nodes may be touched; reads its only memory from the status.
//!
//! Preflight, image, freeze; then nodes (the engine in `rollout`); then thaw, and a closing image after the last hop.

mod configuration;
mod freeze;
mod image;
mod loads;
pub(super) mod nodes;
mod preflight;
mod progress;
mod thaw;
mod verdict;

pub(super) use progress::{fleet_sizes, step_of};

use std::collections::BTreeSet;
use std::time::Duration;

use super::draft::Draft;
use super::health;
use super::pulls;
use super::record::{self, Voice};
use super::versions::{Frontier, Leg, Route, is_versioned};
use super::view::{Fleet, View};
use crate::api::{DeclinedOutcome, DeclinedUpgrade, LastUpgrade, Operation, OperationKind, OperationPhase};
use crate::model::spec_change::last_change;
use crate::model::{Timestamp, WaitingOn};
use crate::release::{Image, Version, parse_version};

/// An image was with every frontend after 156 s at most (real-fe.md §6); one that takes so much longer has been held up.
const LONG_FOR_AN_IMAGE: Duration = Duration::from_secs(1_800);

/// What the engine may do in this pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Permit {
    /// Hand out new templates.
    pub begin: bool,
    /// Restart healthy pods.
    pub restart: bool,
}

/// Brings a hop as far as it can be brought without touching a node.
pub(super) fn drive(view: &View<'_>, leg: &Leg, draft: &mut Draft) -> Permit {
    let closing = view.observed.status.operation.as_ref().filter(|operation| is_versioned(operation) && owes(operation));
    let operation = operation_for(view, leg);
    let begun = has_begun(view, leg, &operation);
    // What is owed for a former hop, or for a way that was given up, is paid back before the next hop begins.
    if let Some(former) = closing.filter(|former| !begun && (former.hop != operation.hop || former.to != operation.to)) {
        draft.operation = Some(Operation { phase: OperationPhase::Thaw, ..former.clone() });
        draft.wait_all(health::of_all(view));
        if draft.waiting.is_empty() {
            pay_back(view, draft);
        }
        return Permit::default();
    }
    announce(view, &operation, leg, draft);
    draft.operation = Some(operation);
    if begun {
        loads::leave_to_owners(view, draft);
        let frozen = freeze::drive(view, leg, draft);
        return Permit { begin: true, restart: frozen };
    }
    if view.is_paused() {
        draft.wait(WaitingOn::Paused);
        step_back(view, draft);
        return Permit::default();
    }
    Permit { begin: prepare(view, leg, draft), restart: false }
}

/// A hop that may not begin now, although it was on its way to, begins with its checks again when it may; nothing stays frozen meanwhile.
fn step_back(view: &View<'_>, draft: &mut Draft) {
    draft.remember(|operation| {
        if operation.phase > OperationPhase::Preflight {
            operation.phase = OperationPhase::Preflight;
            operation.image = None;
        }
    });
    thaw::drive(view, draft);
}

/// What the preflight of a leg will find, as far as it can be told beforehand.
pub(super) fn foreseeable(view: &View<'_>, leg: &Leg) -> Vec<WaitingOn> {
    preflight::foreseeable(view, leg)
}

/// The phases before the first node of a hop. Returns whether it may be touched.
fn prepare(view: &View<'_>, leg: &Leg, draft: &mut Draft) -> bool {
    let phase = draft.operation.as_ref().map(|operation| operation.phase.clone()).unwrap_or_default();
    let forbidden = permission(view, leg, draft);
    let still_may = |wait: &WaitingOn| matches!(wait, WaitingOn::WindowClosed { .. }) && was_imaged_lately(view, draft);
    if phase >= OperationPhase::Image && !forbidden.iter().all(still_may) {
        draft.wait_all(forbidden);
        step_back(view, draft);
        return false;
    }
    if phase < OperationPhase::Image {
        let pulls = pulls::of_hop(view, leg);
        pulls::keep(&pulls, draft);
        let (running, unknown) = match loads::active(view) {
            Ok(running) => (running, None),
            Err(wait) => (Vec::new(), Some(wait)),
        };
        let checks = preflight::checks(view, leg, unknown);
        draft.wait_all(checks.obstacles());
        draft.checks = Some(checks);
        draft.wait_all(forbidden);
        if !draft.waiting.is_empty() {
            step_back(view, draft);
            return false;
        }
        if draft.operation.as_ref().is_some_and(|operation| record::is_being_made(view, operation)) {
            return false;
        }
        if !pulls::drive(view, &pulls, draft) {
            return false;
        }
        pulls::keep(&pulls::Pulls::new(), draft);
        let next = if image::is_needed(leg) { OperationPhase::Image } else { OperationPhase::Freeze };
        draft.steps.extend(preflight::statements(view, leg));
        draft.remember(|operation| {
            operation.phase = next;
            operation.routine_loads = running;
        });
    }
    if draft.operation.as_ref().is_some_and(|operation| operation.phase == OperationPhase::Image) {
        if !freeze::drive_before_image(view, leg, draft) {
            return false;
        }
        if let Some(wait) = preflight::remembered_schema_changes(view, leg) {
            draft.wait(wait);
            return false;
        }
        if !image::drive(view, draft) {
            return false;
        }
        draft.remember(|operation| operation.phase = OperationPhase::Freeze);
    }
    if !freeze::drive(view, leg, draft) {
        return false;
    }
    // Minutes may have passed since preflight.
    draft.wait_all(health::of_all(view).into_iter().chain(health::of_group(view)).chain(health::of_replicas(view)));
    if !draft.waiting.is_empty() {
        return false;
    }
    draft.steps.extend(preflight::statements(view, leg));
    true
}

/// A hop that began in its window does not miss it for the image that it takes first, unless something else has kept it for long.
fn was_imaged_lately(view: &View<'_>, draft: &Draft) -> bool {
    let mark = draft.operation.as_ref().and_then(|operation| operation.image.as_ref()?.marked_at.as_deref());
    mark.and_then(Timestamp::parse).is_some_and(|marked| view.now().since(marked) < LONG_FOR_AN_IMAGE)
}

/// What keeps a hop from beginning that is as it should be: nobody has approved it, or no maintenance window is open.
fn permission(view: &View<'_>, leg: &Leg, draft: &Draft) -> Vec<WaitingOn> {
    let Some(operation) = &draft.operation else { return Vec::new() };
    let approvals = record::approvals(view, leg, operation);
    let first = leg.order().into_iter().find(|component| view.cluster.workload(*component).is_some());
    let approval = approvals.before_hop().or_else(|| approvals.before(first?));
    approval.into_iter().chain(view.closed_window()).collect()
}

/// Whether an operation changed something that is to be as before once its nodes have moved.
fn owes(operation: &Operation) -> bool {
    !operation.saved_settings.is_empty() || !operation.routine_loads.is_empty()
}

/// Settings back, then routine loads, which need the backends that the settings held still. Returns whether nothing is owed any more.
fn pay_back(view: &View<'_>, draft: &mut Draft) -> bool {
    thaw::drive(view, draft) && loads::resume(view, draft)
}

/// Ends an operation whose releases agree again: settings and routine loads back, closing image, result on record. Returns whether it is over.
pub(super) fn close(view: &View<'_>, running: &BTreeSet<Version>, healthy: bool, draft: &mut Draft) -> bool {
    let Some(operation) = view.observed.status.operation.clone().filter(is_versioned) else { return true };
    let reached = operation.to.as_deref().and_then(|to| parse_version(to).ok()).is_some_and(|to| running.contains(&to));
    let crossed_lines = lines_differ(&operation);
    draft.operation = Some(operation.clone());
    if owes(&operation) {
        draft.remember(|operation| operation.phase = OperationPhase::Thaw);
        if healthy || !reached {
            pay_back(view, draft);
        }
        return false;
    }
    if reached && crossed_lines {
        if operation.phase != OperationPhase::Finish {
            draft.remember(|operation| {
                operation.phase = OperationPhase::Finish;
                operation.image = None;
            });
        }
        if !healthy || operation.phase != OperationPhase::Finish || !image::close(view, draft) {
            return false;
        }
    } else if !healthy && reached {
        return false;
    }
    finish(view, operation, reached, draft);
    true
}

/// Pays back what is owed although the way on is held, as long as one release runs.
pub(super) fn give_up(view: &View<'_>, mixed: bool, draft: &mut Draft) {
    draft.operation.clone_from(&view.observed.status.operation);
    let Some(operation) = draft.operation.clone().filter(is_versioned) else { return };
    if mixed {
        return;
    }
    if !owes(&operation) {
        if Voice::of(view).stops() {
            decline(view, operation.to.clone().unwrap_or_default(), DeclinedOutcome::Stopped, draft);
        }
        draft.operation = None;
        draft.warn("UpgradeCancelled", format!("the way to {} is not taken", operation.to.unwrap_or_default()));
    } else {
        draft.remember(|operation| operation.phase = OperationPhase::Thaw);
        pay_back(view, draft);
    }
}

fn finish(view: &View<'_>, operation: Operation, reached: bool, draft: &mut Draft) {
    let voice = Voice::of(view);
    let outcome = match operation.turn_back == Some(true) || voice.turns_back() {
        true => Some(DeclinedOutcome::RolledBack),
        false => (operation.instead_of.is_some() || voice.stops()).then_some(DeclinedOutcome::Stopped),
    };
    let (from, to) = (operation.from.unwrap_or_default(), operation.to.unwrap_or_default());
    draft.operation = None;
    let given_up = operation.instead_of.or_else(|| (!reached).then(|| to.clone()));
    if let (Some(wanted), Some(outcome)) = (given_up, outcome) {
        draft.warn(
            "UpgradeGivenUp",
            format!("the way to {wanted} was given up; every node runs one release and frontend settings are as before"),
        );
        return decline(view, wanted, outcome, draft);
    }
    if !reached {
        return draft.warn("UpgradeCancelled", format!("the way from {from} to {to} was given up; frontend settings are as before"));
    }
    draft.tell("UpgradeFinished", format!("every node runs {to}; it was {from}"));
    draft.last_upgrade = Some(LastUpgrade { from, to, finished_at: Some(view.now().to_seconds_text()) });
}

/// Turns the walk back when a node does not come back on its new release or a canary is judged unfit, and no frontend has moved, if the user wants that.
pub(super) fn turn_back_if_stuck(view: &View<'_>, leg: &Leg, frontier: &Frontier, draft: &mut Draft) {
    let safe = !leg.is_downgrade() && leg.moves_frontends() && frontier.frontends.iter().all(|version| *version == leg.hop.from);
    if !view.cluster.policy.rolls_back || leg.diversion.is_some() || !safe || frontier.missing.is_some() {
        return;
    }
    let stuck = draft.waiting.iter().find(|wait| match wait {
        WaitingOn::NodeStalled { pod, .. } | WaitingOn::PodFailing { pod, .. } => {
            let moved = |pod: &crate::model::Pod| Image::parse(&pod.image).claim().release() == Some(leg.hop.to);
            view.observed.pods.get(pod).is_some_and(moved)
        }
        WaitingOn::CanaryRejected { .. } => true,
        _ => false,
    });
    let Some(why) = stuck.map(ToString::to_string) else { return };
    let Some(operation) = &draft.operation else { return };
    if let Ok(Some(back)) = record::one_hop_back(view.cluster.releases.table(), &frontier.all(), operation) {
        draft.warn("RollingBack", format!("to {back}: {why}"));
        draft.remember(|operation| operation.turn_back = Some(true));
    }
}

/// Remembers that a way was given up, so that it is not taken again before the resource changes.
fn decline(view: &View<'_>, to: String, outcome: DeclinedOutcome, draft: &mut Draft) {
    let at = Some(view.now().to_seconds_text());
    let generation = last_change(&view.cluster.asked(), &view.observed.status).generation;
    draft.declined = Some(DeclinedUpgrade { to, generation, outcome, at });
}

/// The memory of this leg: the former one if it leads the same way, else a new one that keeps the saved settings.
fn operation_for(view: &View<'_>, leg: &Leg) -> Operation {
    let former = view.observed.status.operation.as_ref();
    let kind = if leg.is_downgrade() { OperationKind::Downgrade } else { OperationKind::Upgrade };
    let stop = leg.hop.to.to_string();
    if let Some(former) = former.filter(|former| former.to.as_deref() == Some(leg.target.to_string().as_str()) && is_versioned(former))
        && (former.kind == kind || former.path.len() > 1 && former.path.last() != Some(&stop))
        && let Some(index) = former.path.iter().position(|version| *version == stop)
    {
        let hop = i32::try_from(index + 1).unwrap_or(i32::MAX);
        let same = hop == former.hop;
        return Operation {
            hop,
            phase: if same { former.phase.clone() } else { OperationPhase::Preflight },
            image: former.image.clone().filter(|_| same),
            canary_since: former.canary_since.clone().filter(|_| same),
            canary_passed: former.canary_passed.filter(|_| same),
            ..former.clone()
        };
    }
    // Turned back or stopped, it is the same walk in the eyes of its users.
    let same_walk = former.filter(|former| is_versioned(former) && leg.diversion.is_some()).and_then(|former| former.record.clone());
    Operation {
        kind,
        record: same_walk.or_else(|| Some(record::name_for(view, &leg.target.to_string()))),
        turn_back: leg.diversion.filter(|diversion| diversion.back).map(|_| true),
        instead_of: leg.diversion.map(|diversion| diversion.wanted.to_string()),
        from: Some(leg.hop.from.to_string()),
        to: Some(leg.target.to_string()),
        path: leg.ahead.iter().map(Version::to_string).collect(),
        hop: 1,
        phase: OperationPhase::Preflight,
        started_at: Some(view.now().to_seconds_text()),
        saved_settings: former.map(|former| former.saved_settings.clone()).unwrap_or_default(),
        routine_loads: former.map(|former| former.routine_loads.clone()).unwrap_or_default(),
        ..Operation::default()
    }
}

fn announce(view: &View<'_>, operation: &Operation, leg: &Leg, draft: &mut Draft) {
    let former = view.observed.status.operation.as_ref();
    let new = former.is_none_or(|former| former.started_at != operation.started_at);
    let (from, to) = (operation.from.clone().unwrap_or_default(), operation.to.clone().unwrap_or_default());
    if new {
        let way = operation.path.join(", ");
        draft.tell(&format!("{}Started", operation.kind), format!("from {from} to {to}, by way of {way}"));
    }
    if new || former.is_some_and(|former| former.hop != operation.hop) {
        for note in preflight::for_people(view, leg) {
            draft.warn("HopNote", note);
        }
    }
}

/// Whether a node of this hop has been touched, or may be as soon as its pod dies.
fn has_begun(view: &View<'_>, leg: &Leg, operation: &Operation) -> bool {
    leg.mixed || operation.phase >= OperationPhase::Canary || is_handed_out(view, leg)
}

/// Whether a component has the template of a hop.
fn is_handed_out(view: &View<'_>, leg: &Leg) -> bool {
    let templated = |fleet: &Fleet<'_>| fleet.workload.is_some() && fleet.live_release() == Some(leg.hop.to);
    let moving = leg.order().into_iter().filter(|component| leg.moves(*component));
    moving.filter_map(|component| view.fleet(component)).any(templated)
}

/// Whether a hop is still in preflight: nothing of it has begun, not even its image.
pub(super) fn is_yet_to_begin(view: &View<'_>, route: &Route, frontier: &Frontier, draft: &Draft) -> bool {
    let in_preflight = |operation: &Operation| is_versioned(operation) && operation.phase == OperationPhase::Preflight;
    draft.operation.as_ref().is_some_and(in_preflight)
        && match route {
            Route::Leg(leg) => frontier.all().len() <= 1 && !is_handed_out(view, leg),
            // Of what has begun another phase is on record.
            Route::Unsure(_) => true,
            Route::Fresh | Route::Settled | Route::Arrived | Route::Held(_) => false,
        }
}

fn lines_differ(operation: &Operation) -> bool {
    let line = |text: &Option<String>| text.as_deref().and_then(|text| parse_version(text).ok()).map(|version| version.line());
    line(&operation.from) != line(&operation.to)
}
