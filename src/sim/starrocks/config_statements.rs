//! ADMIN statements: parameters set and shown, with the broadcast that reaches every frontend or says why not (real-fe.md §5).

use super::access::{Forward, Session, barred, barred_rows, cells, done, failed, rows};
use super::parameters::{self, PARAMETERS};
use super::text::Cursor;
use super::users::Privilege;
use super::{SqlReply, StarRocks};
use crate::sim::runtime::ContainerId;

impl StarRocks {
    pub(super) fn admin(&mut self, session: &Session, cursor: &mut Cursor) -> Result<SqlReply, SqlReply> {
        if cursor.eat("set frontend config") {
            self.need(session, Privilege::Operate)?;
            return self.set_config(session, cursor);
        }
        if cursor.eat("show frontend config") {
            self.need(session, Privilege::Operate)?;
            let pattern = if cursor.eat("like") { cursor.text() } else { None };
            return Ok(self.show_config(session, pattern.as_deref()));
        }
        if cursor.eat("show replica status from") {
            return self.replica_status(session, cursor);
        }
        if cursor.eat("set automated cluster snapshot") {
            let shared = self.groups.get(&session.cluster).is_some_and(|group| group.shared_data);
            let text = match (shared, cursor.eat("on")) {
                (false, _) => "Automated snapshot only support share data mode.",
                (true, true) => "Unknown storage volume: builtin_storage_volume.",
                (true, false) => "Automated snapshot has not been turn on.",
            };
            return Err(failed(1064, format!("Getting analyzing error. Detail message: {text}")));
        }
        Err(failed(1064, cursor.unexpected("'SET', 'SHOW', 'REPAIR', 'CANCEL', 'CHECK'")))
    }

    /// Local to the frontend asked; aliases match too.
    fn show_config(&self, session: &Session, pattern: Option<&str>) -> SqlReply {
        let Some(process) = self.session_process(session) else { return SqlReply::Refused };
        let wanted = |key: &str| pattern.is_none_or(|pattern| parameters::like(pattern, key));
        let known = PARAMETERS.iter().filter(|parameter| process.release.line() >= parameter.since);
        let shown = known.filter(|parameter| wanted(parameter.key) || parameter.alias.is_some_and(wanted));
        let lines = shown.map(|parameter| {
            let alias = format!("[{}]", parameter.alias.unwrap_or_default());
            cells([parameter.key, &alias, &process.parameter(parameter), parameter.kind.name(), &parameter.mutable.to_string(), ""])
        });
        rows(&["Key", "AliasNames", "Value", "Type", "IsMutable", "Comment"], lines.collect())
    }

    fn set_config(&mut self, session: &Session, cursor: &mut Cursor) -> Result<SqlReply, SqlReply> {
        if !cursor.eat("(") {
            return Err(failed(1064, cursor.unexpected("'('")));
        }
        let (key, value) = match (cursor.text(), cursor.eat("="), cursor.text()) {
            (Some(key), true, Some(value)) => (key, value),
            _ => return Err(failed(1064, cursor.unexpected("a string"))),
        };
        // One pair per statement.
        if !cursor.eat(")") {
            return Err(failed(1064, cursor.unexpected("')'")));
        }
        if cursor.eat("with persistent") {
            // `/.dockerenv` exists in all images; older releases do not know the words.
            let knows = self.session_process(session).is_some_and(|process| process.release.at_least(3, 5, 0));
            let text = "set persisted config failed, because current running mode is not persisted";
            return Err(failed(1064, if knows { text.to_owned() } else { cursor.unexpected("<EOF>, ';'") }));
        }
        self.reach_leader(session, Forward::Write)?;
        let leader = self.groups.get(&session.cluster).and_then(|group| group.leader()).cloned();
        let Some(leader) = leader else { return Err(SqlReply::Refused) };
        self.apply_config(&leader, &key, &value).map_err(|text| failed(1064, text))?;
        self.broadcast_config(session.cluster, &leader, &key, &value)
    }

    /// Sets one parameter in the memory of one frontend.
    fn apply_config(&mut self, id: &ContainerId, key: &str, value: &str) -> Result<(), String> {
        let unknown = || format!("Config '{key}' does not exist or is not mutable");
        let Some(process) = self.processes.get_mut(id) else { return Err(unknown()) };
        let parameter = parameters::find(key, process.release).filter(|parameter| parameter.mutable).ok_or_else(unknown)?;
        if !parameter.kind.accepts(value) {
            return Err(format!("Failed to set config '{key}'. err: For input string: \"{value}\""));
        }
        process.memory.insert(parameter.key, value.trim().to_owned());
        // A stuck member tries again every 5 s and goes on once it may ignore what it does not know (real-fe.md §10).
        if parameter.key == "metadata_ignore_unknown_operation_type" && value.trim().eq_ignore_ascii_case("true") {
            process.stuck_at = None;
        }
        Ok(())
    }

