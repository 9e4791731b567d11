//! ALTER SYSTEM: members and nodes added, dropped and drained, with the texts a real leader refuses with (real-fe.md §4, §11.5).

use std::net::IpAddr;
use std::time::Duration;

use super::access::{Forward, PROMPT, Session, done, failed};
use super::entrypoint::add_frontend;
use super::state::{Group, Loss, MemberRole, Node, NodeStatus};
use super::tables::STATISTICS;
use super::text::Cursor;
use super::users::Privilege;
use super::warehouses::DEFAULT_WAREHOUSE;
use super::{SqlReply, StarRocks};
use crate::sim::runtime::Resolver;

impl StarRocks {
    pub(super) fn alter_system(&mut self, session: &Session, cursor: &mut Cursor, resolver: &dyn Resolver) -> Result<SqlReply, SqlReply> {
        self.need(session, Privilege::Node)?;
        // starrocks.md §1.2 rule 7: the statement exists from 2.5.3 on.
        if self.processes.get(&session.frontend).is_some_and(|process| process.release.at_least(2, 5, 3)) && cursor.eat("create image") {
            ended(cursor)?;
            self.reach_leader(session, Forward::Write)?;
            self.order_image(session.cluster);
            return Ok(done());
        }
        if self.processes.get(&session.frontend).is_some_and(|process| process.release.transfers_leader())
            && cursor.eat("transfer leader to")
        {
            return self.transfer_leader(session, cursor);
        }
        if cursor.eat("clean tablet scheduler queue") {
            self.reach_leader(session, Forward::Write)?;
            if let Some(group) = self.groups.get_mut(&session.cluster) {
                group.jobs.retain(|_, job| job.running.is_some());
            }
            return Ok(done());
        }
        for (words, role) in [("follower", MemberRole::Follower), ("observer", MemberRole::Observer)] {
            if cursor.eat(&format!("add {words}")) {
                return self.add_member(session, cursor, role, resolver);
            }
            if cursor.eat(&format!("drop {words}")) {
                return self.drop_member(session, cursor, role);
            }
        }
        for (words, compute) in [("backend", false), ("compute node", true)] {
            if cursor.eat(&format!("add {words}")) {
                return self.add_nodes(session, cursor, compute);
            }
            if cursor.eat(&format!("drop {words}")) {
                return self.drop_nodes(session, cursor, compute);
            }
        }
        if cursor.eat("decommission backend") {
            return self.decommission(session, cursor);
        }
        if cursor.eat("modify frontend host") {
            let name = cursor.text().unwrap_or_default();
            return Err(failed(
                1064,
                format!("Getting analyzing error. Detail message: unknown host {name}: Temporary failure in name resolution."),
            ));
        }
        Err(failed(1064, cursor.unexpected("<EOF>, ';'")))
    }

    /// One frontend per statement; its name must resolve for the leader.
    fn add_member(
        &mut self,
        session: &Session,
        cursor: &mut Cursor,
        role: MemberRole,
        resolver: &dyn Resolver,
    ) -> Result<SqlReply, SqlReply> {
        let text = cursor.text().unwrap_or_default();
        ended(cursor)?;
        let (host, port) = host_port(&text)?;
        self.reach_leader(session, Forward::Write)?;
        let now = self.now;
        let Some(group) = self.groups.get_mut(&session.cluster) else { return Err(SqlReply::Refused) };
        if group.frontends.iter().any(|row| row.host == host) {
            return Err(failed(1064, format!("FE with the same host: {host} already exists")));
        }
        if host.parse::<IpAddr>().is_err() && resolver.resolve(&host).is_empty() {
            return Err(failed(1064, format!("unknown fqdn host: {host}")));
        }
        add_frontend(group, &host, port, role, now.as_millis());
        group.journal += 1;
        Ok(done())
    }

