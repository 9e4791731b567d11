//! The words for each `WaitingOn`: what is awaited and, where a person must act, the way out; written for someone at 3 a.m.

use std::fmt;

use super::component::ACCEPT_ANNOTATION;
use super::{ConfigurationWait, TransferWait, WaitingOn, WarehouseWait};

impl fmt::Display for WaitingOn {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PodStarting { pod, detail } => write!(out, "{pod} is starting: {detail}"),
            Self::PodFailing { pod, reason, detail } => write!(
                out,
                "{pod} cannot start ({reason}): {detail}. Nothing else is restarted meanwhile; see `kubectl describe pod {pod}` and its logs, \
                 then correct the image, configuration or node"
            ),
            Self::PodNotReady { pod } => write!(out, "{pod} runs but its readiness probe does not succeed yet"),
            Self::PodTerminating { pod } => write!(out, "{pod} is shutting down"),
            Self::FrontendsNotServing { serving, wanted } => {
                write!(out, "{serving} of {wanted} frontends serve; backends and compute nodes follow once one does")
            }
            Self::LeaderElection => write!(out, "the frontends are electing a leader"),
            Self::FrontendsSilent { detail } => write!(out, "StarRocks does not answer: {detail}"),
            Self::CredentialsRefused { detail } => write!(
                out,
                "the frontends refuse the operator's login: {detail}. Name a Secret with a valid user and password in spec.credentials, \
                 or correct MYSQL_PWD in the components"
            ),
            Self::NodeNotRegistered { pod } => write!(out, "{pod} has not joined the cluster yet"),
            Self::NodeNotAlive { pod, detail } => write!(out, "{pod} is not alive since its last start: {detail}"),
            Self::VersionNotReported { pod, wanted, reported } => {
                write!(out, "{pod} should report version {wanted} and reports `{reported}`")
            }
            Self::TabletsNotReported { pod } => write!(out, "{pod} has not reported its tablets since it started"),
            Self::ReplicasUnhealthy { count, example } => {
                write!(out, "{count} replicas of user tables are dead or missing, for example in {example}")
            }
            Self::TabletsUnhealthy { unhealthy } => write!(out, "{unhealthy} tablets of user databases lack a healthy replica"),
            Self::JournalLag { pod, behind } => write!(out, "{pod} is {behind} journal entries behind the leader"),
            Self::QuorumAtRisk { alive, majority } => write!(
                out,
                "{alive} frontends are alive and caught up and {majority} are needed for a majority: one more restart could stop the cluster"
            ),
            Self::AnswerPending { what } => write!(out, "no answer yet: {what}"),
            Self::ImageNotSynced { pod, have, want } => {
                write!(out, "the metadata image on {pod} ends at journal id {have} and must reach {want} (takes up to four minutes)")
            }
            Self::SettingsNotInForce { pod, settings } => {
                write!(out, "{pod} does not have the intended values yet of {}", settings.join(", "))
            }
            Self::Soaking { pod, until } => write!(out, "the canary {pod} is being watched until {until}"),
            Self::CanaryRejected { pod, detail } => write!(
                out,
                "the canary {pod} was judged unfit: {detail}. No further node is touched, and it is judged again by itself. Read its log; correct the cause, \
                 set the former version again, or correct spec.upgradePolicy.canary.verdict if that is wrong"
            ),
            Self::CanaryUnjudged { pod, detail } => write!(
                out,
                "the canary {pod} cannot be judged yet: {detail}. It is asked again by itself; if it lasts, correct spec.upgradePolicy.canary.verdict"
            ),
            Self::QueriesRunning { pod, queries, until } => {
                match queries {
                    Some(1) => write!(out, "1 query runs on {pod}")?,
                    Some(queries) => write!(out, "{queries} queries run on {pod}")?,
                    None => write!(out, "nobody could tell yet whether queries run on {pod}")?,
                }
                let until = until.to_seconds_text();
                write!(out, "; it is restarted once none runs, at {until} at the latest (spec.upgradePolicy.drainSeconds)")
            }
            Self::LeaderTransfer(TransferWait { pod, to, until }) => write!(
                out,
                "the leader {pod} was asked to hand its lead over to {to} before it is restarted; if it still leads at {}, it is asked a second time, or \
                 restarted as it is",
                until.to_seconds_text()
            ),
            Self::JobsRunning { jobs } => write!(out, "jobs are running that an upgrade would break: {}", jobs.join(", ")),
            Self::DiskFull { pod, used_percent } => {
                write!(out, "a disk of {pod} is {used_percent} % full; free space below 85 % before the upgrade")
            }
            Self::ConsentNeeded { consent, detail } => {
                write!(out, "{detail}. To accept this, add `{consent}` to spec.upgradePolicy.consents")
            }
            Self::Paused => out.write_str(
                "spec.upgradePolicy.paused of the cluster or spec.paused of its StarRocksUpgrade is true; set it to false to go on",
            ),
            Self::ApprovalNeeded { record, what } if record.is_empty() => write!(
                out,
                "spec.upgradePolicy.approval asks for approval of {}, and the kind StarRocksUpgrade, in which it is given, is not installed or not \
                 readable. Apply its CustomResourceDefinition and the operator's roles, or set approval to None",
                what.join(", ")
            ),
            Self::ApprovalNeeded { record, what } => write!(
                out,
                "{} waits for approval: kubectl starrocks upgrade approve {record}, or add it to spec.approvals of StarRocksUpgrade {record}",
                what.join(", ")
            ),
            Self::WindowClosed { opens } => {
                out.write_str("no maintenance window (spec.upgradePolicy.maintenanceWindows) is open")?;
                match opens {
                    Some(opens) => write!(out, "; the next one opens at {}", opens.to_seconds_text()),
                    None => Ok(()),
                }
            }
            Self::UpgradeDeclined { to, rolled_back } => write!(
                out,
                "the way to {to} was {} and is not taken again. Set spec.version (or the images) back to what runs, or change the resource to try again",
                if *rolled_back { "rolled back" } else { "stopped" }
            ),
            Self::RollbackRefused { reason } => write!(
                out,
                "the rollback that was asked for is not possible: {reason}. Take spec.cancel out of the StarRocksUpgrade to go on, or set it to StopHere"
            ),
            Self::BackupMissing => out.write_str(
                "spec.upgradePolicy.backupRequired is true and this release of the operator can prove no backup. Make one yourself and set it to false",
            ),
            Self::UpgradeRefused { code, reason, way_out } => write!(out, "{reason} ({code}). Way out: {way_out}"),
            Self::VersionUnknown { component, text } => write!(
                out,
                "`{text}` of the {component} does not name a StarRocks release, so no order can be proven; \
                 use an image tag such as 3.5.9 or set spec.version"
            ),
            Self::ConfigurationIncompatible { component, detail } => {
                write!(out, "the {component} configuration would keep the target release from starting: {detail}")
            }
            Self::NodeStalled { pod, seconds, budget_seconds, log } => {
                write!(
                    out,
                    "{pod} has not come back {seconds} s after its restart (budget {budget_seconds} s); no further node is touched. "
                )?;
                match log {
                    Some(line) => write!(out, "Its log says: {line}. Correct the cause or set the former version again"),
                    None => write!(out, "Read its logs; correct the cause or set the former version again"),
                }
            }
            Self::VersionsApart { detail } => {
                write!(out, "{detail}; name one release for all components, the one that most of them run if nothing else is wanted")
            }
            Self::CheckpointOverdue { entries } => write!(
                out,
                "the frontends wrote {entries} journal entries since their last metadata image, and an upgrade begins below 100,000. \
                 ALTER SYSTEM CREATE IMAGE makes one; if it does not help, fe.log of the leader says what keeps it from writing images"
            ),
            Self::RoutineLoadsPaused { jobs } => {
                write!(out, "routine loads that ran before are paused and are being resumed: {}", jobs.join(", "))
            }
            Self::SchemaChangesRemembered { count } => write!(
                out,
                "the frontends still remember {count} schema changes, which the target release cannot read; they forget ended ones by themselves"
            ),
            Self::ImageNotPullable { image, node, words } => write!(
                out,
                "{image} cannot be pulled on {node}: {words}. Nothing has been changed for it; correct the image, its registry or imagePullSecrets, \
                 or set the former one again"
            ),
            Self::ImagesPulling { pulled, wanted } => {
                write!(out, "images are being pulled to their nodes before any pod is changed for them: {pulled} of {wanted} are there")
            }
            Self::DisruptionBudgetSpent { budget, components, healthy, desired } => write!(
                out,
                "PodDisruptionBudget {budget} allows no disruption of {} at the moment: {healthy} of its pods are healthy and it wants {desired}; \
                 none of its pods is restarted before it allows one",
                components.join(" and ")
            ),
            Self::DisruptionForbidden { budget, components, desired, expected } => write!(
                out,
                "PodDisruptionBudget {budget} never allows a disruption of {}: it wants {desired} of {expected} pods healthy at all times. \
                 Let it allow one (maxUnavailable: 1), or add `IgnoreDisruptionBudgets` to spec.upgradePolicy.consents",
                components.join(" and ")
            ),
            Self::ChannelHeld { channel, detail } => write!(out, "channel {channel}: {detail}"),
            Self::Decommissioning { pod, tablets } => write!(out, "{pod} is moving {tablets} tablets to other backends before it leaves"),
            Self::ScaleInRefused { component, detail } => write!(out, "the {component} cannot be scaled in: {detail}"),
            Self::SecondClusterRisk { pod } => write!(
                out,
                "{pod} would start with empty metadata while other frontends hold data and could found a second, empty cluster. \
                 Start the other frontends first, or delete their volumes if the data is meant to be lost"
            ),
            Self::StaleVolume { pod, claim } => write!(
                out,
                "{pod} would start on {claim}, which holds the metadata of a frontend that was dropped from the group or of the group that a recovery \
                 gave up, and hang or go on with the latter. Delete the claim if nothing in it is needed"
            ),
            Self::NodeLeaving { pod } => {
                write!(out, "{pod} is leaving; it is dropped from StarRocks once it is gone and its heartbeat has failed")
            }
            Self::BackendUndrained { pod, tablets } => write!(
                out,
                "the backend {pod} was taken away without being drained, and StarRocks has {tablets} tablets of it in its books. Scale the backends out again, so that it \
                 comes back on its volume, and then in: it is drained first. DROP BACKEND only if each of its tablets has another replica"
            ),
            Self::SnapshotNotMounted { generation } => write!(
                out,
                "recovery {generation} does not begin: spec.starRocksFeSpec.configMaps mounts no cluster_snapshot.yaml. \
                 Mount it with subPath cluster_snapshot.yaml, or the whole directory fe/conf; or take spec.disasterRecovery away"
            ),
            Self::ImmutableField { object, field } => {
                write!(out, "{field} of {object} cannot be changed in place; put back the former value or recreate the object")
            }
            Self::ForeignObject { object } => write!(
                out,
                "{object} exists and does not belong to this cluster; it is left alone. Rename or delete it, or rename the cluster"
            ),
            Self::TemplateHeld { component, fields, accept } => write!(
                out,
                "the pod template of the {component} would change although the resource has not (another operator, another release of this one, \
                 or a ConfigMap that it refers to): {}. Its pods are left alone until you agree: add {accept} to the annotation {ACCEPT_ANNOTATION} \
                 of the resource, or change anything in its spec",
                fields.join(", ")
            ),
            Self::Configuration(ConfigurationWait::PortFixed { component, key, former, wanted, why }) => write!(
                out,
                "{} says {key} = {wanted} and the {component} runs with {former}: {why}. Nothing is restarted, added or dropped meanwhile. Write \
                 {key} = {former} back: a process that starts reads the file, whoever started it",
                component.conf_file()
            ),
            Self::ObjectTerminating { object } => write!(out, "{object} is being deleted and is made anew once it is gone"),
            Self::RequestRefused { request, words, way_out } => {
                write!(out, "Kubernetes refuses to {request}: {words}. {way_out}; it is tried again by itself, at least every six minutes")
            }
            Self::Warehouse(WarehouseWait::ClusterAbsent { cluster }) => write!(
                out,
                "StarRocksCluster {cluster} (spec.starRocksCluster) does not exist in this namespace or is being deleted; the warehouse is made once it is there"
            ),
            Self::Warehouse(WarehouseWait::ClusterUnusable { cluster, detail }) => {
                write!(out, "StarRocksCluster {cluster} has a fault and nothing can be asked of its frontends: {detail}. Correct it there")
            }
            Self::Warehouse(WarehouseWait::NotSharedData { cluster }) => write!(
                out,
                "StarRocksCluster {cluster} keeps its data on backends, and warehouses need run_mode = shared_data in fe.conf, which cannot be changed \
                 afterwards. Name a shared-data cluster in spec.starRocksCluster"
            ),
            Self::Warehouse(WarehouseWait::FeatureMissing { cluster }) => write!(
                out,
                "the frontends of StarRocksCluster {cluster} do not have the feature multi-warehouse (GET /api/v2/feature). \
                 Use images of a StarRocks edition that has it, or delete this resource; it is looked at again by itself"
            ),
            Self::Warehouse(WarehouseWait::Taken { warehouse }) => write!(
                out,
                "a warehouse {warehouse} exists already and was not made for this resource, so that deleting the resource must not drop it. \
                 Give the resource another name, or run DROP WAREHOUSE {warehouse} if nobody uses it: a warehouse holds no data"
            ),
            Self::Warehouse(WarehouseWait::Leaving { warehouse }) => write!(out, "warehouse {warehouse} is being dropped; it is tried until it succeeds"),
            Self::Configuration(ConfigurationWait::NotInForce { pod, keys, .. }) if !keys.is_empty() => {
                write!(out, "{pod} does not show what its configuration file says of {}; it is set there and read back", keys.join(", "))
            }
            Self::Configuration(ConfigurationWait::NotInForce { pod, detail, .. }) => {
                write!(out, "whether {pod} has what its configuration file says is not known: {detail}")
            }
            Self::Configuration(ConfigurationWait::Refused { statement, words }) => write!(
                out,
                "StarRocks refuses `{statement}`: {words}. Correct the value in the ConfigMap; nothing is restarted for it, since a node might not start with it"
            ),
            Self::Configuration(ConfigurationWait::Deferred { component, keys, stuck: None }) => write!(
                out,
                "the configuration of the {component} changed ({}); it is brought into force when what is under way has ended",
                keys.join(", ")
            ),
            Self::Configuration(ConfigurationWait::Deferred { component, keys, stuck: Some(pod) }) => write!(
                out,
                "the configuration of the {component} changed again ({}) while its pods are restarted for the change before, and {pod}, which was made for that \
                 one, does not come back. A process reads the file only when it starts: see the log of {pod}, and delete the pod once the file is right, so that \
                 it starts with it; the others follow when it is back",
                keys.join(", ")
            ),
            Self::Configuration(ConfigurationWait::ShownOtherwise { pod, key, detail }) => write!(
                out,
                "{pod} took the value of {key} and shows another one{detail}. Write it in the ConfigMap as StarRocks shows it, or restart the component; \
                 the file holds at its next start"
            ),
            Self::DecisionRefused { detail } => {
                write!(out, "the operator's own safety check refused its next step: {detail}. Please report this as a defect")
            }
        }
    }
}
