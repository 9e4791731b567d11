//! ALTER SYSTEM TRANSFER LEADER: what it needs and refuses. Not measured, since no release with it can be had: told by StarRocks/starrocks#71925 and #75592.

use std::time::Duration;

use super::access::{Forward, Session, done, failed};
use super::alter_system::{ended, host_port};
use super::faults::TransferFault;
use super::state::MemberRole;
use super::text::Cursor;
use super::{SqlReply, StarRocks};

/// The statement answers when the other one leads.
const HANDED_OVER: Duration = Duration::from_millis(2_100);

impl StarRocks {
    /// The lead goes to a follower that is connected, and the former leader goes on as a follower, without FORCE.
    pub(super) fn transfer_leader(&mut self, session: &Session, cursor: &mut Cursor) -> Result<SqlReply, SqlReply> {
        let text = cursor.text().unwrap_or_default();
        ended(cursor)?;
        let (host, port) = host_port(&text)?;
        self.reach_leader(session, Forward::Write)?;
        let Some(group) = self.groups.get(&session.cluster) else { return Err(SqlReply::Refused) };
        let Some(leader) = group.leader().cloned() else { return Err(SqlReply::Refused) };
        if group.shared_data {
            return Err(failed(1064, "TRANSFER LEADER is not supported in shared-data mode"));
        }
        let Some(row) = group.frontends.iter().find(|row| row.host == host && row.edit_log_port == port) else {
            return Err(failed(1064, format!("frontend does not exist[{host}:{port}]")));
        };
        if row.role != MemberRole::Follower {
            return Err(failed(1064, format!("frontend[{host}:{port}] is not a FOLLOWER")));
        }
        let is_it = |id: &&_| self.processes.get(*id).is_some_and(|process| process.member == row.name && process.open());
        let connected = self.connected(group);
        let Some(heir) = connected.iter().find(is_it).cloned() else {
            return Err(failed(1064, format!("frontend[{host}:{port}] is not alive")));
        };
        match self.faults.transfer {
            Some(TransferFault::Refused) => return Err(failed(1064, format!("failed to transfer leader to {host}:{port}: not in sync"))),
            Some(TransferFault::Silent) => return Ok(done()),
            None if heir == leader => return Ok(done()),
            None => self.step_down(session.cluster, &leader, heir),
        }
        Ok(SqlReply::Done { affected: 0, after: HANDED_OVER })
    }
}
