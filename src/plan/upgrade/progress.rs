//! Where a walk stands among the steps that `plan` and the demo number.

use super::super::health;
use super::super::view::{Fleet, View, count};
use crate::api::{Operation, OperationKind, OperationPhase};
use crate::model::Component;
use crate::release::{Frame, Hop, Topology, Version, parse_version};

/// The step being done and their number, as `plan` and the demo number them. A step once reached is not taken back while the same way is
/// being walked: a silent node has not moved back.
pub(in super::super) fn step_of(view: &View<'_>, operation: &Operation) -> (i32, i32) {
    let stops: Vec<Version> = operation.from.iter().chain(&operation.path).filter_map(|text| parse_version(text).ok()).collect();
    let hop_between = |pair: &[Version]| match pair {
        [from, to] => view.cluster.releases.table().hop(from, to).ok(),
        _ => None,
    };
    let hops: Vec<Option<Hop>> = stops.windows(2).map(hop_between).collect();
    let nodes = fleet_sizes(view);
    let frames: Vec<Frame> = hops.iter().map(|hop| hop.as_ref().map_or_else(Frame::default, |hop| Frame::of(hop, &nodes))).collect();
    let sum = |frames: &[Frame]| frames.iter().map(Frame::steps).fold(0, u32::saturating_add);
    let total = sum(&frames).saturating_add(1);
    let done = usize::try_from(operation.hop.saturating_sub(1)).unwrap_or(0);
    let before = sum(frames.get(..done).unwrap_or(&frames));
    let frame = frames.get(done).copied().unwrap_or_default();
    let to = stops.get(done + 1);
    let within = match operation.phase {
        OperationPhase::Image => frame.image().unwrap_or(1),
        OperationPhase::Freeze => frame.freeze().unwrap_or_else(|| frame.first_node().saturating_sub(1)),
        // The canary is being watched although it has moved.
        OperationPhase::Canary if operation.kind == OperationKind::Downgrade => frame.first_node().saturating_add(nodes.frontends),
        OperationPhase::Canary => {
            let last = to.map_or(0, |to| moved_nodes(view, to)).min(canary_nodes(view).saturating_sub(1));
            frame.first_node().saturating_add(last)
        }
        OperationPhase::Backends | OperationPhase::ComputeNodes | OperationPhase::Followers | OperationPhase::Leader => {
            let moved = to.map_or(0, |to| moved_nodes(view, to));
            frame.first_node().saturating_add(moved).min(frame.thaw().saturating_sub(1))
        }
        OperationPhase::Thaw => frame.thaw(),
        OperationPhase::Finish => total.saturating_sub(before),
        _ => 1,
    };
    let step = before.saturating_add(within.max(1)).min(total);
    let number = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    let former = view.observed.status.operation.as_ref();
    let same_way =
        |former: &&Operation| former.started_at == operation.started_at && former.to == operation.to && former.kind == operation.kind;
    let reached = former.filter(same_way).map_or(0, |former| former.step);
    (number(step).max(reached).min(number(total)), number(total))
}

/// Wanted frontends, backends and compute nodes.
pub(in super::super) fn fleet_sizes(view: &View<'_>) -> Topology {
    let size = |component| view.fleet(component).map_or(0, Fleet::wanted_replicas);
    Topology { frontends: size(Component::Frontend), backends: size(Component::Backend), compute_nodes: size(Component::ComputeNode) }
}

/// Canaries that the policy asks for, as far as there are so many nodes.
fn canary_nodes(view: &View<'_>) -> u32 {
    let component = if view.cluster.backend.is_some() { Component::Backend } else { Component::ComputeNode };
    let asked = view.cluster.policy.canary.as_ref().map_or(1, |canary| canary.nodes);
    asked.min(view.fleet(component).map_or(0, Fleet::wanted_replicas)).max(1)
}

/// Nodes that are back on a release.
fn moved_nodes(view: &View<'_>, to: &Version) -> u32 {
    let back = |fleet: &Fleet<'_>| {
        let at = |pod: &&&crate::model::Pod| view.reported(fleet.component, &pod.name).and_then(|claim| claim.release()) == Some(*to);
        fleet.pods.values().filter(at).filter(|pod| health::of_node(view, fleet.component, &pod.name).is_none()).count()
    };
    count(view.fleets().map(back).sum::<usize>())
}
