//! The watch over the first data nodes on a new release: how many they are, since when they have been healthy, and whether they may be followed.

use super::super::draft::Draft;
use super::super::rollout;
use super::super::versions::Leg;
use super::super::view::{Fleet, View};
use super::verdict;
use crate::api::{Operation, OperationPhase};
use crate::model::{Canary, Component, Pod, Timestamp, WaitingOn};

/// How many canaries of a hop still run the former template; `None` where no node is a canary, or all of them have moved.
pub(in super::super) fn canaries_to_go(view: &View<'_>, leg: Option<&Leg>, fleet: &Fleet<'_>) -> Option<usize> {
    let leg = leg.filter(|_| has_canaries(view, fleet.component))?;
    canaries(view, Some(leg)).checked_sub(moved(fleet).count()).filter(|to_go| *to_go > 0)
}

/// How many nodes are canaries. On the way back to where the frontends are, and without another release, one is enough.
pub(in super::super) fn canaries(view: &View<'_>, leg: Option<&Leg>) -> usize {
    let asked = view.cluster.policy.canary.as_ref().filter(|_| leg.is_some_and(|leg| !leg.nodes_return));
    asked.and_then(|canary| usize::try_from(canary.nodes).ok()).unwrap_or(1)
}

/// Whether the first nodes of a component are watched: those of the first component that holds data or computes.
pub(in super::super) const fn has_canaries(view: &View<'_>, component: Component) -> bool {
    match component {
        Component::Backend => true,
        Component::ComputeNode => view.cluster.backend.is_none(),
        Component::Frontend | Component::FrontendProxy => false,
    }
}

/// Waits while the canaries of a hop are being watched, and then for their verdict. Called only when every node is healthy.
pub(in super::super) fn soak(view: &View<'_>, leg: Option<&Leg>, fleet: &Fleet<'_>, draft: &mut Draft) -> Option<WaitingOn> {
    let leg = leg.filter(|_| has_canaries(view, fleet.component))?;
    let (moved, canaries) = (moved(fleet).count(), canaries(view, Some(leg)));
    // On a way back it is unknown who was a canary of it, and nobody is judged.
    if moved < canaries || is_way_back(leg) && moved != canaries {
        if view.cluster.policy.canary.is_some() {
            draft.remember(|operation| operation.canary_since = None);
        }
        draft.remember(|operation| operation.canary_passed = None);
        return None;
    }
    if has_passed(leg, draft) { None } else { watch(view, leg, fleet, draft) }
}

/// Whether the first nodes of a component are still to be watched or judged, however many run the new template: anybody may end a pod, and its
/// StatefulSet makes it anew from that template.
pub(in super::super) fn are_on_trial(view: &View<'_>, leg: Option<&Leg>, component: Component, draft: &Draft) -> bool {
    leg.is_some_and(|leg| has_canaries(view, component) && !is_way_back(leg) && !has_passed(leg, draft))
}

/// Remembers that the watch has ended well, in the pass that orders the first node to follow.
pub(in super::super) fn note_followers(view: &View<'_>, leg: Option<&Leg>, fleet: &Fleet<'_>, draft: &mut Draft) {
    if are_on_trial(view, leg, fleet.component, draft) && moved(fleet).count() >= canaries(view, leg) {
        draft.remember(|operation| operation.canary_passed = Some(true));
    }
}

/// Operators before 0.2 noted no more than the phase.
fn has_passed(leg: &Leg, draft: &Draft) -> bool {
    let passed =
        |operation: &Operation| operation.canary_passed == Some(true) || rollout::is_behind(leg, &OperationPhase::Canary, &operation.phase);
    draft.operation.as_ref().is_some_and(passed)
}

const fn is_way_back(leg: &Leg) -> bool {
    leg.nodes_return || leg.diversion.is_some()
}

/// The same where no node is left to follow the canaries but those of other components: these wait if all nodes are canaries and anything is asked of
/// them, or if the others were ended by somebody while the canaries were watched.
pub(in super::super) fn soak_all(view: &View<'_>, leg: &Leg, fleet: &Fleet<'_>, draft: &mut Draft) -> Option<WaitingOn> {
    if leg.nodes_return || !has_canaries(view, fleet.component) {
        return None;
    }
    let at_canary = draft.operation.as_ref().is_some_and(|operation| operation.phase == OperationPhase::Canary);
    let few = fleet.pods.len() <= canaries(view, Some(leg));
    let all_are = if few { view.cluster.policy.canary.is_some() } else { are_on_trial(view, Some(leg), fleet.component, draft) };
    if at_canary && all_are && moved(fleet).count() == fleet.pods.len() { watch(view, leg, fleet, draft) } else { None }
}

fn watch(view: &View<'_>, leg: &Leg, fleet: &Fleet<'_>, draft: &mut Draft) -> Option<WaitingOn> {
    let first = moved(fleet).next()?;
    let judged = view.cluster.policy.canary.as_ref().filter(|canary| Canary::has_verdict(canary) && is_judged(leg));
    let former = draft.operation.as_ref().and_then(|operation| Timestamp::parse(operation.canary_since.as_deref()?));
    let since = former.unwrap_or_else(|| {
        let now = view.now();
        draft.remember(|operation| operation.canary_since = Some(now.to_seconds_text()));
        Timestamp::from_seconds(now.as_seconds())
    });
    let until = since + view.cluster.policy.canary_soak;
    // Nothing has been asked before their watch is on record.
    if view.now() < until || former.is_none() && judged.is_some() {
        return Some(WaitingOn::Soaking { pod: first.name.clone(), until });
    }
    let canaries: Vec<&Pod> = moved(fleet).collect();
    verdict::of(view, judged?, &canaries)
}

/// A way back is not judged: what ran before is known, and a no would have nowhere to lead.
fn is_judged(leg: &Leg) -> bool {
    !leg.is_downgrade() && !is_way_back(leg)
}

fn moved<'a>(fleet: &Fleet<'a>) -> impl Iterator<Item = &'a Pod> {
    fleet.pods.values().copied().filter(|pod| !fleet.is_outdated(pod))
}
