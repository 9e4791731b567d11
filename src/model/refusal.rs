//! Requests that the API server, or StarRocks, refused for good: remembered between passes, so that a decision tells them and does not repeat them at once.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::component::APPLIED_ANNOTATION;
use super::configuration::digest;
use super::{ObjectKey, Statement, Step, Timestamp};

/// What was asked of the API server.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Request {
    /// Server-side apply of an object.
    Apply(ObjectKey),
    /// Deletion of an object.
    Delete(ObjectKey),
    /// Deletion of a pod, so that it is made anew.
    RestartPod(String),
    /// A pod that has an image pulled.
    PullImage(String),
    /// A finalizer put on the resource.
    Hold,
    /// A finalizer taken off an object, or off the resource.
    LetGo(Option<ObjectKey>),
    /// A key of the configuration set in running nodes, as a statement without its secrets; asked of StarRocks.
    Configure(String),
    /// The lead handed over to another frontend, as a statement; asked of StarRocks.
    TransferLeader(String),
}

impl Request {
    /// The request that a step makes; `None` for statements, which Kubernetes does not see, other than those that set what a user wrote and those that hand the
    /// lead over; and for what explains and is no part of the work.
    pub fn of(step: &Step) -> Option<Self> {
        match step {
            Step::Apply(object) => Some(Self::Apply(object.key())),
            Step::Delete { object, .. } => Some(Self::Delete(object.clone())),
            Step::RestartPod { pod, .. } => Some(Self::RestartPod(pod.clone())),
            Step::PullImage(pod) => Some(Self::PullImage(pod.metadata.name.clone().unwrap_or_default())),
            Step::Hold => Some(Self::Hold),
            Step::LetGo { object } => Some(Self::LetGo(object.clone())),
            Step::Execute { statement, .. } if statement.is_configuration() => Some(Self::Configure(statement.to_string())),
            Step::Execute { statement: statement @ Statement::TransferLeader { .. }, .. } => {
                Some(Self::TransferLeader(statement.to_string()))
            }
            Step::Execute { .. } | Step::Record(_) | Step::EndPull { .. } => None,
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Apply(object) => write!(out, "apply {} {}", object.kind.name(), object.name),
            Self::Delete(object) => write!(out, "delete {} {}", object.kind.name(), object.name),
            Self::RestartPod(pod) => write!(out, "delete Pod {pod}"),
            Self::PullImage(pod) => write!(out, "create Pod {pod}, which has an image pulled (spec.upgradePolicy.prePullImages)"),
            Self::Hold => out.write_str("put a finalizer on the resource"),
            Self::LetGo(Some(object)) => write!(out, "take the finalizer off {} {}", object.kind.name(), object.name),
            Self::Configure(statement) | Self::TransferLeader(statement) => out.write_str(statement),
            Self::LetGo(None) => out.write_str("take the finalizer off the resource"),
        }
    }
}

/// A request that was refused for a reason that does not pass by itself: an invalid value, a missing right, a quota, a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// What was asked.
    pub request: Request,
    /// What it carried: the hash of the object, or the UID of what was to go. Another content is another request.
    pub content: String,
    /// The API server's reason in one word, for example `Invalid` or `Forbidden`.
    pub reason: String,
    /// The API server's words; they name the field where one is at fault.
    pub words: String,
    /// How often it was refused in a row.
    pub refusals: u32,
    /// Not to be asked again before this moment.
    pub again: Timestamp,
}

impl Refusal {
    /// Whether a step would ask for the same once more.
    pub fn meets(&self, step: &Step) -> bool {
        Request::of(step).as_ref() == Some(&self.request) && content(step) == self.content
    }
}

/// What a step's request carries, short.
pub fn content(step: &Step) -> String {
    match step {
        Step::Apply(object) => object.annotation(APPLIED_ANNOTATION).unwrap_or_default().to_owned(),
        Step::Delete { uid, .. } | Step::RestartPod { uid, .. } => uid.clone(),
        Step::Execute { statement, .. } if statement.is_configuration() => digest(&statement.sql()),
        Step::Hold | Step::LetGo { .. } | Step::Execute { .. } | Step::Record(_) | Step::PullImage(_) | Step::EndPull { .. } => {
            String::new()
        }
    }
}
