//! Images pulled to their nodes before anything is changed for them: one short-lived pod for each node and image, told when it cannot be, taken away afterwards.
//!
//! A hop has all of its images pulled in its preflight. A rollout of the same release hands out no template before the images of every component that it changes are
//! where they are needed, and keeps the pods for components that still wait for their turn: so nothing has to be remembered.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::Draft;
use super::objects;
use super::versions::{Leg, is_versioned};
use super::view::{Fleet, View, count};
use crate::api::OperationPhase;
use crate::build::{pull_name, pull_pod};
use crate::model::observed::PullState;
use crate::model::{Step, WaitingOn, Workload};

/// Pods that exist at the same time for one cluster: registries and disks have other users.
const AT_ONCE: usize = 8;

/// One image that has to be on one node.
pub(super) struct Pull<'v> {
    workload: &'v Workload,
    node: &'v str,
    image: String,
}

/// Everything that has to be pulled, by the name of the pod that does it.
pub(super) type Pulls<'v> = BTreeMap<String, Pull<'v>>;

/// What has to be pulled for a hop.
pub(super) fn of_hop<'v>(view: &'v View<'_>, leg: &Leg) -> Pulls<'v> {
    let moved = view.fleets().filter(|fleet| leg.moves(fleet.component));
    wanted(
        view,
        moved.filter_map(|fleet| {
            let workload = fleet.workload?;
            Some((fleet, workload, objects::image_of(view, leg, fleet, workload)))
        }),
    )
}

/// What has to be pulled so that components run these images: nothing where a pod runs its image already, and nothing unless the policy asks for it.
pub(super) fn wanted<'v, 'a: 'v>(view: &View<'_>, images: impl IntoIterator<Item = (&'v Fleet<'a>, &'v Workload, String)>) -> Pulls<'v> {
    let mut pulls = BTreeMap::new();
    if !view.cluster.policy.pre_pull {
        return pulls;
    }
    for (fleet, workload, image) in images {
        let others = fleet.pods.values().filter(|pod| pod.image != image);
        for node in others.filter_map(|pod| pod.node.as_deref()) {
            let name = pull_name(view.cluster, node, &image);
            pulls.entry(name).or_insert(Pull { workload, node, image: image.clone() });
        }
    }
    pulls
}

/// Keeps these pods, whatever else is waited for, and no others.
pub(super) fn keep(pulls: &Pulls<'_>, draft: &mut Draft) {
    draft.kept_pulls = Some(pulls.keys().cloned().collect());
}

/// Has images pulled. Returns whether each is there, or could not be tried for a reason that is not its own.
pub(super) fn drive(view: &View<'_>, pulls: &Pulls<'_>, draft: &mut Draft) -> bool {
    let state = |name: &str| view.observed.pulls.get(name).map(|pull| &pull.state);
    let done = pulls.keys().filter(|name| matches!(state(name), Some(PullState::Pulled | PullState::NotTried { .. }))).count();
    let busy = pulls.keys().filter(|name| matches!(state(name), Some(PullState::Pulling | PullState::Failing { .. }))).count();
    let mut room = AT_ONCE.saturating_sub(busy);
    for (name, pull) in pulls {
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
    if done < pulls.len() {
        draft.wait(WaitingOn::ImagesPulling { pulled: count(done), wanted: count(pulls.len()) });
    }
    done == pulls.len()
}

/// What the checklist of a hop says of the images.
pub(super) fn notes(view: &View<'_>, leg: &Leg) -> Vec<String> {
    let untried = |(name, pull): (String, Pull<'_>)| match &view.observed.pulls.get(&name)?.state {
        PullState::NotTried { why } => Some(format!("{} was not tried on {}: {why}", pull.image, pull.node)),
        PullState::Pulling | PullState::Pulled | PullState::Failing { .. } => None,
    };
    of_hop(view, leg).into_iter().filter_map(untried).collect()
}

/// What is to be known of the images although nothing is wrong with any.
pub(super) fn remark(view: &View<'_>, leg: &Leg) -> String {
    if !view.cluster.policy.pre_pull {
        return "not tried; the canary shows whether they can be pulled (spec.upgradePolicy.prePullImages tries them first)".to_owned();
    }
    let pulls = of_hop(view, leg);
    let is_there = |name: &&String| view.observed.pulls.get(*name).is_some_and(|pull| pull.state == PullState::Pulled);
    format!("{} of {} are on their nodes", pulls.keys().filter(is_there).count(), pulls.len())
}

/// Takes away the pods of what is over and of ways that were given up; an operator that died left them where they are. While a hop is being prepared or a rollout
/// is under way and nobody could look, during an election say, they stay.
pub(super) fn clear(view: &View<'_>, draft: &mut Draft) {
    let still_needed =
        draft.operation.as_ref().is_some_and(|operation| !is_versioned(operation) || operation.phase < OperationPhase::Image);
    let kept = match draft.kept_pulls.take() {
        Some(kept) => kept,
        None if still_needed => return,
        None => BTreeSet::new(),
    };
    let over = view.observed.pulls.iter().filter(|(name, pull)| pull.is_ours && !pull.deleting && !kept.contains(*name));
    let steps: Vec<Step> = over.map(|(name, pull)| Step::EndPull { pod: name.clone(), uid: pull.uid.clone() }).collect();
    draft.steps.extend(steps);
}
