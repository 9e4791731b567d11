//! What keeps a change from beginning or going on, as far as it follows from the resource and what runs; health is asked only when the time has come.

use super::super::upgrade;
use super::super::versions::Leg;
use super::super::view::View;
use super::Gate;
use crate::build;
use crate::model::cluster::ApprovalScope;
use crate::model::{Component, WaitingOn};

/// What a way to another release waits for.
pub(super) fn of_leg(view: &View<'_>, leg: &Leg) -> Vec<Gate> {
    let mut gates: Vec<Gate> = upgrade::foreseeable(view, leg).iter().map(Gate::from).collect();
    let parts = match view.cluster.policy.approval {
        ApprovalScope::Nothing => Vec::new(),
        ApprovalScope::Whole => vec![leg.target.to_string()],
        ApprovalScope::Hop => leg.ahead.iter().map(ToString::to_string).collect(),
        ApprovalScope::Component => {
            let moving = || leg.order().into_iter().filter(|component| view.cluster.workload(*component).is_some());
            leg.ahead.iter().flat_map(|stop| moving().map(move |component| format!("{stop}/{}", part(component)))).collect()
        }
    };
    if !parts.is_empty() {
        let code = WaitingOn::ApprovalNeeded { record: String::new(), what: Vec::new() }.code().to_owned();
        let message = format!("your approval of {}, each when its time has come (spec.upgradePolicy.approval)", parts.join(", "));
        gates.push(Gate { code, message });
    }
    gates
}

/// What any change waits for, or will not do.
pub(super) fn of_any(view: &View<'_>, restarts: bool) -> Vec<Gate> {
    let mut waits = Vec::new();
    for fleet in view.fleets() {
        let (Some(live), Some(workload)) = (fleet.live, fleet.workload) else { continue };
        if let Some(difference) = view.wanted_set(workload).and_then(|wanted| build::immutable_difference(wanted, live)) {
            let object = format!("StatefulSet {}", workload.name(&view.cluster.name));
            waits.push(WaitingOn::ImmutableField { object, field: difference.path });
        }
    }
    if restarts && view.is_paused() {
        waits.push(WaitingOn::Paused);
    }
    waits.extend(view.closed_window().filter(|_| restarts));
    waits.iter().map(Gate::from).collect()
}

/// A component as approvals call it.
const fn part(component: Component) -> &'static str {
    match component {
        Component::Frontend | Component::FrontendProxy => "Frontends",
        Component::Backend => "Backends",
        Component::ComputeNode => "ComputeNodes",
    }
}
