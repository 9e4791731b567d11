//! Conditions that kstatus, Argo CD and people read alike: Ready first; times move only when a status does.

use super::super::draft::Draft;
use super::super::versions::is_versioned;
use super::super::view::View;
use super::components::{self, FAILED, RECONCILING, RUNNING};
use crate::api::{Condition, OperationKind, StarRocksClusterStatus};
use crate::model::cluster::Following;
use crate::model::component::ACCEPT_ANNOTATION;
use crate::model::{Component, ConfigurationWait, LiveObject, Object, Step, Timestamp, WaitingOn};

/// Code of `WaitingOn::RequestRefused`.
const REFUSED: &str = "SR-2405";

/// One aspect, before times are added.
struct Aspect {
    name: &'static str,
    holds: bool,
    reason: String,
    message: String,
}

/// Fills in conditions, phase and reason.
pub(super) fn judge(view: &View<'_>, draft: &Draft, status: &mut StarRocksClusterStatus) {
    let stalled = draft.waiting.iter().find(|wait| wait.needs_a_person() && hinders(wait));
    let wait = stalled.or_else(|| draft.waiting.iter().find(|wait| hinders(wait)));
    let busy = draft.operation.is_some() || draft.steps.iter().any(|step| is_work(view, step)) || !matches_spec(view);
    let ready = wait.is_none() && !busy && everything_up(view, status);
    let (word, doing) = what_is_done(draft, status);
    let message = wait.map_or(doing, ToString::to_string);
    let reconciling = !ready && stalled.is_none();
    let aspects = [
        Aspect {
            name: "Ready",
            holds: ready,
            reason: if ready { "AllNodesServe".to_owned() } else { stalled.map_or_else(|| word.clone(), reason) },
            message: if ready { ready_message(view, status) } else { message.clone() },
        },
        Aspect {
            name: "Reconciling",
            holds: reconciling,
            reason: if reconciling { word } else { "AtRest".to_owned() },
            message: if reconciling { message.clone() } else { String::new() },
        },
        Aspect {
            name: "Stalled",
            holds: stalled.is_some(),
            reason: stalled.map_or_else(|| "NothingToDecide".to_owned(), reason),
            message: stalled.map(ToString::to_string).unwrap_or_default(),
        },
        upgrading(draft),
        degraded(draft),
    ];
    let aspects = aspects.into_iter().chain(requires_update(view, draft));
    let aspects = aspects.chain(view.cluster.following.as_ref().map(update_available)).chain(advised(view));
    status.phase = phase(ready, stalled).to_owned();
    status.reason = if ready { None } else { Some(message) };
    status.conditions = aspects.map(|aspect| condition(aspect, view.cluster.generation, view.now(), &view.observed.status)).collect();
}

/// Whether pods would be made differently if their owner agreed. A status that was written before there was such a condition, and whose resource did
/// not change since, gets it only when there is something to agree to: another release of the operator alone writes nothing.
fn requires_update(view: &View<'_>, draft: &Draft) -> Option<Aspect> {
    const NAME: &str = "RequiresUpdate";
    let held = draft.waiting.iter().filter_map(|wait| match wait {
        WaitingOn::TemplateHeld { component, fields, accept } => Some((format!("{component} ({})", fields.join(", ")), accept.as_str())),
        _ => None,
    });
    let (differing, accept): (Vec<String>, Vec<&str>) = held.unzip();
    let former = &view.observed.status;
    let is_told = former.conditions.iter().any(|condition| condition.condition_type == NAME);
    if differing.is_empty() && !is_told && former.observed_generation == Some(view.cluster.generation) {
        return None;
    }
    let message = format!(
        "the pods of {} would be made differently although the resource has not changed; they are left as they are until you agree. \
         To agree to exactly this, annotate the resource with {ACCEPT_ANNOTATION}={}; a change of its spec agrees to everything",
        differing.join(" and "),
        accept.join(",")
    );
    Some(Aspect {
        name: NAME,
        holds: !differing.is_empty(),
        reason: if differing.is_empty() { "AsDescribed" } else { "PodTemplatesHeld" }.to_owned(),
        message: if differing.is_empty() { String::new() } else { message },
    })
}

/// What the channel has to offer to somebody who approves it.
fn update_available(following: &Following) -> Aspect {
    let Following { channel, version, offer, deprecation, .. } = following;
    let (reason, offered) = match offer {
        Some(offer) => {
            let (reason, field) = if offer.line() == version.line() { ("PatchAvailable", "patch") } else { ("LineAvailable", "minor") };
            let way = format!(
                "channel {channel} leads from {version} to {offer}. Set spec.upgradePolicy.approvedVersion to {offer} to go there, or \
                 spec.upgradePolicy.automatic.{field} to Auto"
            );
            (reason, Some(way))
        }
        None => ("NothingToApprove", None),
    };
    Aspect {
        name: "UpdateAvailable",
        holds: offer.is_some(),
        reason: reason.to_owned(),
        message: offered.into_iter().chain(deprecation.clone()).collect::<Vec<_>>().join(". "),
    }
}

