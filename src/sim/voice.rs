//! StarRocks as the operator meets it, answered by the world in process, with the delays and time-outs of a real network.

use std::future::pending;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use super::ledger::{Ledger, Passage, Strike};
use super::runtime::HttpReply;
use super::starrocks::{Login as SimulatedLogin, SqlReply};
use super::world::World;
use crate::starrocks::{
    CONNECT_TIMEOUT, HTTP_TIMEOUT, HttpAnswer, HttpEndpoint, HttpError, Login, Rows, STATEMENT_TIMEOUT, SqlEndpoint, SqlError, StarRocks,
};

/// How much time an answer takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delay {
    /// As much as the simulated node says, on tokio's clock.
    AsTold,
    /// None: the caller lets time pass by other means.
    Never,
}

/// Speaks for all simulated StarRocks nodes of a world.
pub struct Voice {
    world: Arc<Mutex<World>>,
    ledger: Arc<Ledger>,
    delay: Delay,
}

impl Voice {
    /// A voice whose use is recorded in `ledger`.
    pub const fn new(world: Arc<Mutex<World>>, ledger: Arc<Ledger>, delay: Delay) -> Self {
        Self { world, ledger, delay }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits as long as an answer takes; `false` when the caller's patience ends first.
    async fn wait(&self, after: Duration, patience: Duration) -> bool {
        if self.delay == Delay::AsTold {
            tokio::time::sleep(after.min(patience)).await;
        }
        after <= patience
    }
}

#[async_trait]
impl StarRocks for Voice {
    async fn query(&self, at: &SqlEndpoint, login: &Login, sql: &str) -> Result<Rows, SqlError> {
        let passage = self.ledger.sql(sql);
        match passage {
            Passage::Cut => return pending().await,
            Passage::Struck(Strike::RequestLost) => return Err(SqlError::Refused),
            Passage::Open | Passage::Struck(Strike::ClientLost | Strike::AnswerLost) => {}
        }
        let Ok(ip) = at.host.parse::<IpAddr>() else { return Err(SqlError::Refused) };
        let login = SimulatedLogin { user: login.user.clone(), password: login.password.clone() };
        let reply = self.world().query(ip, at.port, &login, sql);
        self.ledger.sql_done(sql);
        match passage {
            Passage::Open => {}
            Passage::Struck(Strike::AnswerLost) => {
                self.wait(STATEMENT_TIMEOUT, STATEMENT_TIMEOUT).await;
                return Err(SqlError::TimedOut);
            }
            Passage::Struck(Strike::ClientLost | Strike::RequestLost) | Passage::Cut => return pending().await,
        }
        match reply {
            SqlReply::Rows { columns, rows, after } if self.wait(after, STATEMENT_TIMEOUT).await => Ok(Rows { columns, rows }),
            SqlReply::Done { after, .. } if self.wait(after, STATEMENT_TIMEOUT).await => Ok(Rows::default()),
            SqlReply::Failed { code, message, after, .. } if self.wait(after, STATEMENT_TIMEOUT).await => {
                Err(SqlError::from_server(code, message))
            }
            SqlReply::Rows { .. } | SqlReply::Done { .. } | SqlReply::Failed { .. } => Err(SqlError::TimedOut),
            SqlReply::Refused => Err(SqlError::Refused),
            SqlReply::Silence => {
                self.wait(STATEMENT_TIMEOUT, STATEMENT_TIMEOUT).await;
                Err(SqlError::TimedOut)
            }
        }
    }

    async fn get(&self, at: &HttpEndpoint, path: &str) -> Result<HttpAnswer, HttpError> {
        if !self.ledger.http() {
            return pending().await;
        }
        let Ok(ip) = at.host.parse::<IpAddr>() else { return Err(HttpError::Refused) };
        let reply = self.world().http(ip, at.port, path);
        match reply {
            HttpReply::Answer { status, body, after } if self.wait(after, HTTP_TIMEOUT).await => Ok(HttpAnswer { status, body }),
            HttpReply::Refused => Err(HttpError::Refused),
            HttpReply::Answer { .. } | HttpReply::Silence => {
                self.wait(CONNECT_TIMEOUT, CONNECT_TIMEOUT).await;
                Err(HttpError::TimedOut)
            }
        }
    }
}