    /// Living frontends are changed even when one is not reached; from 4.0 on those that count as dead are skipped without a word.
    fn broadcast_config(&mut self, cluster: u32, leader: &ContainerId, key: &str, value: &str) -> Result<SqlReply, SqlReply> {
        let Some(group) = self.groups.get(&cluster) else { return Err(SqlReply::Refused) };
        let skips_dead = self.processes.get(leader).is_some_and(|process| process.release.at_least(4, 0, 0));
        let peers: Vec<(String, String, bool)> =
            group.frontends.iter().map(|row| (row.name.clone(), row.host.clone(), row.alive)).collect();
        let mut failure = None;
        let mut silent = false;
        for (name, host, alive) in peers {
            let found = self
                .members(cluster)
                .find(|(_, process)| process.member == name)
                .map(|(id, process)| (id.clone(), process.open(), self.faults.is_cut(process)));
            if found.as_ref().is_some_and(|(id, _, _)| id == leader) || (skips_dead && !alive) {
                continue;
            }
            let outcome = match found {
                Some((_, _, true)) => {
                    silent = true;
                    Ok(())
                }
                Some((id, true, false)) => self.apply_config(&id, key, value).map_err(|text| format!("{text};")),
                Some((_, false, false)) | None => Err("java.net.ConnectException: Connection refused".to_owned()),
            };
            if let Err(text) = outcome {
                failure.get_or_insert(format!("set config for fe[{host}] failed: {text}"));
            }
        }
        // A black-holed peer holds the statement for minutes (real-fe.md §5).
        if silent {
            return Err(SqlReply::Silence);
        }
        match failure {
            None => Ok(done()),
            Some(text) => Err(failed(5101, format!("Set config failed: {text}"))),
        }
    }

    /// ADMIN SHOW REPLICA STATUS FROM db.t [WHERE STATUS = | != '…']: tells dead copies at once (real-fe.md §11.3).
    fn replica_status(&self, session: &Session, cursor: &mut Cursor) -> Result<SqlReply, SqlReply> {
        self.reach_leader(session, Forward::Read)?;
        let Some(group) = self.groups.get(&session.cluster) else { return Err(SqlReply::Refused) };
        let name = cursor.name().unwrap_or_default();
        let (database, table) =
            name.split_once('.').map_or((session.database.clone().unwrap_or_default(), name.clone()), |(database, table)| {
                (database.to_owned(), table.to_owned())
            });
        let Some((id, entry)) = group.tables.iter().find(|(_, entry)| entry.database == database && entry.name == table) else {
            return Err(failed(5502, format!("Getting analyzing error. Detail message: Unknown table '{table}'.")));
        };
        let words: Vec<&str> = cursor.rest().iter().map(|token| token.text.as_str()).collect();
        let filter = words.iter().position(|word| word.eq_ignore_ascii_case("status")).map(|at| {
            let negated = words.get(at + 1) == Some(&"!");
            (negated, words.last().copied().unwrap_or_default().to_uppercase())
        });
        let mut lines = Vec::new();
        for (tablet_id, tablet) in group.tablets.iter().filter(|(_, tablet)| tablet.table == *id) {
            let mut found: Vec<(i64, i64, &str)> = tablet
                .replicas
                .iter()
                .map(|replica| {
                    let alive = group.nodes.get(&replica.backend).is_some_and(|node| node.alive);
                    let status = if !alive {
                        "DEAD"
                    } else if replica.missing {
                        "MISSING"
                    } else {
                        "OK"
                    };
                    (i64::try_from(replica.id).unwrap_or(-1), i64::try_from(replica.backend).unwrap_or(-1), status)
                })
                .collect();
            found.extend((found.len()..entry.replication).map(|_| (-1, -1, "MISSING")));
            for (replica, backend, status) in found {
                if filter.as_ref().is_none_or(|(negated, wanted)| (status == wanted) != *negated) {
                    let version = if replica < 0 { "-1" } else { "1" };
                    lines.push(barred(&format!("{tablet_id}|{replica}|{backend}|{version}|-1|{version}|1|-1|1|false|NORMAL|{status}")));
                }
            }
        }
        let columns = "TabletId|ReplicaId|BackendId|Version|LastFailedVersion|LastSuccessVersion|CommittedVersion|SchemaHash|VersionNum|IsBad|State|Status";
        Ok(barred_rows(columns, lines))
    }
}
