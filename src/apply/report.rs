//! What a pass has written and sent, and what it failed to: data for the caches to catch up with, for metrics and for the demo.

use std::collections::BTreeMap;

use crate::model::{ObjectKey, ObjectKind, Request, Statement, Step};
use crate::starrocks::SqlError;

/// How something was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Server-side apply.
    Apply,
    /// Merge patch of an object's books, before its first apply.
    Patch,
    /// Delete.
    Delete,
    /// Merge patch of the status.
    PatchStatus,
    /// Merge patch of the finalizers.
    PatchFinalizers,
    /// Creation of an event.
    Create,
}

impl Verb {
    /// The verb for labels.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::PatchStatus => "patch_status",
            Self::PatchFinalizers => "patch_finalizers",
            Self::Create => "create",
        }
    }
}

/// An object that was written: a cache that has not reached the revision is older than our own act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Kind; `None` for the resource itself.
    pub kind: Option<ObjectKind>,
    /// Name.
    pub name: String,
    /// `metadata.resourceVersion` after the write.
    pub resource_version: String,
}

/// An object or pod that was told to go: a cache that still shows it alive is older than our own act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gone {
    /// Kind; `None` for a pod.
    pub kind: Option<ObjectKind>,
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
}

/// What a pass did.
#[derive(Debug, Default)]
pub struct Report {
    /// Requests that write, by verb and kind.
    pub writes: BTreeMap<(Verb, &'static str), u64>,
    /// Statements sent, by kind.
    pub statements: BTreeMap<&'static str, u64>,
    /// What the caches must catch up with before the next pass.
    pub written: Vec<Written>,
    /// What the caches must see vanish before the next pass.
    pub gone: Vec<Gone>,
    /// Statements that reached some frontends only; the next pass reads what is in force.
    pub partial: Vec<String>,
    /// Steps that failed.
    pub failures: Vec<StepFailure>,
    /// Steps held back because an earlier one failed.
    pub held_back: usize,
}

impl Report {
    /// All requests that write and all statements.
    pub fn acts(&self) -> u64 {
        self.writes.values().chain(self.statements.values()).sum()
    }

    pub(super) fn count(&mut self, verb: Verb, kind: &'static str) {
        *self.writes.entry((verb, kind)).or_default() += 1;
    }
}

/// A step that failed.
#[derive(Debug)]
pub struct StepFailure {
    /// The step.
    pub step: Step,
    /// Why.
    pub error: StepError,
}

impl StepFailure {
    /// The step in a few words.
    pub fn name(&self) -> String {
        match (&self.step, Request::of(&self.step)) {
            (Step::Execute { frontend, statement }, _) => format!("{statement} on {frontend}"),
            (_, request) => request.map(|request| request.to_string()).unwrap_or_default(),
        }
    }

    /// Whether it belongs to the ordinary life of a cluster: a frontend that restarts, an election. What does not pass is told by the status.
    pub const fn is_expected(&self) -> bool {
        matches!(
            self.error,
            StepError::NamespaceTerminating
                | StepError::NoAddress(_)
                | StepError::StarRocks(SqlError::Refused | SqlError::TimedOut | SqlError::Election { .. })
        )
    }

    /// The reason in one word and the words of the API server, or of StarRocks where a user's value is at fault or a leader keeps its lead, if asking for the same again at
    /// once is in vain. Conflicts, overload and expired credentials pass by themselves.
    pub fn refusal(&self) -> Option<(String, String)> {
        match (&self.error, &self.step) {
            (StepError::Kubernetes(error), _) => match &**error {
                kube::Error::Api(status) if matches!(status.code, 400 | 403 | 404 | 405 | 413 | 415 | 422) => {
                    Some((status.reason.clone(), status.message.clone()))
                }
                _ => None,
            },
            (StepError::StarRocks(error @ (SqlError::Server { .. } | SqlError::Denied { .. })), Step::Execute { statement, .. })
                if statement.is_configuration() || matches!(statement, Statement::TransferLeader { .. }) =>
            {
                Some(("Refused".to_owned(), error.to_string()))
            }
            _ => None,
        }
    }
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The API server refused or failed.
    #[error(transparent)]
    Kubernetes(Box<kube::Error>),
    /// The API server did not answer in time; the write may have happened.
    #[error("the API server did not answer in time")]
    TimedOut,
    /// The namespace is being deleted, and the resource with it.
    #[error("the namespace is being deleted")]
    NamespaceTerminating,
    /// An object of that name exists and belongs to somebody else.
    #[error("{} {} exists and does not belong to this cluster", .0.kind.name(), .0.name)]
    Foreign(ObjectKey),
    /// The frontend's pod has no address.
    #[error("{0} has no address")]
    NoAddress(String),
    /// There is no login.
    #[error("{0}")]
    NoLogin(String),
    /// StarRocks refused or did not answer.
    #[error(transparent)]
    StarRocks(#[from] SqlError),
}

impl StepError {
    pub(super) fn of(error: kube::Error) -> Self {
        let causes = match &error {
            kube::Error::Api(status) => status.details.as_ref().map(|details| details.causes.as_slice()),
            _ => None,
        };
        if causes.into_iter().flatten().any(|cause| cause.reason == "NamespaceTerminating") {
            return Self::NamespaceTerminating;
        }
        Self::Kubernetes(Box::new(error))
    }
}

/// Why nothing was done: the status could not be written first.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Somebody changed the resource meanwhile; look again.
    #[error("the resource changed while its status was being decided")]
    Conflict,
    /// The resource is gone.
    #[error("the resource is gone")]
    Gone,
    /// The API server refused or failed.
    #[error("writing the status: {0}")]
    Status(Box<kube::Error>),
    /// The API server did not answer in time.
    #[error("writing the status: no answer in time")]
    TimedOut,
}
