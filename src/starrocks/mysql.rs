//! SQL over the MySQL text protocol with a deadline on everything; the only file that names the MySQL crate.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, DriverError, Error, IoError, OptsBuilder, Value};
use tokio::time::{Instant, timeout};

use super::{CONNECT_TIMEOUT, Login, Rows, STATEMENT_TIMEOUT, SqlEndpoint, SqlError};

/// `max_allowed_packet` of a frontend. The crate would otherwise ask for `@@socket`, which StarRocks does not know (real-fe.md §1).
const MAX_ALLOWED_PACKET: usize = 33_554_432;
/// `wait_timeout` of a frontend, in seconds.
const WAIT_TIMEOUT: usize = 28_800;
/// The largest answer that is read: far above what any question of the operator's has, and a bound for what users ask about canaries.
const LARGEST_ANSWER: usize = 64 << 20;
/// Idle connections are closed after this time: long enough for one pass, short enough not to outlive many pods.
const IDLE: Duration = Duration::from_secs(20);
/// Idle connections kept in all: those of the passes under way. One costs some 20 kB here and a session there, so hundreds of clusters must not keep one each.
const MOST_IDLE: usize = 32;

/// A MySQL client that keeps a connection for the few statements of one pass.
#[derive(Default)]
pub(super) struct MySqlClient {
    /// The oldest first.
    idle: Mutex<VecDeque<Idle>>,
}

struct Idle {
    at: SqlEndpoint,
    login: Login,
    since: Instant,
    connection: Conn,
}

impl std::fmt::Debug for MySqlClient {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("MySqlClient")
    }
}

impl MySqlClient {
    pub(super) async fn query(&self, at: &SqlEndpoint, login: &Login, sql: &str) -> Result<Rows, SqlError> {
        let (mut connection, reused) = match self.take(at, login) {
            Some(connection) => (connection, true),
            None => (connect(at, login).await?, false),
        };
        let mut outcome = run(&mut connection, sql).await;
        // A kept connection may have died with its frontend's last process; reads can simply be asked again.
        if reused && outcome == Err(SqlError::Refused) && is_read(sql) {
            connection = connect(at, login).await?;
            outcome = run(&mut connection, sql).await;
        }
        match &outcome {
            Ok(_) | Err(SqlError::Server { .. } | SqlError::NoBackend | SqlError::Election { .. }) => self.keep(at, login, connection),
            // Cut off in the middle of an answer: what would come next on it is not the next answer.
            Err(SqlError::Refused | SqlError::TimedOut | SqlError::Denied { .. } | SqlError::Protocol { .. }) => drop(connection),
        }
        outcome
    }

    fn take(&self, at: &SqlEndpoint, login: &Login) -> Option<Conn> {
        let now = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|kept| now.duration_since(kept.since) < IDLE);
        let position = idle.iter().rposition(|kept| kept.at == *at && kept.login == *login)?;
        Some(idle.remove(position)?.connection)
    }

    fn keep(&self, at: &SqlEndpoint, login: &Login, connection: Conn) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() >= MOST_IDLE {
            idle.pop_front();
        }
        idle.push_back(Idle { at: at.clone(), login: login.clone(), since: Instant::now(), connection });
    }
}

async fn connect(at: &SqlEndpoint, login: &Login) -> Result<Conn, SqlError> {
    let password = (!login.password.is_empty()).then(|| login.password.clone());
    let options = OptsBuilder::default()
        .ip_or_hostname(at.host.clone())
        .tcp_port(at.port)
        .user(Some(login.user.clone()))
        .pass(password)
        .prefer_socket(false)
        .max_allowed_packet(Some(MAX_ALLOWED_PACKET))
        .wait_timeout(Some(WAIT_TIMEOUT))
        .tcp_keepalive(Some(Duration::from_secs(10)))
        .stmt_cache_size(0);
    match timeout(CONNECT_TIMEOUT, Conn::new(options)).await {
        Ok(connected) => connected.map_err(translate),
        Err(_) => Err(SqlError::TimedOut),
    }
}

async fn run(connection: &mut Conn, sql: &str) -> Result<Rows, SqlError> {
    let answer = async {
        let mut result = connection.query_iter(sql).await?;
        let columns = result.columns_ref().iter().map(|column| column.name_str().into_owned()).collect();
        let (mut rows, mut size) = (Vec::new(), 0);
        while let Some(row) = result.next().await? {
            let cells: Vec<Option<String>> = row.unwrap_raw().into_iter().map(text).collect();
            size += cells.iter().flatten().map(String::len).sum::<usize>();
            if size > LARGEST_ANSWER {
                // The rest is not read: the connection goes with it.
                return Ok(None);
            }
            rows.push(cells);
        }
        result.drop_result().await?;
        Ok(Some(Rows { columns, rows }))
    };
    match timeout(STATEMENT_TIMEOUT, answer).await {
        Ok(answer) => answer.map_err(translate)?.ok_or_else(|| SqlError::Protocol { text: "an answer of more than 64 MiB".to_owned() }),
        Err(_) => Err(SqlError::TimedOut),
    }
}

fn is_read(sql: &str) -> bool {
    ["SELECT ", "SHOW ", "ADMIN SHOW "].iter().any(|start| sql.starts_with(start))
}

fn text(cell: Option<Value>) -> Option<String> {
    match cell? {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        // The text protocol sends bytes only; the crate's type has more.
        Value::Int(number) => Some(number.to_string()),
        Value::UInt(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Double(number) => Some(number.to_string()),
        other @ (Value::Date(..) | Value::Time(..)) => Some(other.as_sql(false).trim_matches('\'').to_owned()),
    }
}

fn translate(error: Error) -> SqlError {
    match error {
        Error::Server(error) => SqlError::from_server(error.code, error.message),
        Error::Io(IoError::Io(_)) | Error::Driver(DriverError::ConnectionClosed) => SqlError::Refused,
        other => SqlError::Protocol { text: other.to_string() },
    }
}

#[cfg(test)]
mod tests;
