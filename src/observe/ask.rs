//! One question at a time to one frontend, within the deadline of the pass; answers in, silences named; never decides what they mean.

use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use crate::model::{Pod, Query, Silence, SilenceKind, Workload};
use crate::starrocks::{HttpAnswer, HttpEndpoint, HttpError, Login, RowError, Rows, SqlEndpoint, SqlError, StarRocks};

/// Path that says whether a frontend serves.
pub(super) const BOOTSTRAP: &str = "/api/bootstrap";

/// How long a pass may look for the ports of one frontend whose pod was made with other ones than are configured.
const LOOK_AROUND: Duration = Duration::from_secs(2);

/// A frontend that can be asked.
#[derive(Clone, Debug)]
pub(super) struct Frontend {
    pub(super) pod: String,
    pub(super) sql: SqlEndpoint,
    pub(super) http: HttpEndpoint,
}

impl Frontend {
    /// The frontend in a pod, at the ports with which the pod was made, or where those are refused at the configured ones; `None` while nothing can
    /// listen there.
    pub(super) async fn in_pod(asker: &Asker<'_>, pod: &Pod, frontends: &Workload) -> Option<Self> {
        let host = pod.ip.clone().filter(|_| pod.running && !pod.deleting)?;
        let (sql, sql_then) = pod.query_port(frontends.query_port());
        let (http, http_then) = pod.http_port(frontends.http_port());
        let (sql, http) = (SqlEndpoint { host: host.clone(), port: sql }, HttpEndpoint { host, port: http });
        let mut at = Self { pod: pod.name.clone(), sql, http };
        let refused = |silence: Silence| silence.kind == SilenceKind::Refused;
        let asker = Asker { deadline: asker.deadline.min(Instant::now() + LOOK_AROUND), ..*asker };
        if let Some(port) = sql_then
            && asker.query(&at, &Query::VersionComment).await.is_err_and(refused)
        {
            at.sql.port = port;
        }
        if let Some(port) = http_then
            && asker.get(&at, BOOTSTRAP).await.is_err_and(refused)
        {
            at.http.port = port;
        }
        Some(at)
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

    /// Asks the node in a pod by HTTP: where the pod says that it listens, and where that is refused at the configured port.
    pub(super) async fn get_in(&self, pod: &Pod, configured: u16, path: &str) -> Result<HttpAnswer, Silence> {
        let Some(host) = pod.ip.clone().filter(|_| pod.running && !pod.deleting) else { return Err(HttpError::Refused.into()) };
        let (port, then) = pod.http_port(configured);
        let answer = self.get_from(&pod.name, &HttpEndpoint { host: host.clone(), port }, path).await;
        match (then, &answer) {
            (Some(port), Err(silence)) if silence.kind == SilenceKind::Refused => {
                self.get_from(&pod.name, &HttpEndpoint { host, port }, path).await
            }
            _ => answer,
        }
    }

    /// Asks a node by HTTP.
    async fn get_from(&self, pod: &str, at: &HttpEndpoint, path: &str) -> Result<HttpAnswer, Silence> {
        match timeout_at(self.deadline, self.starrocks.get(at, path)).await {
            Ok(answer) => answer.map_err(|error| said_by(pod, error.into())),
            Err(_) => Err(said_by(pod, HttpError::TimedOut.into())),
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
