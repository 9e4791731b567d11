//! The kind StarRocksUpgrade: one walk of a cluster from a release to another; its identity, what users may say to it, and its status. Never decides.
//!
//! The operator makes it when what runs differs from what is asked for, as OLM makes an InstallPlan. Its memory is not here but in the
//! cluster's `status.operation`: losing this object loses an explanation and the words of users, never the way back.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lenient::null_is_default;
use super::operation::Blocked;
use super::status::Condition;
use super::words::words;

/// What this walk is about, and what you say to it.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "starrocks.com",
    version = "v1beta1",
    kind = "StarRocksUpgrade",
    plural = "starrocksupgrades",
    singular = "starrocksupgrade",
    shortname = "srup",
    namespaced,
    status = "StarRocksUpgradeStatus",
    derive = "Default",
    derive = "PartialEq",
    attr = "cfg_attr(all(), serde(default))",
    doc = "StarRocksUpgrade is one upgrade or downgrade of a StarRocksCluster, made by the operator when the release that runs differs from the one \
           that is asked for. Its status shows the way, what is checked, every step and what it waits for; in its spec you approve, pause or cancel it. \
           Deleting it loses the explanation and what you said; the upgrade goes on and the operator makes the object again.",
    printcolumn(name = "Cluster", json_path = ".spec.cluster", type_ = "string"),
    printcolumn(name = "From", json_path = ".spec.from", type_ = "string"),
    printcolumn(name = "To", json_path = ".spec.to", type_ = "string"),
    printcolumn(name = "Phase", json_path = ".status.phase", type_ = "string"),
    printcolumn(name = "Progress", json_path = ".status.progress", type_ = "string"),
    printcolumn(name = "Ends", json_path = ".status.endsAt", type_ = "string"),
    printcolumn(name = "Blocked-By", json_path = ".status.blockedBy", type_ = "string"),
    printcolumn(name = "Age", json_path = ".metadata.creationTimestamp", type_ = "date")
)]
#[serde(default, rename_all = "camelCase")]
// Each printer column has its own `type_`; the lint takes them for one attribute.
#[allow(clippy::duplicated_attributes)]
pub struct StarRocksUpgradeSpec {
    /// Name of the StarRocksCluster, in the same namespace. Set by the operator; it cannot be changed.
    #[serde(deserialize_with = "null_is_default")]
    #[schemars(length(max = 253), extend("x-kubernetes-validations" = [{"rule": "self == oldSelf", "message": "cluster cannot be changed"}]))]
    pub cluster: String,

    /// Release that ran when the walk began. Set by the operator; it cannot be changed.
    #[serde(deserialize_with = "null_is_default")]
    #[schemars(length(max = 64), extend("x-kubernetes-validations" = [{"rule": "self == oldSelf", "message": "from cannot be changed"}]))]
    pub from: String,

    /// Release at which the walk ends. Set by the operator; it cannot be changed, ask for another release in the cluster instead.
    #[serde(deserialize_with = "null_is_default")]
    #[schemars(length(max = 64), extend("x-kubernetes-validations" = [
        {"rule": "self == oldSelf", "message": "to cannot be changed; ask for another release in spec.version of the cluster"}
    ]))]
    pub to: String,

    /// Whether everything that this walk needs approval for is approved. Default false. Only asked for when
    /// `upgradePolicy.approval` of the cluster says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approved: Option<bool>,

    /// Parts that are approved: a release of `status.path` such as `3.4.10`, or one component on its way there, such as
    /// `3.4.10/Frontends`, `3.4.10/Backends` or `3.4.10/ComputeNodes`. `status.approvalsNeeded` lists what is asked for now. Default none.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"), length(max = 64), inner(length(max = 96)))]
    pub approvals: Vec<String>,

    /// Holds the walk before its next node; the node at work is brought back first. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,

    /// Gives the walk up. StopHere: no further hop is begun; one that was begun is finished, because a cluster must not stay on two
    /// releases. RollBack: goes back to `status.rollbackTo`. The cluster then keeps what it runs until its resource changes. Default:
    /// the walk goes on. Once the operator has turned back, taking this out again
    /// changes nothing: let it end, then ask for the release again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancel: Option<Cancel>,
}

words! {
    /// How a walk is given up.
    closed Cancel {
        /// No further hop is begun.
        StopHere,
        /// Back to the release that `status.rollbackTo` names.
        RollBack,
    }
}

