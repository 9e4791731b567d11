//! How passes end: their errors with categories, what is told in metrics and logs, and the status of resources that cannot be acted on.

use super::context::Context;
use super::resources::{Kind, Resource, Unreadable};
use super::subject::Subject;
use crate::api::StarRocksClusterStatus;
use crate::apply::{ApplyError, Report, StepError};
use crate::model::{Decision, Timestamp};
use crate::observe::LookupError;
use crate::plan::{self, Rejection};
use crate::telemetry::Category;
use crate::validate::{FieldFault, Rule};

/// Why a pass failed; it is tried again with a growing delay.
#[derive(Debug, thiserror::Error)]
pub(super) enum PassError {
    /// Something that the resource names could not be read.
    #[error(transparent)]
    Lookup(#[from] LookupError),
    /// The status could not be written, so nothing was done.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// Steps failed.
    #[error("{failed} steps failed, {held_back} were held back")]
    Steps {
        /// Failed.
        failed: usize,
        /// Not tried because of that.
        held_back: usize,
        /// Whether every failure belongs to the ordinary life of a cluster.
        expected: bool,
    },
    /// A defect: the pass panicked.
    #[error("the pass panicked: {0}")]
    Panic(String),
}

impl PassError {
    /// Whether nobody needs to hear of it: it is tried again, and what lasts is told by the status.
    pub(super) const fn is_expected(&self) -> bool {
        matches!(self, Self::Steps { expected: true, .. })
    }

    /// The category under which it is counted; steps are counted one by one.
    pub(super) fn category(&self) -> Option<Category> {
        match self {
            Self::Lookup(LookupError::Refused { source, .. }) => Some(category_of(source)),
            Self::Lookup(LookupError::TimedOut { .. }) | Self::Apply(ApplyError::TimedOut) => Some(Category::Timeout),
            Self::Apply(ApplyError::Conflict | ApplyError::Gone) => Some(Category::Conflict),
            Self::Apply(ApplyError::Status(error)) => Some(category_of(error)),
            Self::Steps { .. } => None,
            Self::Panic(_) => Some(Category::Panic),
        }
    }
}

fn category_of(error: &kube::Error) -> Category {
    match error {
        kube::Error::Api(status) if status.is_forbidden() => Category::Forbidden,
        kube::Error::Api(status) if status.is_invalid() || status.code == 400 => Category::Invalid,
        kube::Error::Api(status) if status.is_conflict() => Category::Conflict,
        _ => Category::Kubernetes,
    }
}

fn category_of_step(error: &StepError) -> Category {
    match error {
        StepError::Kubernetes(error) => category_of(error),
        StepError::TimedOut => Category::Timeout,
        StepError::NamespaceTerminating => Category::Forbidden,
        StepError::Foreign(_) => Category::ForeignObject,
        StepError::NoAddress(_) | StepError::NoLogin(_) | StepError::StarRocks(_) => Category::StarRocks,
    }
}

/// Tells what was decided: what is waited for, and refusals of the safety check, which are defects.
pub(super) fn tell(context: &Context, subject: &Subject, decision: &Decision, violations: impl Iterator<Item = String>) {
    let metrics = &context.telemetry.metrics;
    metrics.waiting(&subject.to_string(), decision.waiting_on.iter().map(|waiting| waiting.code().to_owned()));
    for violation in violations {
        metrics.refusal();
        tracing::error!(cluster = %subject, violation, "the safety check refused a decision");
    }
    for waiting in &decision.waiting_on {
        tracing::debug!(cluster = %subject, code = waiting.code(), "{waiting}");
    }
}

/// Counts and logs what was done.
pub(super) fn count(context: &Context, subject: &Subject, report: &Report) {
    let metrics = &context.telemetry.metrics;
    for ((verb, kind), count) in &report.writes {
        metrics.writes(verb.name(), kind, *count);
    }
    for (kind, count) in &report.statements {
        metrics.statements(kind, *count);
    }
    for partial in &report.partial {
        tracing::info!(cluster = %subject, "a setting reached some frontends only: {partial}");
    }
    for failure in &report.failures {
        metrics.error(category_of_step(&failure.error));
        if failure.is_expected() {
            tracing::info!(cluster = %subject, step = failure.name(), error = %failure.error, "a step waits for StarRocks");
        } else {
            tracing::warn!(cluster = %subject, step = failure.name(), error = %failure.error, "a step failed");
        }
    }
    if report.acts() > 0 {
        tracing::info!(cluster = %subject, writes = ?report.writes, statements = ?report.statements, "acted");
    }
}

/// The status of a resource that cannot be read.
pub(super) fn unreadable<K: Kind>(resource: &Resource<K>, error: &Unreadable, now: Timestamp) -> StarRocksClusterStatus {
    let rejection = Rejection {
        code: "SR-3000".to_owned(),
        field: error.field.clone(),
        rule: format!("the resource cannot be read: {}", error.error),
        way_out: "Correct the field; with the current CustomResourceDefinition installed, the API server refuses it at once".to_owned(),
    };
    plan::refuse(&resource.status, &resource.asked(), now, &[rejection])
}

/// The status of a resource that breaks rules. One that declares nothing breaks none that matters: there is nothing to do.
pub(super) fn rejected<K: Kind>(resource: &Resource<K>, faults: &[FieldFault], now: Timestamp) -> StarRocksClusterStatus {
    if let [fault] = faults
        && fault.code == Rule::NothingDeclared.code()
    {
        return StarRocksClusterStatus {
            phase: "running".to_owned(),
            reason: None,
            observed_generation: Some(resource.generation),
            ..resource.status.clone()
        };
    }
    let rejections: Vec<Rejection> = faults
        .iter()
        .map(|fault| Rejection {
            code: fault.code.to_owned(),
            field: fault.field.clone(),
            rule: fault.rule.clone(),
            way_out: fault.way_out.clone(),
        })
        .collect();
    plan::refuse(&resource.status, &resource.asked(), now, &rejections)
}
