//! Which news of a cluster that is coming up may wait, so that several are told in one write. What is remembered, what went wrong and what is done never
//! waits, and during upgrades, changes and scaling everything is told as it happens.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::api::{CnStatus, ComponentStatus, Condition, Operation, OperationKind, OperationPhase, StarRocksClusterStatus};
use crate::model::Decision;

/// How long after the last write details are told.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
/// Creation that lasts has ever less news; the pause doubles up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// When the status was written last, and how long details wait after it. Losing it tells them a little sooner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    at: Instant,
    pause: Duration,
}

/// Takes details out of a decision that were told not long ago, to be told in a later pass; returns what to remember for that one.
pub(super) fn hold_back(present: &StarRocksClusterStatus, decision: &mut Decision, told: Option<Told>) -> Option<Told> {
    if decision.status == *present {
        return told;
    }
    let now = Instant::now();
    if !may_wait(present, &decision.status) {
        return Some(Told { at: now, pause: FIRST_PAUSE });
    }
    match told {
        Some(Told { at, pause }) if at + pause > now => {
            let rest = at + pause - now;
            decision.status.clone_from(present);
            decision.look_again = Some(decision.look_again.map_or(rest, |look| look.min(rest)));
            told
        }
        Some(Told { pause, .. }) => Some(Told { at: now, pause: (2 * pause).min(LONGEST_PAUSE) }),
        None => Some(Told { at: now, pause: FIRST_PAUSE }),
    }
}

/// Whether all that differs are details of a creation under way.
fn may_wait(present: &StarRocksClusterStatus, wanted: &StarRocksClusterStatus) -> bool {
    let creates =
        |status: &StarRocksClusterStatus| status.operation.as_ref().is_some_and(|operation| operation.kind == OperationKind::Create);
    let mut wanted_essence = essence(wanted);
    // That something ran, and what, stands there already: the release of all nodes then says it once more.
    if present.version.is_none() && present.star_rocks_fe_status.as_ref().is_some_and(|frontends| !frontends.running_versions.is_empty()) {
        wanted_essence.version = None;
    }
    creates(present) && creates(wanted) && is_untroubled(wanted) && essence(present) == wanted_essence
}

/// Whether nothing is wrong that somebody might have to see at once.
fn is_untroubled(status: &StarRocksClusterStatus) -> bool {
    let is_trouble =
        |condition: &Condition| ["Stalled", "Degraded"].contains(&condition.condition_type.as_str()) && condition.status == "True";
    !status.conditions.iter().any(is_trouble) && components(status).iter().all(|component| component.failed_instances.is_empty())
}

fn components(status: &StarRocksClusterStatus) -> Vec<&ComponentStatus> {
    let StarRocksClusterStatus { star_rocks_fe_status, star_rocks_be_status, star_rocks_cn_status, star_rocks_fe_proxy_status, .. } =
        status;
    let plain = [star_rocks_fe_status.as_ref(), star_rocks_be_status.as_ref(), star_rocks_fe_proxy_status.as_ref()];
    plain.into_iter().flatten().chain(star_rocks_cn_status.as_ref().map(|status| &status.component)).collect()
}

/// A status without its details. Everything that a later pass, a controller or a waiting program goes by stays: whether conditions hold, the
/// releases that frontends ran, the failed, and what the autoscaler reads.
fn essence(status: &StarRocksClusterStatus) -> StarRocksClusterStatus {
    let mut essence = status.clone();
    essence.reason = None;
    essence.leader = None;
    essence.blocked.clear();
    essence.operation = essence.operation.map(|operation| Operation { phase: OperationPhase::default(), message: None, ..operation });
    for condition in &mut essence.conditions {
        condition.reason.clear();
        condition.message.clear();
    }
    essence.star_rocks_fe_status = essence.star_rocks_fe_status.map(component_essence);
    essence.star_rocks_be_status = essence.star_rocks_be_status.map(node_essence);
    essence.star_rocks_fe_proxy_status = essence.star_rocks_fe_proxy_status.map(component_essence);
    essence.star_rocks_cn_status =
        essence.star_rocks_cn_status.map(|status| CnStatus { component: node_essence(status.component), ..status });
    essence
}

/// A component without who comes up; that its nodes all run is not needed before the cluster is Ready.
fn component_essence(status: ComponentStatus) -> ComponentStatus {
    ComponentStatus { phase: String::new(), reason: None, running_instances: Vec::new(), creating_instances: Vec::new(), ..status }
}

