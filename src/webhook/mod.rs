//! The optional validating webhook: AdmissionReviews in, refusals of what `validate` would refuse and warnings of what would restart out; changes nothing.
//!
//! Nothing rests on it. It answers from the request and from what this process knows of releases, asks nobody, and where it knows too little it warns and
//! does not refuse. What must hold without it is CEL in the definitions, and `validate` judges every resource again.

mod catalog;
mod certificate;
mod cluster;
mod judge;
mod review;
mod server;
mod upgrade;
mod warehouse;
mod warnings;

#[cfg(test)]
mod tests;

pub use server::{Endpoint, PATH, serve};

use std::sync::Arc;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::model::cluster::Conventions;
use crate::release::Catalog;

/// How a request was answered, for counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Allowed, with nothing to say.
    Allowed,
    /// Allowed, with warnings.
    Warned,
    /// Refused, with fields, rules and ways out.
    Refused,
    /// No AdmissionReview that can be answered.
    Malformed,
    /// A defect of the operator; the API server goes on without an answer.
    Failed,
}

impl Outcome {
    /// The word that counts.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Warned => "warned",
            Self::Refused => "refused",
            Self::Malformed => "malformed",
            Self::Failed => "failed",
        }
    }
}

/// Who counts the requests: kind and outcome of each.
pub type Count = Arc<dyn Fn(&'static str, Outcome) + Send + Sync>;

/// Which namespaces are served.
pub type Serves = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// What requests are judged by.
#[derive(Clone)]
pub struct Webhook {
    /// What shapes objects, as the operator itself is told.
    pub conventions: Conventions,
    /// The namespaces whose objects are judged: those that the operator serves. Another operator may serve the others, and take what this one would not.
    pub serves: Serves,
    /// What is known of releases. While it is incomplete, as in a process that does not lead, what rests on it is warned of and not refused.
    pub releases: watch::Receiver<Arc<Catalog>>,
    /// Where `now` comes from, for maintenance windows.
    pub clock: Clock,
    /// Who counts.
    pub count: Count,
}
