//! The order in which the pods of one component are restarted: highest ordinal first, the leader last.

use super::super::view::View;
use crate::model::Component;

/// One pod in its turn.
pub(super) struct Turn {
    pub(super) index: u32,
    pub(super) ordinal: u32,
    pub(super) pod: String,
    /// Whether it is taken for the leader.
    pub(super) leads: bool,
}

/// The pods of a component in order, in a hop counted from 1.
pub(super) fn turns(view: &View<'_>, component: Component, hop: u32) -> Vec<Turn> {
    let Some(fleet) = view.fleet(component).filter(|fleet| fleet.live.is_some() && fleet.workload.is_some()) else { return Vec::new() };
    let mut ordinals: Vec<u32> = fleet.ordinals().into_iter().rev().collect();
    let leader = (component == Component::Frontend).then(|| leader(view, &ordinals, hop)).flatten();
    if let Some(at) = ordinals.iter().position(|ordinal| Some(*ordinal) == leader) {
        let last = ordinals.remove(at);
        ordinals.push(last);
    }
    let turn =
        |(index, ordinal): (u32, u32)| Turn { index, ordinal, pod: view.pod_name(component, ordinal), leads: Some(ordinal) == leader };
    (0u32..).zip(ordinals).map(turn).collect()
}

/// Who leads in a hop. The leader of one hop is restarted last in it, so another leads in the next: who, is decided only then.
fn leader(view: &View<'_>, ordinals: &[u32], hop: u32) -> Option<u32> {
    let known = view.leader_row().and_then(|row| crate::model::component::ordinal(crate::model::component::pod_of_host(&row.host)));
    let lowest = ordinals.last().copied();
    let mut leader = known.filter(|known| ordinals.contains(known)).or(lowest)?;
    for _ in 1..hop {
        leader = ordinals.iter().rev().copied().find(|ordinal| *ordinal != leader).unwrap_or(leader);
    }
    Some(leader)
}
