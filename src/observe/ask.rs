//! One question at a time to one frontend, within the deadline of the pass; answers in, silences named; never decides what they mean.

use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use crate::model::{Pod, Query, Silence, SilenceKind};
use crate::starrocks::{HttpAnswer, HttpEndpoint, Login, RowError, Rows, SqlEndpoint, SqlError, StarRocks};

/// A frontend that can be asked.
#[derive(Clone, Debug)]
pub(super) struct Frontend {
    pub(super) pod: String,
    pub(super) sql: SqlEndpoint,
    pub(super) http: HttpEndpoint,
}

impl Frontend {
    /// The frontend in a pod; `None` while nothing can listen there.
    pub(super) fn in_pod(pod: &Pod, query_port: u16, http_port: u16) -> Option<Self> {
        let host = pod.ip.clone().filter(|_| pod.running && !pod.deleting)?;
        let sql = SqlEndpoint { host: host.clone(), port: query_port };
        Some(Self { pod: pod.name.clone(), sql, http: HttpEndpoint { host, port: http_port } })
    }
}

/// Asks with the account of the cluster until the deadline of the pass.
#[derive(Clone, Copy)]
pub(super) struct Asker<'a> {
    pub(super) starrocks: &'a dyn StarRocks,
    pub(super) login: &'a Result<Login, Silence>,
    pub(super) deadline: Instant,
}

impl Asker<'_> {
    /// Asks one frontend by SQL.
    pub(super) async fn query(&self, at: &Frontend, query: &Query) -> Result<Rows, Silence> {
        self.query_within(at, query, Duration::MAX).await.map_err(|(silence, _)| silence)
    }

    /// Asks one frontend by SQL within a limit of its own; also tells whether another frontend may answer.
    pub(super) async fn query_within(&self, at: &Frontend, query: &Query, limit: Duration) -> Result<Rows, (Silence, bool)> {
        let login = self.login.as_ref().map_err(|silence| (silence.clone(), false))?;
        let sql = query.sql();
        let answer = timeout_at(self.deadline, timeout(limit, self.starrocks.query(&at.sql, login, &sql))).await;
        let answer = answer.ok().and_then(Result::ok).unwrap_or(Err(SqlError::TimedOut));
        answer.map_err(|error| {
            let another = error.another_may_answer();
            (said_by(&at.pod, error.into()), another)
        })
    }

    /// Asks one frontend by HTTP.
    pub(super) async fn get(&self, at: &Frontend, path: &str) -> Result<HttpAnswer, Silence> {
        self.get_from(&at.pod, &at.http, path).await
    }

    /// Asks the node in a pod by HTTP.
    pub(super) async fn get_from(&self, pod: &str, at: &HttpEndpoint, path: &str) -> Result<HttpAnswer, Silence> {
        match timeout_at(self.deadline, self.starrocks.get(at, path)).await {
            Ok(answer) => answer.map_err(|error| said_by(pod, error.into())),
            Err(_) => Err(said_by(pod, crate::starrocks::HttpError::TimedOut.into())),
        }
    }
}

/// An answer that came but cannot be read.
pub(super) fn unreadable(error: &RowError) -> Silence {
    Silence { kind: SilenceKind::Unreadable, message: error.to_string() }
}

fn said_by(pod: &str, silence: Silence) -> Silence {
    Silence { message: format!("{pod}: {}", silence.message), ..silence }
}
