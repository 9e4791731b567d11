//! The status of a resource whose specification cannot be used: field, rule and way out; the memory of what is under way stays.

use super::components::FAILED;
use super::conditions;
use crate::api::{Operation, OperationKind, StarRocksClusterStatus};
use crate::model::Timestamp;

/// One reason why a specification was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Stable code of the rule.
    pub code: String,
    /// Path of the field.
    pub field: String,
    /// The rule that it breaks.
    pub rule: String,
    /// What to write instead.
    pub way_out: String,
}

/// The status for a refused specification. Nothing is done to the cluster meanwhile.
pub fn refuse(former: &StarRocksClusterStatus, generation: i64, now: Timestamp, faults: &[Rejection]) -> StarRocksClusterStatus {
    let lines: Vec<String> =
        faults.iter().map(|fault| format!("{}: {} ({}). {}", fault.field, fault.rule, fault.code, fault.way_out)).collect();
    let message = if lines.is_empty() { "the specification was refused".to_owned() } else { lines.join("; ") };
    // A specification may become usable without a new generation (a missing ConfigMap appears); it is still the user's wish then.
    let changed = former.observed_generation.is_some_and(|seen| seen != generation);
    let pending = changed.then(|| Operation { kind: OperationKind::Rollout, ..Operation::default() });
    StarRocksClusterStatus {
        phase: FAILED.to_owned(),
        reason: Some(message.clone()),
        observed_generation: Some(generation),
        conditions: conditions::of_refusal(&message, generation, now, former),
        operation: former.operation.clone().or(pending),
        ..former.clone()
    }
}
