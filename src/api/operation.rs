//! What the operator is doing to a cluster, as it stands in the status: only what cannot be observed again, and what users read.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lenient::{map_without_nulls, null_is_default};
use super::words::words;

/// The work under way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Operation {
    /// What is being done: Create, Upgrade, Downgrade, Rollout (same release, new pod template) or Scale.
    #[serde(deserialize_with = "null_is_default")]
    pub kind: OperationKind,

    /// Release from which an upgrade or downgrade started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,

    /// Release at which an upgrade or downgrade ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,

    /// Releases to pass through in order; the last one is `to`.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<String>,

    /// Which release of `path` is being rolled out now, counted from 1; 0 when there is no path.
    #[serde(deserialize_with = "null_is_default")]
    pub hop: i32,

    /// Where in the hop the work stands: Preflight, Image, Freeze, Canary, Backends, ComputeNodes, Followers, Leader, Thaw,
    /// Finish; Bootstrap and Join while a cluster is created.
    #[serde(deserialize_with = "null_is_default")]
    pub phase: OperationPhase,

    /// Step that is being done now, counted from 1 over the whole operation.
    #[serde(deserialize_with = "null_is_default")]
    pub step: i32,

    /// Number of steps of the whole operation.
    #[serde(deserialize_with = "null_is_default")]
    pub steps: i32,

    /// What is being done or waited for, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,

    /// When the operation began.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub started_at: Option<String>,

    /// The metadata image that every frontend must hold before the first node of this hop is touched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageMark>,

    /// Frontend settings as they were before the freeze, by name; they are put back at Thaw, also when the operation is
    /// given up. Empty when nothing is frozen.
    #[serde(deserialize_with = "map_without_nulls", skip_serializing_if = "BTreeMap::is_empty")]
    pub saved_settings: BTreeMap<String, String>,

    /// Routine load jobs that ran before the first node of this hop was touched. Those that are paused when the hop ends
    /// are resumed; jobs that were paused before are not listed and stay paused.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub routine_loads: Vec<RoutineLoadMark>,

    /// Nodes whose restart waits for their queries (`drainSeconds`).
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub drains: Vec<DrainMark>,

    /// The leader that was asked to hand its lead over before its restart (ALTER SYSTEM TRANSFER LEADER); absent when none was, and once its pod is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader_transfer: Option<LeaderTransferMark>,

    /// Name of the StarRocksUpgrade that explains this operation and in which it is approved, paused or cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,

    /// Whether the operator turns back by itself, because a node did not come back on its new release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub turn_back: Option<bool>,

    /// Release that was to be reached when the operation was turned back; absent while it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<String>,

    /// Whether the operation began without a change of the resource, so that pod templates that nobody asked for stay held while it lasts; absent
    /// otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holds_templates: Option<bool>,

    /// Since when the first backend on the new release has been healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub canary_since: Option<String>,

    /// Whether the canaries of this hop have been watched, and judged where a verdict is asked for, so that the other nodes follow them; absent while they
    /// have not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary_passed: Option<bool>,
}

words! {
    /// What is being done to the cluster.
    #[derive(Default)]
    open OperationKind {
        /// The cluster comes up for the first time.
        #[default]
        Create,
        /// To a newer release.
        Upgrade,
        /// To an older release.
        Downgrade,
        /// Same release, new pod template.
        Rollout,
        /// Nodes are added or removed.
        Scale,
    }
}

words! {
    /// Where an operation stands. The order is that of an upgrade; a downgrade takes the frontends first.
    #[derive(Default)]
    open OperationPhase {
        /// Conditions for the next hop are checked; nothing has been touched.
        #[default]
        Preflight,
        /// The first frontend comes up with empty metadata.
        Bootstrap,
        /// Further nodes join the first frontend.
        Join,
        /// A metadata image is made and must reach every frontend.
        Image,
        /// Tablet scheduling is switched off, the actual settings having been saved.
        Freeze,
        /// The first backend or compute node is replaced and watched.
        Canary,
        /// The other backends are replaced one by one.
        Backends,
        /// The compute nodes are replaced one by one.
        ComputeNodes,
        /// Frontends other than the leader are replaced one by one.
        Followers,
        /// The leader is replaced.
        Leader,
        /// The saved settings are put back.
        Thaw,
        /// The result is checked and the hop closed.
        Finish,
    }
}

/// A metadata image that was asked for before a hop.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ImageMark {
    /// Journal id of the leader when the mark was set; the image must reach at least this far.
    #[serde(deserialize_with = "null_is_default")]
    pub journal_id: i64,

    /// When the mark was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub marked_at: Option<String>,

    /// When the image was first asked for; asking is repeated after a while without result.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub requested_at: Option<String>,
}

/// A routine load job that is to run again after a hop.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct RoutineLoadMark {
    /// Database of the job.
    #[serde(deserialize_with = "null_is_default")]
    pub database: String,

    /// Name of the job.
    #[serde(deserialize_with = "null_is_default")]
    pub name: String,

    /// How often RESUME ROUTINE LOAD was sent for it in this hop.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "is_zero")]
    pub resumes: i32,

    /// When it was last sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub resumed_at: Option<String>,
}

/// A node whose restart waits for the queries that run on it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct DrainMark {
    /// Pod of the node.
    #[serde(deserialize_with = "null_is_default")]
    pub pod: String,

    /// UID of the pod.
    #[serde(deserialize_with = "null_is_default")]
    pub uid: String,

    /// Since when its restart has been due.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub since: Option<String>,
}

/// A leader that was asked to hand its lead over before its restart.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct LeaderTransferMark {
    /// Pod of the leader.
    #[serde(deserialize_with = "null_is_default")]
    pub pod: String,

    /// UID of the pod.
    #[serde(deserialize_with = "null_is_default")]
    pub uid: String,

    /// Pod of the follower that was to lead.
    #[serde(deserialize_with = "null_is_default")]
    pub to: String,

    /// How often it was asked; after the second time in vain it is restarted as it is.
    #[serde(deserialize_with = "null_is_default")]
    pub attempts: i32,

    /// When it was last asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub requested_at: Option<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &i32) -> bool {
    *number == 0
}

/// Something that keeps the operator from going on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Blocked {
    /// Pod that is concerned; absent when it is the cluster as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,

    /// Stable code of the reason, such as SR-2106; the documentation lists them with the way out.
    #[serde(deserialize_with = "null_is_default")]
    pub code: String,

    /// What is waited for, and what you can do.
    #[serde(deserialize_with = "null_is_default")]
    pub message: String,

    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub since: Option<String>,
}

/// A way that was given up, and is not taken again before the resource changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct DeclinedUpgrade {
    /// Release that was to be reached.
    #[serde(deserialize_with = "null_is_default")]
    pub to: String,

    /// Generation of the resource that asked for it.
    #[serde(deserialize_with = "null_is_default")]
    pub generation: i64,

    /// How it ended: Stopped or RolledBack.
    #[serde(deserialize_with = "null_is_default")]
    pub outcome: DeclinedOutcome,

    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub at: Option<String>,
}

words! {
    /// How a way that was given up ended.
    #[derive(Default)]
    open DeclinedOutcome {
        /// Where it stood, at the end of a hop.
        #[default]
        Stopped,
        /// On the release from which it started, or the last one to which a way back is known.
        RolledBack,
    }
}

/// The last upgrade or downgrade that came to its end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct LastUpgrade {
    /// Release before it.
    #[serde(deserialize_with = "null_is_default")]
    pub from: String,

    /// Release after it.
    #[serde(deserialize_with = "null_is_default")]
    pub to: String,

    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub finished_at: Option<String>,
}
