//! Images pulled to their nodes before anything is changed for a hop: one short-lived pod for each node and image, told when it cannot be, taken away afterwards.

use std::collections::{BTreeMap, BTreeSet};

use super::super::draft::Draft;
use super::super::objects;
use super::super::versions::{Leg, is_versioned};
use super::super::view::{Fleet, View};
use crate::api::OperationPhase;
use crate::build::{pull_name, pull_pod};
use crate::model::observed::PullState;
use crate::model::{Component, Step, WaitingOn, Workload};

/// Pods that exist at the same time for one cluster: registries and disks have other users.
const AT_ONCE: usize = 8;

/// One image that has to be on one node.
struct Pull<'a> {
    workload: &'a Workload,
    node: &'a str,
    image: String,
}

/// Everything that has to be pulled for a hop, by the name of the pod that does it.
fn wanted<'a>(view: &View<'a>, leg: &Leg) -> BTreeMap<String, Pull<'a>> {
    let moves = |fleet: &&Fleet<'a>| fleet.component != Component::Frontend || leg.moves_frontends();
    let mut pulls = BTreeMap::new();
    for fleet in view.fleets().filter(moves) {
        let Some(workload) = fleet.workload else { continue };
        let image = objects::image_of(view, leg, fleet, workload);
        for node in fleet.pods.values().filter_map(|pod| pod.node.as_deref()) {
            let name = pull_name(view.cluster, node, &image);
            pulls.entry(name).or_insert(Pull { workload, node, image: image.clone() });
        }
    }
    pulls
}

/// Keeps the pods of this hop while it is being prepared, whatever else it waits for.
pub(super) fn keep(view: &View<'_>, leg: &Leg, draft: &mut Draft) {
    let needed = if view.cluster.policy.pre_pull { wanted(view, leg).into_keys().collect() } else { BTreeSet::new() };
    draft.kept_pulls = Some(needed);
}

/// Has the images of the hop pulled. Returns whether each is there, or could not be tried for a reason that is not its own.
pub(super) fn drive(view: &View<'_>, leg: &Leg, draft: &mut Draft) -> bool {
    if !view.cluster.policy.pre_pull {
        return true;
    }
    let wanted = wanted(view, leg);
    let state = |name: &str| view.observed.pulls.get(name).map(|pull| &pull.state);
    let done = wanted.keys().filter(|name| matches!(state(name), Some(PullState::Pulled | PullState::NotTried { .. }))).count();
    let mut room = AT_ONCE
        .saturating_sub(wanted.keys().filter(|name| matches!(state(name), Some(PullState::Pulling | PullState::Failing { .. }))).count());
    for (name, pull) in &wanted {
        match state(name) {
            None if room > 0 => {
                room -= 1;
                draft.steps.push(Step::PullImage(Box::new(pull_pod(view.cluster, pull.workload, pull.node, &pull.image))));
            }
            Some(PullState::Failing { words }) => {
                draft.wait(WaitingOn::ImageNotPullable { image: pull.image.clone(), node: pull.node.to_owned(), words: words.clone() });
            }
            _ => {}
        }
    }
    if done == wanted.len() {
        draft.kept_pulls = Some(BTreeSet::new());
        return true;
    }
    draft.wait(WaitingOn::ImagesPulling { pulled: super::count(done), wanted: super::count(wanted.len()) });
    false
}

/// What the checklist says of the images.
pub(super) fn notes(view: &View<'_>, leg: &Leg) -> Vec<String> {
    let untried = |(name, pull): (String, Pull<'_>)| match &view.observed.pulls.get(&name)?.state {
        PullState::NotTried { why } => Some(format!("{} was not tried on {}: {why}", pull.image, pull.node)),
        PullState::Pulling | PullState::Pulled | PullState::Failing { .. } => None,
    };
    if view.cluster.policy.pre_pull { wanted(view, leg).into_iter().filter_map(untried).collect() } else { Vec::new() }
}

/// What is to be known of the images although nothing is wrong with any.
pub(super) fn remark(view: &View<'_>, leg: &Leg) -> String {
    if !view.cluster.policy.pre_pull {
        return "not tried; the canary shows whether they can be pulled (spec.upgradePolicy.prePullImages tries them first)".to_owned();
    }
    let wanted = wanted(view, leg);
    let is_there = |name: &&String| view.observed.pulls.get(*name).is_some_and(|pull| pull.state == PullState::Pulled);
    format!("{} of {} are on their nodes", wanted.keys().filter(is_there).count(), wanted.len())
}

/// Takes away the pods of former hops and of ways that were given up; an operator that died left them where they are. While a hop is being prepared and nobody
/// could look, during an election say, they stay.
pub(in super::super) fn clear(view: &View<'_>, draft: &mut Draft) {
    let preparing = draft.operation.as_ref().is_some_and(|operation| is_versioned(operation) && operation.phase < OperationPhase::Image);
    let kept = match draft.kept_pulls.take() {
        Some(kept) => kept,
        None if preparing => return,
        None => BTreeSet::new(),
    };
    let over = view.observed.pulls.iter().filter(|(name, pull)| pull.is_ours && !pull.deleting && !kept.contains(*name));
    let steps: Vec<Step> = over.map(|(name, pull)| Step::EndPull { pod: name.clone(), uid: pull.uid.clone() }).collect();
    draft.steps.extend(steps);
}