words! {
    /// Where a walk stands as a whole.
    #[derive(Default)]
    open UpgradePhase {
        /// What must hold before the next hop is checked, and something does not.
        #[default]
        Preflight,
        /// Everything holds but your approval.
        AwaitingApproval,
        /// Everything holds but the time: the next hop begins in a maintenance window.
        AwaitingWindow,
        /// A metadata image is made and settings are frozen; no node has been touched in this hop.
        Preparing,
        /// The first node on the new release is replaced and watched.
        Canary,
        /// The other nodes follow.
        Rolling,
        /// Settings are put back and the result is checked.
        Verifying,
        /// You hold it.
        Paused,
        /// A node does not come back or a check fails although the hop has begun.
        Blocked,
        /// On the way back.
        RollingBack,
        /// Every node runs the release asked for.
        Succeeded,
        /// Every node runs what it ran before.
        RolledBack,
        /// Given up before its end.
        Cancelled,
    }
}

/// What the operator reports about a walk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct StarRocksUpgradeStatus {
    /// Where the walk stands: Preflight, AwaitingApproval, AwaitingWindow, Preparing, Canary, Rolling, Verifying, Paused, Blocked,
    /// RollingBack; at its end Succeeded, RolledBack or Cancelled.
    #[serde(deserialize_with = "null_is_default")]
    pub phase: UpgradePhase,

    /// Steps done and steps in all, such as 7/12.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<String>,

    /// What is being done or waited for, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,

    /// Codes of what the walk waits for, most important first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked_by: Option<String>,

    /// When the walk will probably end, from the pace of the nodes so far; absent until one node has been replaced, and while it is held.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub ends_at: Option<String>,

    /// Seconds that a node took so far, from the order to restart it until everything was healthy again; the mean.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_per_node: Option<i64>,

    /// Releases to pass through, in order.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<UpgradeHop>,

    /// Where RollBack leads from here; absent when the release table knows no way back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback_to: Option<String>,

    /// From which step on there is no way back to `spec.from`, and why; absent while there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub point_of_no_return: Option<String>,

    /// What is approved by adding it to `spec.approvals`, or all at once by `spec.approved: true`.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub approvals_needed: Vec<String>,

    /// What must hold before the next hop begins, one entry for each thing that is looked at.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub checks: Vec<UpgradeCheck>,

    /// The steps of the walk, numbered as in `status.operation` of the cluster and by `starrocks-operator plan`.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["number"]))]
    pub steps: Vec<UpgradeStep>,

    /// Who waits for what.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<Blocked>,

    /// What happened, oldest first; the last hundred entries.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<UpgradeEvent>,

    /// When the walk began.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub started_at: Option<String>,

    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub finished_at: Option<String>,

    /// Generation of the spec that this status answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// PreflightPassed, Approved and Complete.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// One hop of the way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct UpgradeHop {
    /// Release before it.
    #[serde(deserialize_with = "null_is_default")]
    pub from: String,

    /// Release after it.
    #[serde(deserialize_with = "null_is_default")]
    pub to: String,

    /// Done, Doing or Ahead.
    #[serde(deserialize_with = "null_is_default")]
    pub state: StepState,

    /// What the hop brings with it, each with its code.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Something that is looked at before a hop.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct UpgradeCheck {
    /// What is looked at, such as TabletsHealthy.
    #[serde(deserialize_with = "null_is_default")]
    pub name: String,

    /// Pass; Block: the hop does not begin; Warn: it begins, and you should know; Unknown: nobody answered, which blocks as well.
    #[serde(deserialize_with = "null_is_default")]
    pub result: CheckResult,

    /// Stable code of what was found; the documentation lists it with the way out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,

    /// What was found, and what you can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

words! {
    /// How a check came out.
    #[derive(Default)]
    open CheckResult {
        /// Nobody answered.
        #[default]
        Unknown,
        /// As it should be.
        Pass,
        /// The hop begins; somebody should know.
        Warn,
        /// The hop does not begin.
        Block,
    }
}

/// One step of the walk.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct UpgradeStep {
    /// Number, from 1 over the whole walk.
    #[serde(deserialize_with = "null_is_default")]
    pub number: i32,

    /// Hop that it belongs to, from 1.
    #[serde(deserialize_with = "null_is_default")]
    pub hop: i32,

    /// What is done.
    #[serde(deserialize_with = "null_is_default")]
    pub action: String,

    /// Done, Doing or Ahead.
    #[serde(deserialize_with = "null_is_default")]
    pub state: StepState,

    /// When it was begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub started_at: Option<String>,

    /// When it was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub finished_at: Option<String>,
}

words! {
    /// How far something is.
    #[derive(Default)]
    open StepState {
        /// Not begun.
        #[default]
        Ahead,
        /// Begun.
        Doing,
        /// Over.
        Done,
    }
}

/// Something that happened on the way.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct UpgradeEvent {
    /// When.
    #[serde(deserialize_with = "null_is_default")]
    #[schemars(extend("format" = "date-time"))]
    pub at: String,

    /// One CamelCase word for programs.
    #[serde(deserialize_with = "null_is_default")]
    pub reason: String,

    /// What, in a sentence.
    #[serde(deserialize_with = "null_is_default")]
    pub message: String,
}