    /// The dropped frontend lives on as a zombie; dropping a live one takes 5.3 s.
    fn drop_member(&mut self, session: &Session, cursor: &mut Cursor, role: MemberRole) -> Result<SqlReply, SqlReply> {
        let text = cursor.text().unwrap_or_default();
        ended(cursor)?;
        let (host, port) = host_port(&text)?;
        self.reach_leader(session, Forward::Write)?;
        let now = self.now;
        let Some(group) = self.groups.get_mut(&session.cluster) else { return Err(SqlReply::Refused) };
        let leading = group.leader().and_then(|leader| self.processes.get(leader)).map(|process| process.member.clone());
        let Some(row) = group.frontends.iter().find(|row| row.host == host && row.edit_log_port == port).cloned() else {
            return Err(failed(1064, format!("frontend does not exist[{host}:{port}]")));
        };
        if Some(&row.name) == leading.as_ref() {
            return Err(failed(1064, "can not drop current master node."));
        }
        if row.role != role {
            let word = if role == MemberRole::Observer { "OBSERVER" } else { "FOLLOWER" };
            return Err(failed(1064, format!("{word} does not exist[{host}:{port}]")));
        }
        group.frontends.retain(|known| known.name != row.name);
        group.journal += 1;
        let mut live = false;
        for process in self
            .processes
            .values_mut()
            .filter(|process| process.member == row.name && process.cluster == Some(session.cluster) && process.running())
        {
            live = process.open();
            process.in_group = false;
            process.dropped_at = Some(now);
        }
        self.review(session.cluster, Loss::Died);
        Ok(SqlReply::Done { affected: 0, after: if live { Duration::from_millis(5_300) } else { PROMPT } })
    }

    fn add_nodes(&mut self, session: &Session, cursor: &mut Cursor, compute: bool) -> Result<SqlReply, SqlReply> {
        let addresses = addresses(cursor)?;
        let warehouse = if cursor.eat("into warehouse") { cursor.name() } else { None };
        ended(cursor)?;
        self.reach_leader(session, Forward::Write)?;
        let Some(group) = self.groups.get_mut(&session.cluster) else { return Err(SqlReply::Refused) };
        for (host, port) in &addresses {
            if let Some(known) = group.nodes.values().find(|node| node.host == *host && node.port == *port) {
                let kind = if known.compute { "Compute node" } else { "Backend" };
                return Err(failed(1064, format!("{kind} already exists with same host {host} and port {port}")));
            }
        }
        let warehouse = warehouse.unwrap_or_else(|| DEFAULT_WAREHOUSE.to_owned());
        if warehouse != DEFAULT_WAREHOUSE && !group.warehouses.contains(&warehouse) {
            let name = warehouse;
            return Err(failed(5901, format!("Warehouse name: {name} not exist.")));
        }
        for (host, port) in addresses {
            let id = group.take_id();
            group.nodes.insert(id, new_node(id, host, port, compute, &warehouse));
            group.journal += 1;
        }
        Ok(done())
    }

    /// Without FORCE only tables with a single copy by definition protect a backend (real-fe.md §11.5); its copies stay in the books as dead.
    fn drop_nodes(&mut self, session: &Session, cursor: &mut Cursor, compute: bool) -> Result<SqlReply, SqlReply> {
        let addresses = addresses(cursor)?;
        let force = cursor.eat("force");
        let warehouse = if cursor.eat("from warehouse") { cursor.name() } else { None };
        ended(cursor)?;
        self.reach_leader(session, Forward::Write)?;
        let now = self.now;
        let Some(group) = self.groups.get_mut(&session.cluster) else { return Err(SqlReply::Refused) };
        for (host, port) in addresses {
            let Some(id) =
                group.nodes.values().find(|node| node.host == host && node.port == port && node.compute == compute).map(|node| node.id)
            else {
                let kind = if compute { "compute node" } else { "backend" };
                return Err(failed(1064, format!("{kind} does not exists[{host}:{port}]")));
            };
            // Not measured: nobody could make a second warehouse.
            let there = group.nodes.get(&id).is_some_and(|node| warehouse.as_ref().is_none_or(|name| *name == node.warehouse));
            if !there {
                return Err(failed(1064, format!("compute node does not exists[{host}:{port}]")));
            }
            if let Some(table) = single_copy_table(group, id).filter(|_| !force) {
                return Err(failed(
                    1064,
                    format!(
                        "Tables such as [{table}] on the backend[{host}:{port}] have only one replica. To avoid data loss, please change the replication_num of [{table}] to three. ALTER SYSTEM DROP BACKEND <backends> FORCE can be used to forcibly drop the backend. "
                    ),
                ));
            }
            group.nodes.remove(&id);
            group.journal += 1;
            self.audit.dropped_nodes.push((now, host));
        }
        self.sample_health();
        Ok(done())
    }

