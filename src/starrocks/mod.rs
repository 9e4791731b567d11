//! Talking to frontends: a trait that answers SQL text and HTTP paths, its client, and readers of the answers. Never decides anything.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

mod client;
mod error;
pub mod exposition;
mod http;
mod mysql;
pub mod parse;
mod rows;
mod zone;

pub use client::Client;
pub use error::{HttpError, SqlError};
pub use rows::{Row, RowError, Rows};
pub use zone::Zone;

/// How long a connection may take to be established.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a statement may take. A frontend whose leader is cut off hangs for 40 s and more (real-fe.md §3).
pub const STATEMENT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an HTTP request may take, connection included. Hanging SHOW_HA requests starve the frontend's few HTTP workers (real-fe.md §3).
pub const HTTP_TIMEOUT: Duration = Duration::from_secs(3);

/// Where a frontend speaks the MySQL protocol.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SqlEndpoint {
    /// Address or host name.
    pub host: String,
    /// `query_port`.
    pub port: u16,
}

/// Where a frontend speaks HTTP.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HttpEndpoint {
    /// Address or host name.
    pub host: String,
    /// `http_port`.
    pub port: u16,
}

impl fmt::Display for SqlEndpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_address(formatter, &self.host, self.port)
    }
}

impl fmt::Display for HttpEndpoint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_address(formatter, &self.host, self.port)
    }
}

fn write_address(formatter: &mut fmt::Formatter<'_>, host: &str, port: u16) -> fmt::Result {
    if host.contains(':') { write!(formatter, "[{host}]:{port}") } else { write!(formatter, "{host}:{port}") }
}

/// A SQL account.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// User name.
    pub user: String,
    /// Password; empty for none.
    pub password: String,
}

impl Login {
    /// The account of a new cluster: root without a password.
    pub fn root() -> Self {
        Self { user: "root".to_owned(), password: String::new() }
    }
}

impl fmt::Debug for Login {
    // The password must not reach a log.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Login").field("user", &self.user).field("password", &"…").finish()
    }
}

/// An HTTP answer of any status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAnswer {
    /// HTTP status code.
    pub status: u16,
    /// Body; bytes that are not UTF-8 are replaced.
    pub body: String,
}

/// StarRocks as the operator sees it. The laboratory has its own.
#[async_trait]
pub trait StarRocks: Send + Sync {
    /// Sends one SQL text and returns its (first) result. Bounded in time.
    ///
    /// # Errors
    /// Whatever kept the answer from coming; the statement may have been carried out all the same.
    async fn query(&self, at: &SqlEndpoint, login: &Login, sql: &str) -> Result<Rows, SqlError>;

    /// Sends one anonymous GET request. Bounded in time.
    ///
    /// # Errors
    /// When no complete answer came; an answer of any status is not an error.
    async fn get(&self, at: &HttpEndpoint, path: &str) -> Result<HttpAnswer, HttpError>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_never_shows_in_debug_output() {
        let login = Login { user: "root".to_owned(), password: "secret".to_owned() };
        assert!(!format!("{login:?}").contains("secret"));
    }

    #[test]
    fn an_ipv6_address_is_bracketed() {
        assert_eq!(SqlEndpoint { host: "fd00::1".to_owned(), port: 9030 }.to_string(), "[fd00::1]:9030");
    }
}
