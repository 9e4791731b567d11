//! What a question to the outside world came back with: known, not asked, or failed; an unanswered question is never an answer.

use serde::{Deserialize, Serialize};

/// The outcome of a question. Nothing here turns "unknown" into a value: callers must say what unknown means for them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer<T> {
    /// The answer.
    Known(T),
    /// The question was not asked in this pass because nothing depended on it.
    #[default]
    NotAsked,
    /// The question was asked and not answered.
    Failed(Silence),
}

/// Why a question was not answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// The kind of failure, for decisions.
    pub kind: SilenceKind,
    /// The words of the peer or of the network, for people.
    pub message: String,
}

/// Kinds of failure, as far as a decision depends on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SilenceKind {
    /// Nobody listens at the address.
    Refused,
    /// No answer within the deadline.
    TimedOut,
    /// The frontend group is electing a leader or lost its majority.
    Election,
    /// The password or the privileges do not suffice.
    Denied,
    /// No backend is alive and the question needs one.
    NoBackend,
    /// The statement was refused for another reason.
    Rejected,
    /// The answer could not be understood.
    Unreadable,
}

impl<T> Answer<T> {
    /// The value, when there is one.
    pub const fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::NotAsked | Self::Failed(_) => None,
        }
    }

    /// Why there is no value, when the question was asked in vain.
    pub const fn silence(&self) -> Option<&Silence> {
        match self {
            Self::Failed(silence) => Some(silence),
            Self::Known(_) | Self::NotAsked => None,
        }
    }
}

impl<T> From<Result<T, Silence>> for Answer<T> {
    fn from(result: Result<T, Silence>) -> Self {
        match result {
            Ok(value) => Self::Known(value),
            Err(silence) => Self::Failed(silence),
        }
    }
}
