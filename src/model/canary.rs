//! The canaries of a release: how many there are, what has to be true of them, what was answered, and when it is asked; no judgement.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::cluster::Policy;
use super::{Amount, Answer, Timestamp};
use crate::api::{Operation, OperationKind, OperationPhase};

/// What `upgradePolicy.canary` asks for, defaults applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canary {
    /// Backends, or compute nodes where data is shared, that go first; at least one.
    pub nodes: u32,
    /// A single SELECT whose first cell has to be true.
    pub sql: Option<String>,
    /// Bounds for metrics of each canary.
    pub metrics: Vec<MetricBound>,
}

/// A bound for the samples of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricBound {
    /// Metric.
    pub name: String,
    /// Labels that a sample must have.
    pub labels: BTreeMap<String, String>,
    /// No sample may be higher.
    pub max: Option<Amount>,
    /// No sample may be lower.
    pub min: Option<Amount>,
}

/// What came of the questions about the canaries; asked only while a verdict is due.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CanaryReport {
    /// The first cell of the SELECT; `None` for SQL NULL and for no row.
    #[serde(default)]
    pub sql: Answer<Option<String>>,
    /// By pod: for each bound in its order the values of its samples, as the node printed them.
    #[serde(default)]
    pub metrics: BTreeMap<String, Answer<Vec<Vec<String>>>>,
}

impl Canary {
    /// Whether anything is asked about the canaries.
    pub const fn has_verdict(&self) -> bool {
        self.sql.is_some() || !self.metrics.is_empty()
    }
}

impl CanaryReport {
    /// Whether nothing was asked.
    pub fn is_empty(&self) -> bool {
        self.sql == Answer::NotAsked && self.metrics.is_empty()
    }
}

/// Whether the canaries of an upgrade have been watched for long enough to be judged now: until a node is let follow them. A way back is not judged.
pub fn is_verdict_due(policy: &Policy, operation: &Operation, now: Timestamp) -> bool {
    let watched_since = operation.canary_since.as_deref().and_then(Timestamp::parse);
    policy.canary.as_ref().is_some_and(Canary::has_verdict)
        && operation.kind == OperationKind::Upgrade
        && operation.canary_passed != Some(true)
        && matches!(operation.phase, OperationPhase::Canary | OperationPhase::Backends | OperationPhase::ComputeNodes)
        && operation.instead_of.is_none()
        && operation.turn_back != Some(true)
        && watched_since.is_some_and(|since| since + policy.canary_soak <= now)
}
