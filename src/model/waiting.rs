//! What cannot go on, as values with stable codes: what the user sees in conditions, events, the command line and the docs.

use serde::{Deserialize, Serialize};

use super::waiting_parts::{ConfigurationWait, TransferWait, WarehouseWait};
use super::{Component, Timestamp};

/// Something that keeps the operator from the next step. Waiting is not an error: nothing is broken by waiting longer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WaitingOn {
    /// A pod does not exist or is not scheduled, pulled or started yet.
    PodStarting {
        /// Pod.
        pod: String,
        /// What Kubernetes says it is doing.
        detail: String,
    },
    /// A pod cannot start: image error, crash loop, missing ConfigMap, unschedulable.
    PodFailing {
        /// Pod.
        pod: String,
        /// Kubernetes' reason, for example `CrashLoopBackOff`.
        reason: String,
        /// Kubernetes' message.
        detail: String,
    },
    /// A pod runs but its readiness probe fails.
    PodNotReady {
        /// Pod.
        pod: String,
    },
    /// A pod is terminating.
    PodTerminating {
        /// Pod.
        pod: String,
    },
    /// No frontend serves yet, so nothing can be asked and BE, CN and proxy wait.
    FrontendsNotServing {
        /// Frontends that serve.
        serving: u32,
        /// Frontends wanted.
        wanted: u32,
    },
    /// No row says LEADER: an election is on.
    LeaderElection,
    /// The frontends do not answer SQL.
    FrontendsSilent {
        /// Their words.
        detail: String,
    },
    /// The frontends refuse the operator's credentials.
    CredentialsRefused {
        /// Their words.
        detail: String,
    },
    /// A node is not registered in the group.
    NodeNotRegistered {
        /// Pod.
        pod: String,
    },
    /// A node is registered but not alive with a heartbeat newer than its start.
    NodeNotAlive {
        /// Pod.
        pod: String,
        /// StarRocks' words.
        detail: String,
    },
    /// A node reports another version than its pod should run.
    VersionNotReported {
        /// Pod.
        pod: String,
        /// Wanted version.
        wanted: String,
        /// Reported text.
        reported: String,
    },
    /// A restarted backend has not sent a full tablet report.
    TabletsNotReported {
        /// Pod.
        pod: String,
    },
    /// Replicas of user tables are dead or missing.
    ReplicasUnhealthy {
        /// How many.
        count: u64,
        /// One of the tables.
        example: String,
    },
    /// Tablets are unhealthy or being cloned.
    TabletsUnhealthy {
        /// Unhealthy tablets of user databases.
        unhealthy: u64,
    },
    /// A frontend's journal lags behind the leader's.
    JournalLag {
        /// Pod.
        pod: String,
        /// Entries behind.
        behind: u64,
    },
    /// Restarting one more frontend could lose the majority.
    QuorumAtRisk {
        /// Frontends alive and caught up.
        alive: u32,
        /// Majority of the registered voters.
        majority: u32,
    },
    /// A question that the next step depends on is being asked, or is refused.
    AnswerPending {
        /// The question, and the frontend's words when it refuses to answer.
        what: String,
    },
    /// The metadata image has not reached every frontend.
    ImageNotSynced {
        /// Pod without the image.
        pod: String,
        /// Image there.
        have: u64,
        /// Journal id that the image must cover.
        want: u64,
    },
    /// Scheduler settings are not in force on a frontend.
    SettingsNotInForce {
        /// Pod.
        pod: String,
        /// Settings.
        settings: Vec<String>,
    },
    /// The canary is being watched.
    Soaking {
        /// Pod.
        pod: String,
        /// Until when.
        until: Timestamp,
    },
    /// The user's own questions about the canaries were answered with no.
    CanaryRejected {
        /// Pod of a canary.
        pod: String,
        /// Which question, and what came out.
        detail: String,
    },
    /// The user's own questions about the canaries have not all been answered.
    CanaryUnjudged {
        /// Pod of a canary.
        pod: String,
        /// Which question, and what is missing.
        detail: String,
    },
    /// The restart of a node waits for the queries that run on it.
    QueriesRunning {
        /// Pod.
        pod: String,
        /// How many; `None` when nobody could tell.
        queries: Option<u64>,
        /// When it is restarted all the same.
        until: Timestamp,
    },
    /// The leader was asked to hand its lead over before it restarts.
    LeaderTransfer(TransferWait),
    /// Jobs run that an upgrade would break.
    JobsRunning {
        /// Their names.
        jobs: Vec<String>,
    },
    /// A disk is too full for an upgrade.
    DiskFull {
        /// Pod.
        pod: String,
        /// Used share, percent.
        used_percent: u32,
    },
    /// A named danger needs the user's consent in `spec.upgradePolicy.consents`.
    ConsentNeeded {
        /// Name of the consent.
        consent: String,
        /// The danger.
        detail: String,
    },
    /// The user paused upgrades.
    Paused,
    /// The next part of an upgrade waits for the user's word.
    ApprovalNeeded {
        /// Name of the StarRocksUpgrade in which it is given; empty where that kind is not installed.
        record: String,
        /// What to add to its `spec.approvals`.
        what: Vec<String>,
    },
    /// No maintenance window is open.
    WindowClosed {
        /// When the next one opens.
        opens: Option<Timestamp>,
    },
    /// The way was given up and is not taken again before the resource changes.
    UpgradeDeclined {
        /// Release that was to be reached.
        to: String,
        /// Whether the nodes were brought back.
        rolled_back: bool,
    },
    /// A rollback was asked for and the release table knows no way back.
    RollbackRefused {
        /// The rule, with its code.
        reason: String,
    },
    /// A backup is required and none can be proved.
    BackupMissing,
    /// The release table refuses the way.
    UpgradeRefused {
        /// The refusal's own code.
        code: String,
        /// Reason.
        reason: String,
        /// Way out.
        way_out: String,
    },
    /// What runs cannot be told from its tag or its report, so nothing is automated.
    VersionUnknown {
        /// Component.
        component: Component,
        /// Text that is not a release.
        text: String,
    },
    /// A configuration would keep the target release from starting.
    ConfigurationIncompatible {
        /// Component.
        component: Component,
        /// What and how to mend.
        detail: String,
    },
    /// A node did not come back within its time budget: the roll stops here.
    NodeStalled {
        /// Pod.
        pod: String,
        /// Seconds since it was restarted.
        seconds: u64,
        /// Budget in seconds.
        budget_seconds: u64,
        /// The line of its log that says why, if one does.
        log: Option<String>,
    },
    /// Releases run, or are asked for, that cannot be brought together in one way.
    VersionsApart {
        /// Which, and where.
        detail: String,
    },
    /// The leader has made no metadata image for long: a restarted frontend would replay for long, and something may keep it from making one.
    CheckpointOverdue {
        /// Journal entries since the last image.
        entries: u64,
    },
    /// Routine loads that ran before the hop are paused after it and are being resumed.
    RoutineLoadsPaused {
        /// Jobs as `database.name`.
        jobs: Vec<String>,
    },
    /// The frontends remember schema changes that have ended and that the target release cannot read.
    SchemaChangesRemembered {
        /// How many.
        count: u64,
    },
    /// An image of the next hop or of a rollout cannot be pulled to a node.
    ImageNotPullable {
        /// Image.
        image: String,
        /// Node of Kubernetes.
        node: String,
        /// Kubernetes' words.
        words: String,
    },
    /// Images of the next hop or of a rollout are being pulled to their nodes.
    ImagesPulling {
        /// Pairs of node and image that are done.
        pulled: u32,
        /// Pairs of node and image.
        wanted: u32,
    },
    /// A PodDisruptionBudget allows no disruption at the moment.
    DisruptionBudgetSpent {
        /// PodDisruptionBudget.
        budget: String,
        /// Components whose pods it selects.
        components: Vec<String>,
        /// Pods that are healthy.
        healthy: i32,
        /// Pods that have to be healthy.
        desired: i32,
    },
    /// A PodDisruptionBudget wants every pod healthy at all times, so that it never allows a restart.
    DisruptionForbidden {
        /// PodDisruptionBudget.
        budget: String,
        /// Components whose pods it selects.
        components: Vec<String>,
        /// Pods that have to be healthy.
        desired: i32,
        /// Pods that there should be.
        expected: i32,
    },
    /// The channel that the cluster follows does not lead on, or is gone; the release that runs is kept.
    ChannelHeld {
        /// Channel.
        channel: String,
        /// Why, and the way out.
        detail: String,
    },
    /// A backend is moving its tablets away before it leaves.
    Decommissioning {
        /// Pod.
        pod: String,
        /// Tablets left.
        tablets: u64,
    },
    /// A scale-in that the operator refuses.
    ScaleInRefused {
        /// Component.
        component: Component,
        /// Why and the way out.
        detail: String,
    },
    /// Pod 0 would start on empty metadata while other members hold data: it could found a second cluster.
    SecondClusterRisk {
        /// Pod.
        pod: String,
    },
    /// A new frontend would start on the volume of one that was dropped from the group, and hang.
    StaleVolume {
        /// Pod.
        pod: String,
        /// PersistentVolumeClaim.
        claim: String,
    },
    /// A compute node that is not wanted any more still has a pod, or StarRocks has not noticed yet that it is gone.
    NodeLeaving {
        /// Pod.
        pod: String,
    },
    /// A backend was taken away with its tablets, by somebody else: StarRocks still counts on it.
    BackendUndrained {
        /// The pod that it was.
        pod: String,
        /// Tablets in the books.
        tablets: u64,
    },
    /// A recovery is asked for and the frontends do not mount what names the snapshot.
    SnapshotNotMounted {
        /// `spec.disasterRecovery.generation`.
        generation: i64,
    },
    /// The API server refuses a change to a field that cannot change.
    ImmutableField {
        /// Object.
        object: String,
        /// Field path.
        field: String,
    },
    /// An object with the name we need belongs to someone else.
    ForeignObject {
        /// Kind and name.
        object: String,
    },
    /// The pod template would change although the resource has not: pods are not restarted for that.
    TemplateHeld {
        /// Component.
        component: Component,
        /// Paths of the fields that differ.
        fields: Vec<String>,
        /// What to add to the annotation `starrocks.com/accept-template` to agree.
        accept: String,
    },
    /// An object with the name we need is being deleted.
    ObjectTerminating {
        /// Kind and name.
        object: String,
    },
    /// The API server refuses a request for good: an invalid value, a quota, a missing right, a policy.
    RequestRefused {
        /// The request, for example `apply Service c-fe-service`.
        request: String,
        /// The API server's words.
        words: String,
        /// What a person can do.
        way_out: String,
    },
    /// Something that keeps the compute nodes of a warehouse.
    Warehouse(WarehouseWait),
    /// Something that keeps a changed configuration file from being in force.
    Configuration(ConfigurationWait),
    /// The decision broke a safety rule and was refused: a defect of the operator that its own check caught.
    DecisionRefused {
        /// Rule and finding.
        detail: String,
    },
}