    fn decommission(&mut self, session: &Session, cursor: &mut Cursor) -> Result<SqlReply, SqlReply> {
        let addresses = addresses(cursor)?;
        ended(cursor)?;
        self.reach_leader(session, Forward::Write)?;
        let Some(group) = self.groups.get_mut(&session.cluster) else { return Err(SqlReply::Refused) };
        let mut chosen = Vec::new();
        for (host, port) in &addresses {
            match group.nodes.values().find(|node| node.host == *host && node.port == *port && !node.compute) {
                Some(node) => chosen.push(node.id),
                None => return Err(failed(1064, format!("Backend does not exist[{host}:{port}]"))),
            }
        }
        // Looks at live backends, ignores the frontends' own tables, and lets a repetition pass.
        let fresh = chosen.iter().any(|id| group.nodes.get(id).is_some_and(|node| !node.decommissioned));
        let left = group.backends().filter(|node| node.alive && !node.decommissioned && !chosen.contains(&node.id)).count();
        let hurt = group.tables.values().find(|table| table.database != STATISTICS && table.replication > left);
        if let Some(table) = hurt.filter(|_| fresh) {
            return Err(failed(
                1064,
                format!(
                    "It will cause insufficient BE number if these BEs are decommissioned because the table {}.{} requires {} replicas.",
                    table.database, table.name, table.replication
                ),
            ));
        }
        for id in chosen {
            if let Some(node) = group.nodes.get_mut(&id) {
                node.decommissioned = true;
            }
        }
        group.journal += 1;
        Ok(done())
    }

    pub(super) fn cancel_decommission(&mut self, session: &Session, cursor: &mut Cursor) -> Result<SqlReply, SqlReply> {
        self.need(session, Privilege::Node)?;
        let addresses = addresses(cursor)?;
        self.reach_leader(session, Forward::Write)?;
        let Some(group) = self.groups.get_mut(&session.cluster) else { return Err(SqlReply::Refused) };
        for (host, port) in addresses {
            let Some(node) = group.nodes.values_mut().find(|node| node.host == host && node.port == port && !node.compute) else {
                return Err(failed(1064, format!("Backend does not exist[{host}:{port}]")));
            };
            node.decommissioned = false;
            node.drained_at = None;
            group.jobs.retain(|_, job| job.status != "REPLICA_RELOCATING" || job.balance_from.is_some());
        }
        Ok(done())
    }
}

pub(super) fn ended(cursor: &mut Cursor) -> Result<(), SqlReply> {
    if cursor.at_end() { Ok(()) } else { Err(failed(1064, cursor.unexpected("<EOF>, ';'"))) }
}

fn addresses(cursor: &mut Cursor) -> Result<Vec<(String, u16)>, SqlReply> {
    let texts = cursor.text_list();
    if texts.is_empty() {
        return Err(failed(1064, cursor.unexpected("a string")));
    }
    texts.iter().map(|text| host_port(text)).collect()
}

pub(super) fn host_port(text: &str) -> Result<(String, u16), SqlReply> {
    let invalid = || failed(1064, format!("Getting analyzing error. Detail message: Invalid host port: {text}."));
    let (host, port) = text.rsplit_once(':').ok_or_else(invalid)?;
    Ok((host.to_owned(), port.parse().map_err(|_| invalid())?))
}

fn new_node(id: u64, host: String, port: u16, compute: bool, warehouse: &str) -> Node {
    Node {
        id,
        host,
        port,
        compute,
        warehouse: warehouse.to_owned(),
        ports: None,
        start_time: None,
        last_heartbeat: None,
        journaled_heartbeat: None,
        alive: false,
        decommissioned: false,
        error: String::new(),
        version: String::new(),
        status: NodeStatus::Connecting,
        failures: 0,
        alive_since: None,
        first_report: None,
        reports_until: None,
        volume: None,
        drained_at: None,
    }
}

/// `db.table` of a table that is wanted once and has that copy on this node.
fn single_copy_table(group: &Group, node: u64) -> Option<String> {
    let here = group.tablets.values().filter(|tablet| tablet.replicas.iter().any(|replica| replica.backend == node));
    here.filter_map(|tablet| group.tables.get(&tablet.table))
        .find(|table| table.replication == 1)
        .map(|table| format!("{}.{}", table.database, table.name))
}
