//! The way of a SQL text into a frontend: address, login, and whether the leader that a statement needs can be reached; with the recorded errors and hangs.

use std::net::IpAddr;
use std::time::Duration;

use super::process::{Component, Process};
use super::state::{Leadership, Loss};
use super::{Login, SqlReply, StarRocks, text};
use crate::sim::runtime::{ContainerId, Resolver};

/// One connection's state.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) frontend: ContainerId,
    pub(super) cluster: u32,
    pub(super) user: String,
    /// Granted roles are active.
    pub(super) roles_active: bool,
    pub(super) database: Option<String>,
}

/// What a statement needs of the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forward {
    /// Answered from the leader's memory.
    Read,
    /// Written to the journal.
    Write,
}

/// An ordinary answer arrives within milliseconds.
pub(super) const PROMPT: Duration = Duration::from_millis(5);
/// A leader that lost its majority holds reads this long (real-fe.md §3).
const COMMIT_WAIT: Duration = Duration::from_millis(10_500);

pub(super) fn done() -> SqlReply {
    SqlReply::Done { affected: 0, after: PROMPT }
}

pub(super) fn failed(code: u16, message: impl Into<String>) -> SqlReply {
    SqlReply::Failed { code, state: "HY000".to_owned(), message: message.into(), after: PROMPT }
}

pub(super) fn rows(columns: &[&str], rows: Vec<Vec<Option<String>>>) -> SqlReply {
    SqlReply::Rows { columns: columns.iter().map(|name| (*name).to_owned()).collect(), rows, after: PROMPT }
}

/// Cells that are never NULL.
pub(super) fn cells<const N: usize>(texts: [&str; N]) -> Vec<Option<String>> {
    texts.iter().map(|text| Some((*text).to_owned())).collect()
}

/// A row written with bars between its cells, none of which is NULL or holds a bar.
pub(super) fn barred(text: &str) -> Vec<Option<String>> {
    text.split('|').map(|cell| Some(cell.to_owned())).collect()
}

/// A result set whose column names are written with bars.
pub(super) fn barred_rows(columns: &str, lines: Vec<Vec<Option<String>>>) -> SqlReply {
    rows(&columns.split('|').collect::<Vec<_>>(), lines)
}

fn slow(reply: SqlReply, wait: Duration) -> SqlReply {
    match reply {
        SqlReply::Failed { code, state, message, .. } => SqlReply::Failed { code, state, message, after: wait },
        SqlReply::Rows { columns, rows, after } => SqlReply::Rows { columns, rows, after: after + wait },
        SqlReply::Done { affected, after } => SqlReply::Done { affected, after: after + wait },
        SqlReply::Refused | SqlReply::Silence => reply,
    }
}

impl StarRocks {
    /// Runs the statements of a text one after the other.
    pub(super) fn answer(&mut self, ip: IpAddr, port: u16, login: &Login, sql: &str, resolver: &dyn Resolver) -> SqlReply {
        let Some(process) = self.listener(ip, port) else { return SqlReply::Refused };
        if self.faults.is_cut(process) || self.faults.is_hung(process) {
            return SqlReply::Silence;
        }
        let id = process.start.id.clone();
        let (Component::Frontend, Some(cluster), true) = (process.component, process.cluster, port == process.ports.query) else {
            return SqlReply::Refused;
        };
        let Some(user) =
            self.groups.get(&cluster).and_then(|group| group.users.get(&login.user)).filter(|user| user.password == login.password)
        else {
            let using = if login.password.is_empty() { "NO" } else { "YES" };
            return SqlReply::Failed {
                code: 1045,
                state: "28000".to_owned(),
                message: format!("Access denied for user '{}' (using password: {using})", login.user),
                after: PROMPT,
            };
        };
        let roles_active = user.default_roles;
        let mut session = Session { frontend: id, cluster, user: login.user.clone(), roles_active, database: None };
        let lost = self.faults.loses_reply(&session.frontend, &self.processes);
        let mut waited = Duration::ZERO;
        let mut last = failed(1065, "Query was empty");
        for statement in text::split(sql) {
            self.audit.statements += 1;
            last = self.run(&mut session, &statement, resolver);
            match &last {
                SqlReply::Rows { after, .. } | SqlReply::Done { after, .. } => waited += *after,
                SqlReply::Failed { .. } | SqlReply::Refused | SqlReply::Silence => break,
            }
        }
        if lost {
            return SqlReply::Silence;
        }
        match last {
            SqlReply::Rows { columns, rows, .. } => SqlReply::Rows { columns, rows, after: waited },
            SqlReply::Done { affected, .. } => SqlReply::Done { affected, after: waited },
            other => other,
        }
    }