/// What was accepted and is worth a look; nothing waits for it, and there is no such condition without it.
fn advised(view: &View<'_>) -> Option<Aspect> {
    /// More is told by `docs/codes.md` and found when these are mended.
    const TOLD: usize = 8;
    let advice = &view.cluster.advice;
    let mut texts: Vec<String> =
        advice.iter().take(TOLD).map(|advice| format!("{} {}: {}", advice.code, advice.field, advice.message)).collect();
    if advice.len() > TOLD {
        texts.push(format!("and {} more", advice.len() - TOLD));
    }
    (!texts.is_empty()).then(|| Aspect { name: "Advised", holds: true, reason: "WorthALook".to_owned(), message: texts.join("; ") })
}

/// The conditions of a resource that waits for something outside itself, with nothing of its own known.
pub(super) fn of_wait(wait: &WaitingOn, generation: i64, now: Timestamp, former: &StarRocksClusterStatus) -> Vec<Condition> {
    let stalled = wait.needs_a_person();
    let aspect = |name, holds| Aspect { name, holds, reason: reason(wait), message: wait.to_string() };
    let aspects = [aspect("Ready", false), aspect("Reconciling", !stalled), aspect("Stalled", stalled)];
    aspects.into_iter().map(|aspect| condition(aspect, generation, now, former)).collect()
}

/// The conditions of a specification that cannot be used.
pub(super) fn of_refusal(message: &str, generation: i64, now: Timestamp, former: &StarRocksClusterStatus) -> Vec<Condition> {
    let aspect =
        |name, holds, message: &str| Aspect { name, holds, reason: "SpecificationRefused".to_owned(), message: message.to_owned() };
    let aspects = [aspect("Ready", false, message), aspect("Reconciling", false, ""), aspect("Stalled", true, message)];
    aspects.into_iter().map(|aspect| condition(aspect, generation, now, former)).collect()
}

/// A condition, with the time of its last change.
fn condition(aspect: Aspect, generation: i64, now: Timestamp, former: &StarRocksClusterStatus) -> Condition {
    let status = if aspect.holds { "True" } else { "False" };
    Condition {
        condition_type: aspect.name.to_owned(),
        status: status.to_owned(),
        reason: aspect.reason,
        message: aspect.message,
        last_transition_time: since(&former.conditions, aspect.name, status, now),
        observed_generation: Some(generation),
    }
}

/// Since when a condition has this status.
pub(in super::super) fn since(former: &[Condition], name: &str, status: &str, now: Timestamp) -> String {
    let same = former.iter().find(|condition| condition.condition_type == name && condition.status == status);
    let since = same.map(|condition| condition.last_transition_time.clone()).filter(|time| !time.is_empty());
    since.unwrap_or_else(|| now.to_seconds_text())
}

const fn phase(ready: bool, stalled: Option<&WaitingOn>) -> &'static str {
    match (ready, stalled) {
        (true, _) => RUNNING,
        (
            false,
            None
            | Some(
                WaitingOn::Paused | WaitingOn::ConsentNeeded { .. } | WaitingOn::ApprovalNeeded { .. } | WaitingOn::UpgradeDeclined { .. },
            ),
        ) => RECONCILING,
        (false, Some(_)) => FAILED,
    }
}

/// Whether a wait keeps the cluster from being as it should be.
pub(super) const fn hinders(wait: &WaitingOn) -> bool {
    !matches!(
        wait,
        WaitingOn::TemplateHeld { .. }
            | WaitingOn::ChannelHeld { .. }
            | WaitingOn::BackendUndrained { .. }
            // Every node serves, with the configuration from before.
            | WaitingOn::Configuration(ConfigurationWait::NotInForce { .. })
            | WaitingOn::Configuration(ConfigurationWait::Refused { .. })
            | WaitingOn::Configuration(ConfigurationWait::Deferred { .. })
            | WaitingOn::Configuration(ConfigurationWait::ShownOtherwise { .. })
    )
}

