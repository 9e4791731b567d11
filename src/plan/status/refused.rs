//! The status of a resource whose specification cannot be used: field, rule and way out; the memory of what is under way stays.

use super::components::{FAILED, RECONCILING};
use super::conditions;
use crate::api::{Operation, OperationKind, ResourceChange, StarRocksClusterStatus};
use crate::model::{Timestamp, WaitingOn, spec_change};

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
pub fn refuse(former: &StarRocksClusterStatus, asked: &ResourceChange, now: Timestamp, faults: &[Rejection]) -> StarRocksClusterStatus {
    let lines: Vec<String> =
        faults.iter().map(|fault| format!("{}: {} ({}). {}", fault.field, fault.rule, fault.code, fault.way_out)).collect();
    let message = if lines.is_empty() { "the specification was refused".to_owned() } else { lines.join("; ") };
    // A specification may become usable without a new generation (a missing ConfigMap appears); it is still the user's wish then.
    StarRocksClusterStatus {
        phase: FAILED.to_owned(),
        reason: Some(message.clone()),
        observed_generation: Some(asked.generation),
        last_change: noted(former, asked),
        conditions: conditions::of_refusal(&message, asked.generation, now, former),
        operation: former.operation.clone().or(pending(former, asked)),
        ..former.clone()
    }
}

/// The status of a resource that waits for something outside itself. What it reported before stays.
pub(in super::super) fn awaiting(
    former: &StarRocksClusterStatus,
    asked: &ResourceChange,
    now: Timestamp,
    wait: &WaitingOn,
) -> StarRocksClusterStatus {
    let phase = if wait.needs_a_person() { FAILED } else { RECONCILING };
    StarRocksClusterStatus {
        phase: phase.to_owned(),
        reason: Some(wait.to_string()),
        observed_generation: Some(asked.generation),
        last_change: noted(former, asked),
        conditions: conditions::of_wait(wait, asked.generation, now, former),
        operation: former.operation.clone().or(pending(former, asked)),
        blocked: super::blocked(std::slice::from_ref(wait), &former.blocked, now),
        ..former.clone()
    }
}

/// The last change as it is to be remembered.
fn noted(former: &StarRocksClusterStatus, asked: &ResourceChange) -> Option<ResourceChange> {
    let due = former.last_change.is_some() || former.observed_generation != Some(asked.generation);
    due.then(|| spec_change::last_change(asked, former))
}

/// The user's wish that is not acted upon yet.
fn pending(former: &StarRocksClusterStatus, asked: &ResourceChange) -> Option<Operation> {
    let changed = former.observed_generation.is_some() && spec_change::is_new(asked, former);
    changed.then(|| Operation { kind: OperationKind::Rollout, ..Operation::default() })
}