    /// The process a session is connected to.
    pub(super) fn session_process(&self, session: &Session) -> Option<&Process> {
        self.processes.get(&session.frontend)
    }

    /// A member without leader for longer than it tolerates serves no more (real-fe.md §3).
    pub(super) fn is_stale(&self, process: &Process) -> bool {
        let Some(cluster) = process.cluster else { return false };
        let since = process.dropped_at.or_else(|| self.leaderless_since(cluster));
        since.is_some_and(|since| self.now.since(since) >= Duration::from_secs(process.number("meta_delay_toleration_second")))
    }

    /// The error of a stale member.
    pub(super) fn no_master(&self, process: &Process) -> SqlReply {
        let helper = format!("{}/{}:{}", process.host(), process.start.ip, process.ports.edit_log);
        failed(1064, format!("(JE 18.3.20) Could not determine master from helpers at:[{helper}]"))
    }

    /// Whether the leader can be reached for a statement; the error is what the client sees instead (real-fe.md §3).
    pub(super) fn reach_leader(&self, session: &Session, want: Forward) -> Result<(), SqlReply> {
        let (Some(process), Some(group)) = (self.session_process(session), self.groups.get(&session.cluster)) else {
            return Err(SqlReply::Refused);
        };
        if self.is_stale(process) {
            return Err(self.no_master(process));
        }
        if process.dropped_at.is_some() {
            return Err(failed(1064, "Internal error processing forward"));
        }
        let refused = || failed(1064, "java.net.ConnectException: Connection refused");
        let (since, loss) = match &group.leadership {
            Leadership::Led { leader, lost, loss, minority_since, .. } => {
                if let Some(since) = minority_since {
                    return self.minority(*since, want);
                }
                let leading = self.processes.get(leader);
                if *leader != session.frontend && leading.is_some_and(|process| self.faults.is_hung(process)) {
                    return Err(SqlReply::Silence);
                }
                return self.just_led(session, self.now.since(*lost), loss, want);
            }
            Leadership::Vacant { since, loss } | Leadership::Electing { since, loss, .. } => (*since, loss),
        };
        let elapsed = self.now.since(since);
        match (loss, want) {
            (Loss::Cut, Forward::Read) => Err(SqlReply::Silence),
            (Loss::Cut, Forward::Write) => {
                Err(slow(failed(1064, "java.net.SocketTimeoutException: Connect timed out"), Duration::from_millis(10_100)))
            }
            // graceful35: answers go on, without a LEADER in them.
            (Loss::Left(_), Forward::Read) => Ok(()),
            (Loss::Died, _) if elapsed < Duration::from_millis(350) => Err(failed(1064, "java.net.SocketException: Connection reset")),
            (Loss::Died, _) if elapsed < Duration::from_millis(550) => Err(failed(1064, "Socket is closed by peer.")),
            (Loss::Died | Loss::Started | Loss::Left(_), _) => Err(refused()),
        }
    }

    /// The first seconds of a new leader: reads work, writes not yet; a leader that left closes its environment for a moment.
    fn just_led(&self, session: &Session, elapsed: Duration, loss: &Loss, want: Forward) -> Result<(), SqlReply> {
        let millis = elapsed.as_millis();
        match loss {
            Loss::Left(leader) if *leader == session.frontend && (2_150..2_550).contains(&millis) => {
                Err(failed(1064, "Environment is closed."))
            }
            Loss::Left(_) if want == Forward::Write && millis < 2_800 => Err(failed(1064, "java.net.ConnectException: Connection refused")),
            Loss::Died if want == Forward::Write && millis < 2_350 => Err(failed(1064, "java.net.ConnectException: Connection refused")),
            _ => Ok(()),
        }
    }

    /// A leader without majority: reads hang for 10.5 s once and fail, writes always (recording graceful35, at its end).
    fn minority(&self, since: crate::model::Timestamp, want: Forward) -> Result<(), SqlReply> {
        let elapsed = self.now.since(since);
        let text = "(JE 18.3.20) Commit policy: SIMPLE_MAJORITY required 1 replica. But none were active with this master.";
        match want {
            Forward::Read if elapsed < COMMIT_WAIT => Err(slow(failed(1064, text), COMMIT_WAIT.saturating_sub(elapsed).max(PROMPT))),
            Forward::Read => Ok(()),
            Forward::Write => Err(slow(failed(1064, text), COMMIT_WAIT)),
        }
    }
}