/// Whether a step must have succeeded before anyone can say that all is done: it takes something away, gives a controller work, or brings
/// what the resource asks for anew. A Service that somebody changed and that is put back is no such work.
fn is_work(view: &View<'_>, step: &Step) -> bool {
    let former = &view.observed.status;
    match step {
        Step::RestartPod { .. }
        | Step::Delete { .. }
        | Step::Hold
        | Step::LetGo { .. }
        | Step::Apply(Object::StatefulSet(_) | Object::Deployment(_)) => true,
        Step::Apply(object) => {
            former.observed_generation != Some(view.cluster.generation)
                || view.observed.object(object.kind(), &object.key().name).is_none()
                // An operator that has just started does not remember what was refused; the status does.
                || former.blocked.iter().any(|blocked| blocked.code == REFUSED)
        }
        Step::Execute { .. } | Step::Record(_) | Step::PullImage(_) | Step::EndPull { .. } => false,
    }
}

fn matches_spec(view: &View<'_>) -> bool {
    let matches = |fleet: &super::super::view::Fleet<'_>| {
        fleet.live.is_some_and(LiveObject::status_is_current) && fleet.live_replicas() == fleet.wanted_replicas()
    };
    view.fleets().filter(|fleet| fleet.workload.is_some()).all(matches)
}

fn everything_up(view: &View<'_>, status: &StarRocksClusterStatus) -> bool {
    let components = [
        status.star_rocks_fe_status.as_ref(),
        status.star_rocks_be_status.as_ref(),
        status.star_rocks_cn_status.as_ref().map(|status| &status.component),
    ];
    view.leader_row().is_some()
        && view.cluster.frontend.replicas > 0
        && components.into_iter().flatten().all(|component| component.phase == RUNNING)
        && view.cluster.proxy.as_ref().is_none_or(|proxy| components::proxy_is_ready(view, proxy.replicas))
}

fn ready_message(view: &View<'_>, status: &StarRocksClusterStatus) -> String {
    let count = |component: Component| view.cluster.workload(component).map_or(0, |workload| workload.replicas);
    if let Some(warehouse) = &view.cluster.warehouse {
        return format!("{} CN serve in warehouse {}", count(Component::ComputeNode), warehouse.sql_name());
    }
    let release = status.version.as_ref().map(|version| format!(" at {version}")).unwrap_or_default();
    format!("{} FE, {} BE and {} CN serve{release}", count(Component::Frontend), count(Component::Backend), count(Component::ComputeNode))
}

fn what_is_done(draft: &Draft, status: &StarRocksClusterStatus) -> (String, String) {
    let Some(operation) = &draft.operation else {
        return if status.leader.is_none() {
            ("Starting".to_owned(), "the frontends have no leader yet".to_owned())
        } else {
            ("Reconciling".to_owned(), "objects are being brought to the specification".to_owned())
        };
    };
    let word = match operation.kind {
        OperationKind::Upgrade => "Upgrading",
        OperationKind::Downgrade => "Downgrading",
        OperationKind::Rollout => "RollingOut",
        OperationKind::Scale => "Scaling",
        OperationKind::Create | OperationKind::Other(_) => "Creating",
    };
    (word.to_owned(), format!("{word}: {}", operation.phase))
}

fn upgrading(draft: &Draft) -> Aspect {
    let operation = draft.operation.as_ref().filter(|operation| is_versioned(operation));
    let text = |version: &Option<String>| version.clone().unwrap_or_default();
    Aspect {
        name: "Upgrading",
        holds: operation.is_some(),
        reason: operation.map_or_else(|| "NoChangeOfRelease".to_owned(), |operation| operation.phase.to_string()),
        message: operation
            .map(|operation| format!("{} from {} to {}", operation.kind, text(&operation.from), text(&operation.to)))
            .unwrap_or_default(),
    }
}

/// Nodes that are down although nobody is working on them, or that do not come back.
fn degraded(draft: &Draft) -> Aspect {
    let at_rest = draft.operation.is_none();
    let trouble = |wait: &&WaitingOn| match wait {
        WaitingOn::PodFailing { .. } | WaitingOn::NodeStalled { .. } | WaitingOn::CanaryRejected { .. } => true,
        WaitingOn::PodNotReady { .. }
        | WaitingOn::NodeNotAlive { .. }
        | WaitingOn::ReplicasUnhealthy { .. }
        | WaitingOn::FrontendsSilent { .. }
        | WaitingOn::QuorumAtRisk { .. }
        | WaitingOn::JournalLag { .. } => at_rest,
        _ => false,
    };
    let found = draft.waiting.iter().find(trouble);
    Aspect {
        name: "Degraded",
        holds: found.is_some(),
        reason: found.map_or_else(|| "AsExpected".to_owned(), reason),
        message: found.map(ToString::to_string).unwrap_or_default(),
    }
}

/// The variant's name: one CamelCase word for programs.
fn reason(wait: &WaitingOn) -> String {
    wait.name().to_owned()
}