/// Which releases data nodes run is asked of the frontends in each pass, and never gone by from memory.
fn node_essence(status: ComponentStatus) -> ComponentStatus {
    ComponentStatus { running_versions: BTreeMap::new(), ..component_essence(status) }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::api::Blocked;

    fn status(message: &str) -> StarRocksClusterStatus {
        let condition = |name: &str, status: &str| Condition {
            condition_type: name.to_owned(),
            status: status.to_owned(),
            message: message.to_owned(),
            ..Condition::default()
        };
        StarRocksClusterStatus {
            reason: Some(message.to_owned()),
            observed_generation: Some(1),
            conditions: vec![condition("Ready", "False"), condition("Stalled", "False"), condition("Degraded", "False")],
            operation: Some(Operation { kind: OperationKind::Create, ..Operation::default() }),
            blocked: vec![Blocked { code: "SR-2101".to_owned(), message: message.to_owned(), ..Blocked::default() }],
            star_rocks_fe_status: Some(ComponentStatus { creating_instances: vec![message.to_owned()], ..ComponentStatus::default() }),
            ..StarRocksClusterStatus::default()
        }
    }

    fn decision(status: StarRocksClusterStatus) -> Decision {
        Decision { steps: Vec::new(), status, waiting_on: Vec::new(), notices: Vec::new(), look_again: Some(Duration::from_secs(30)) }
    }

    #[tokio::test(start_paused = true)]
    async fn details_of_a_creation_are_told_together_and_none_is_lost() {
        let present = status("a");
        let told = hold_back(&StarRocksClusterStatus::default(), &mut decision(present.clone()), None);
        let mut early = decision(status("b"));
        advance(Duration::from_secs(5)).await;
        let told = hold_back(&present, &mut early, told);
        assert_eq!((early.status, early.look_again), (present.clone(), Some(FIRST_PAUSE - Duration::from_secs(5))));
        advance(FIRST_PAUSE - Duration::from_secs(5)).await;
        let mut due = decision(status("b"));
        let told = hold_back(&present, &mut due, told);
        assert_eq!(due.status, status("b"));
        assert_eq!(told.map(|told| told.pause), Some(2 * FIRST_PAUSE));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_or_wrong_or_done_is_told_at_once() {
        let present = status("a");
        type Change = fn(&mut StarRocksClusterStatus);
        let changes: [(&str, Change); 9] = [
            ("a new generation", |status| status.observed_generation = Some(2)),
            ("Ready", |status| status.conditions[0].status = "True".to_owned()),
            ("Stalled", |status| status.conditions[1].status = "True".to_owned()),
            ("the end of the creation", |status| status.operation = None),
            ("the release", |status| status.version = Some("3.5.9".to_owned())),
            ("a failed pod", |status| status.star_rocks_be_status = Some(failed())),
            ("which releases run", |status| {
                status.star_rocks_fe_status =
                    Some(ComponentStatus { running_versions: [("3.5.9".to_owned(), 1)].into(), ..ComponentStatus::default() });
            }),
            ("a phase", |status| status.phase = "running".to_owned()),
            ("another operation", |status| {
                status.operation = Some(Operation { kind: OperationKind::Rollout, ..Operation::default() });
            }),
        ];
        for (what, change) in changes {
            let mut wanted = status("b");
            change(&mut wanted);
            let mut decided = decision(wanted.clone());
            let told = hold_back(&present, &mut decided, Some(Told { at: Instant::now(), pause: LONGEST_PAUSE }));
            assert_eq!(decided.status, wanted, "{what}");
            assert_eq!(told.map(|told| told.pause), Some(FIRST_PAUSE), "{what}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_release_of_all_nodes_may_wait_once_that_of_the_frontends_is_on_record() {
        let runs = |mut status: StarRocksClusterStatus| {
            let running_versions = [("3.5.9".to_owned(), 1)].into();
            status.star_rocks_fe_status = Some(ComponentStatus { running_versions, ..ComponentStatus::default() });
            status
        };
        let present = runs(status("a"));
        let mut decided = decision(StarRocksClusterStatus { version: Some("3.5.9".to_owned()), ..runs(status("b")) });
        hold_back(&present, &mut decided, Some(Told { at: Instant::now(), pause: FIRST_PAUSE }));
        assert_eq!(decided.status, present);
    }

    fn failed() -> ComponentStatus {
        ComponentStatus { failed_instances: vec!["c-be-0".to_owned()], ..ComponentStatus::default() }
    }
}
