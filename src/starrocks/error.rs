//! Why StarRocks did not answer, told apart by code and text as real frontends write them. Never retries.

use crate::model::{Silence, SilenceKind};

/// Why a statement has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SqlError {
    /// Nobody listens, or the connection broke.
    #[error("connection refused")]
    Refused,
    /// No connection or no answer in time; the statement may still run.
    #[error("no answer in time")]
    TimedOut,
    /// The group has no leader, or the frontend asked cannot reach it: ask another one, or later.
    #[error("no leader can be reached: {text}")]
    Election {
        /// The frontend's words.
        text: String,
    },
    /// Wrong password or missing privilege.
    #[error("{text} ({code})")]
    Denied {
        /// MySQL error code.
        code: u16,
        /// The frontend's words.
        text: String,
    },
    /// The statement needs a live backend and there is none.
    #[error("no backend is alive to answer")]
    NoBackend,
    /// The statement was refused.
    #[error("{text} ({code})")]
    Server {
        /// MySQL error code; 1064 says little.
        code: u16,
        /// The frontend's words.
        text: String,
    },
    /// What came back is not the MySQL protocol.
    #[error("unexpected answer: {text}")]
    Protocol {
        /// What was wrong.
        text: String,
    },
}

/// MySQL error codes with which StarRocks refuses an account: login, database, table, privilege (real-fe.md §1, §9).
const DENIED: [u16; 5] = [1044, 1045, 1142, 1227, 5203];

/// "Set config failed": the frontends that are alive have been changed (real-fe.md §5).
const SET_CONFIG_FAILED: u16 = 5101;

/// What a frontend says, under the general code 1064, when it cannot reach a leader or a majority (real-fe.md §3, §4).
const ELECTION: [&str; 10] = [
    "java.net.ConnectException",
    "java.net.SocketException",
    "java.net.SocketTimeoutException",
    "java.net.NoRouteToHostException",
    "java.net.UnknownHostException",
    "Socket is closed by peer",
    "Could not determine master from helpers",
    "SIMPLE_MAJORITY required",
    "Internal error processing forward",
    "Environment is closed",
];

/// What a frontend says when no backend can run a query (real-fe.md §1, §11.2).
const NO_BACKEND: [&str; 2] = ["Backend node not found", "rpc failed with "];

impl SqlError {
    /// The error that a frontend's error packet stands for.
    pub fn from_server(code: u16, text: impl Into<String>) -> Self {
        let text = text.into();
        let says = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
        if DENIED.contains(&code) || text.starts_with("Access denied") {
            Self::Denied { code, text }
        } else if code != SET_CONFIG_FAILED && says(&NO_BACKEND) {
            Self::NoBackend
        } else if code != SET_CONFIG_FAILED && says(&ELECTION) {
            Self::Election { text }
        } else {
            Self::Server { code, text }
        }
    }

    /// Whether ADMIN SET reached the living frontends but not all: one is down or does not know the key (real-fe.md §5).
    pub fn is_partial_setting(&self) -> bool {
        matches!(self, Self::Server { code, text } if *code == SET_CONFIG_FAILED || text.contains("set config for fe["))
    }

    /// Whether another frontend may answer where this one did not.
    pub const fn another_may_answer(&self) -> bool {
        matches!(self, Self::Refused | Self::TimedOut | Self::Election { .. } | Self::Protocol { .. })
    }

    /// The frontend's words, for deciding whether a refusal means "already so".
    pub fn text(&self) -> &str {
        match self {
            Self::Election { text } | Self::Denied { text, .. } | Self::Server { text, .. } | Self::Protocol { text } => text,
            Self::Refused | Self::TimedOut | Self::NoBackend => "",
        }
    }
}

impl From<SqlError> for Silence {
    fn from(error: SqlError) -> Self {
        let kind = match &error {
            SqlError::Refused => SilenceKind::Refused,
            SqlError::TimedOut => SilenceKind::TimedOut,
            SqlError::Election { .. } => SilenceKind::Election,
            SqlError::Denied { .. } => SilenceKind::Denied,
            SqlError::NoBackend => SilenceKind::NoBackend,
            SqlError::Server { .. } => SilenceKind::Rejected,
            SqlError::Protocol { .. } => SilenceKind::Unreadable,
        };
        Self { kind, message: error.to_string() }
    }
}

/// Why an HTTP request has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// Nobody listens, or the connection broke before the answer was complete.
    #[error("connection refused")]
    Refused,
    /// No complete answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// What came back is not HTTP, or too much of it.
    #[error("unexpected answer: {text}")]
    Protocol {
        /// What was wrong.
        text: String,
    },
}

impl From<HttpError> for Silence {
    fn from(error: HttpError) -> Self {
        let kind = match error {
            HttpError::Refused => SilenceKind::Refused,
            HttpError::TimedOut => SilenceKind::TimedOut,
            HttpError::Protocol { .. } => SilenceKind::Unreadable,
        };
        Self { kind, message: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(code: u16, text: &str) -> SilenceKind {
        Silence::from(SqlError::from_server(code, text)).kind
    }

    #[test]
    fn every_text_seen_while_a_leader_was_missing_means_election() {
        for text in [
            "java.net.SocketException: Connection reset",
            "java.net.ConnectException: Connection refused",
            "Socket is closed by peer.",
            "java.net.SocketTimeoutException: Connect timed out",
            "(JE 18.3.20) Could not determine master from helpers at:[fe-0/10.0.0.1:9010]",
            "(JE 18.3.20) Commit policy: SIMPLE_MAJORITY required 1 replica. But none were active with this master.",
            "Internal error processing forward",
        ] {
            assert_eq!(kind(1064, text), SilenceKind::Election, "{text}");
        }
    }

    #[test]
    fn refusals_of_the_account_are_told_from_refusals_of_the_statement() {
        assert_eq!(kind(1045, "Access denied for user 'root' (using password: NO)"), SilenceKind::Denied);
        assert_eq!(kind(5203, "Access denied; you need (at least one of) the OPERATE privilege(s)"), SilenceKind::Denied);
        assert_eq!(kind(1064, "Backend node not found. Check if any backend node is down.backend: "), SilenceKind::NoBackend);
        assert_eq!(kind(5501, "Unknown database 'nosuch'"), SilenceKind::Rejected);
    }

    #[test]
    fn a_setting_that_missed_a_dead_frontend_is_partly_done_and_no_election() {
        let text = "Set config failed: set config for fe[fe-2] failed: java.net.ConnectException: Connection refused";
        let error = SqlError::from_server(5101, text);
        assert!(error.is_partial_setting());
        assert!(!error.another_may_answer());
    }
}
