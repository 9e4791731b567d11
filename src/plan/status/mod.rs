//! The whole status from what is observed and what was just decided; the same facts give the same status, to the byte.

mod components;
mod conditions;
mod refused;

pub(super) use conditions::since;
pub(super) use refused::awaiting;
pub use refused::{Rejection, refuse};

use super::draft::Draft;
use super::upgrade;
use super::versions::{self, Frontier};
use super::view::View;
use crate::api::{Blocked, ChannelStatus, DeclinedUpgrade, Operation, ResourceChange, StarRocksClusterStatus};
use crate::model::cluster::Following;
use crate::model::{Component, Step, Timestamp, WaitingOn, spec_change};

/// Builds the status to publish.
pub(super) fn publish(view: &View<'_>, frontier: &Frontier, draft: &Draft) -> StarRocksClusterStatus {
    let former = &view.observed.status;
    let mut status = StarRocksClusterStatus {
        observed_generation: Some(view.cluster.generation),
        last_change: last_change(view, draft),
        version: version(frontier, former),
        channel: view.cluster.following.as_ref().map(channel),
        leader: view.leader().map(|leader| leader.name.clone()),
        operation: draft.operation.clone().map(|operation| told(view, operation, draft)),
        blocked: blocked(&draft.waiting, &former.blocked, view.now()),
        declined_upgrade: declined(view, draft),
        last_upgrade: draft.last_upgrade.clone().or_else(|| former.last_upgrade.clone()),
        star_rocks_fe_status: components::of_workload(view, Component::Frontend, draft),
        star_rocks_be_status: components::of_workload(view, Component::Backend, draft),
        star_rocks_cn_status: components::of_compute_nodes(view, draft),
        star_rocks_fe_proxy_status: components::of_proxy(view),
        disaster_recovery_status: draft.recovery.clone().or_else(|| former.disaster_recovery_status.clone()),
        configuration: draft.configuration.clone().unwrap_or_else(|| former.configuration.clone()),
        ..StarRocksClusterStatus::default()
    };
    conditions::judge(view, draft, &mut status);
    status
}

fn channel(following: &Following) -> ChannelStatus {
    ChannelStatus {
        name: following.channel.clone(),
        version: following.version.to_string(),
        head: following.head.as_ref().map(ToString::to_string),
        available: following.available.as_ref().map(ToString::to_string),
        deprecation: following.deprecation.clone(),
    }
}

/// The last change of the resource. A status without it, written by an operator before 0.2, gets it when something changes, or when something is to be
/// left alone until then: another release of the operator alone writes nothing.
fn last_change(view: &View<'_>, draft: &Draft) -> Option<ResourceChange> {
    let former = &view.observed.status;
    let rests_on_it = former.declined_upgrade.is_some() || draft.waiting.iter().any(|wait| matches!(wait, WaitingOn::TemplateHeld { .. }));
    let due = former.last_change.is_some() || former.observed_generation != Some(view.cluster.generation) || rests_on_it;
    due.then(|| spec_change::last_change(&view.cluster.asked(), former))
}

/// The way that was given up, as long as the resource that asked for it is the same.
fn declined(view: &View<'_>, draft: &Draft) -> Option<DeclinedUpgrade> {
    let asked_at = spec_change::last_change(&view.cluster.asked(), &view.observed.status).generation;
    let former = || view.observed.status.declined_upgrade.clone().filter(|former| former.generation == asked_at);
    draft.declined.clone().or_else(former)
}

/// The release all nodes run. What was not answered in this pass is as it was.
fn version(frontier: &Frontier, former: &StarRocksClusterStatus) -> Option<String> {
    if frontier.missing.is_some() {
        return former.version.clone();
    }
    let all = frontier.all();
    let only = all.first().filter(|_| all.len() == 1 && frontier.unreadable.is_none());
    only.map(ToString::to_string)
}

/// An operation with its place in the whole, for people.
fn told(view: &View<'_>, operation: Operation, draft: &Draft) -> Operation {
    let (step, steps) = if versions::is_versioned(&operation) { upgrade::step_of(view, &operation) } else { (0, 0) };
    // Nodes that nobody can ask at the moment, during an election say, have not gone back.
    let former =
        view.observed.status.operation.as_ref().filter(|former| former.started_at == operation.started_at && former.steps == steps);
    let step = former.map_or(step, |former| former.step.max(step));
    // What was refused before is not believed to happen this time.
    let restart =
        |step: &&Step| matches!(step, Step::RestartPod { .. }) && !view.observed.refusals.iter().any(|refusal| refusal.meets(step));
    let doing = draft.steps.iter().find(restart).map(super::describe::describe);
    let message = doing.or_else(|| draft.waiting.first().map(ToString::to_string));
    Operation { step, steps, message, ..operation }
}

fn blocked(waiting: &[WaitingOn], former: &[Blocked], now: Timestamp) -> Vec<Blocked> {
    let entry = |wait: &WaitingOn| {
        let (node, code) = (wait.pod().map(str::to_owned), wait.code());
        let same = former.iter().find(|blocked| blocked.code == code && blocked.node == node);
        let since = same.and_then(|blocked| blocked.since.clone()).or_else(|| Some(now.to_seconds_text()));
        Blocked { node, code: code.to_owned(), message: wait.to_string(), since }
    };
    waiting.iter().map(entry).collect()
}
