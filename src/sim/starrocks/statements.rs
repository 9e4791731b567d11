//! One statement in, one reply out: routes by its first words and checks privilege and leader before anything happens.

use super::access::{Forward, Session, done, failed, rows};
use super::text::Cursor;
use super::users::Privilege;
use super::{SqlReply, StarRocks};
use crate::sim::runtime::Resolver;

impl StarRocks {
    /// Runs one statement on the frontend of a session.
    pub(super) fn run(&mut self, session: &mut Session, statement: &str, resolver: &dyn Resolver) -> SqlReply {
        let mut cursor = Cursor::new(statement);
        let reply = if cursor.eat("select") {
            self.select(session, statement)
        } else if cursor.eat("show") {
            self.show(session, &mut cursor)
        } else if cursor.eat("admin") {
            self.admin(session, &mut cursor)
        } else if cursor.eat("alter system") {
            self.alter_system(session, &mut cursor, resolver)
        } else if cursor.eat("cancel decommission backend") {
            self.cancel_decommission(session, &mut cursor)
        } else if cursor.eat("create") {
            self.create(session, &mut cursor)
        } else if cursor.eat("drop") {
            self.drop_object(session, &mut cursor)
        } else if cursor.eat("set") {
            self.set(session, &mut cursor)
        } else if cursor.eat("grant") {
            self.grant(session, &mut cursor)
        } else if cursor.eat("update") {
            self.update(session, &mut cursor)
        } else if cursor.eat("alter user") {
            self.alter_user(session, &mut cursor)
        } else {
            self.other(session, &mut cursor)
        };
        reply.unwrap_or_else(|refusal| refusal)
    }

    fn other(&mut self, session: &mut Session, cursor: &mut Cursor) -> Result<SqlReply, SqlReply> {
        if cursor.eat("use") {
            let name = cursor.name().unwrap_or_default();
            let known = self.groups.get(&session.cluster).is_some_and(|group| group.databases.values().any(|known| *known == name));
            if !known {
                return Err(unknown_database(&name));
            }
            session.database = Some(name);
            return Ok(done());
        }
        if cursor.eat("pause routine load for") {
            return self.change_routine_load(session, cursor, "PAUSED");
        }
        if cursor.eat("resume routine load for") {
            return self.change_routine_load(session, cursor, "NEED_SCHEDULE");
        }
        if cursor.eat("add backend blacklist") {
            self.need(session, Privilege::Blacklist)?;
            let id = cursor.name().unwrap_or_default();
            let known =
                id.parse().is_ok_and(|id: u64| self.groups.get(&session.cluster).is_some_and(|group| group.nodes.contains_key(&id)));
            return if known { Ok(done()) } else { Err(failed(1064, format!("Not found backend: {id}"))) };
        }
        if cursor.eat("delete backend blacklist") {
            self.need(session, Privilege::Blacklist)?;
            return Ok(done());
        }
        if cursor.eat("kill") {
            return Err(failed(1094, format!("Unknown thread id: {}", cursor.name().unwrap_or_default())));
        }
        if cursor.eat("cancel backup") {
            return Err(failed(5064, "No backup job is currently running"));
        }
        if cursor.eat("backup database") || cursor.eat("backup snapshot") {
            let repository =
                cursor.rest().iter().skip_while(|token| !token.text.eq_ignore_ascii_case("to")).nth(1).map(|token| token.text.clone());
            return Err(failed(
                5064,
                format!("Getting analyzing error. Detail message: Repository [{}] does not exist.", repository.unwrap_or_default()),
            ));
        }
        if cursor.eat("restore snapshot") {
            let repository =
                cursor.rest().iter().skip_while(|token| !token.text.eq_ignore_ascii_case("from")).nth(1).map(|token| token.text.clone());
            return Err(failed(5064, format!("Repository {} does not exist", repository.unwrap_or_default())));
        }
        Err(failed(1064, cursor.not_viable()))
    }

    fn create(&mut self, session: &Session, cursor: &mut Cursor) -> Result<SqlReply, SqlReply> {
        if cursor.eat("database") {
            self.reach_leader(session, Forward::Write)?;
            let lenient = cursor.eat("if not exists");
            let name = cursor.name().unwrap_or_default();
            let known = self.groups.get(&session.cluster).is_some_and(|group| group.databases.values().any(|known| *known == name));
            if known && !lenient {
                return Err(failed(1007, format!("Can't create database '{name}'; database exists")));
            }
            self.create_database(session.cluster, &name);
            return Ok(done());
        }
        if cursor.eat("table") {
            return self.create_table_statement(session, cursor);
        }
        if cursor.eat("user") {
            return self.create_user(session, cursor);
        }
        if cursor.eat("warehouse") {
            return self.create_warehouse(session, cursor);
        }
        if cursor.eat("repository") {
            self.need(session, Privilege::Repository)?;
            self.reach_leader(session, Forward::Write)?;
            // real-fe.md §9: the frontend itself tries to reach the bucket; no object store is played here.
            let text = "Failed to create repository: failed to list remote path. msg: Unable to execute HTTP request: Connection refused";
            return Err(SqlReply::Failed {
                code: 5064,
                state: "HY000".to_owned(),
                message: text.to_owned(),
                after: std::time::Duration::from_secs(26),
            });
        }
        if cursor.eat("external catalog") {
            self.need(session, Privilege::CreateExternalCatalog)?;
            self.reach_leader(session, Forward::Write)?;
            let lenient = cursor.eat("if not exists");
            let name = cursor.name().unwrap_or_default();
            let fresh = self.groups.get_mut(&session.cluster).is_some_and(|group| group.catalogs.insert(name.clone()));
            return if fresh || lenient { Ok(done()) } else { Err(failed(5514, format!("Catalog '{name}' already exists"))) };
        }
        Err(failed(1064, Cursor::new("create").not_viable()))
    }

    /// `CREATE TABLE [db.]t (…) … BUCKETS n PROPERTIES("replication_num"="n")`: only what placement needs is read.
    fn create_table_statement(&mut self, session: &Session, cursor: &mut Cursor) -> Result<SqlReply, SqlReply> {
        self.reach_leader(session, Forward::Write)?;
        let lenient = cursor.eat("if not exists");
        let name = cursor.name().unwrap_or_default();
        let (database, table) = match (name.split_once('.'), &session.database) {
            (Some((database, table)), _) => (database.to_owned(), table.to_owned()),
            (None, Some(database)) => (database.clone(), name.clone()),
            (None, None) => return Err(no_database()),
        };
        let words = cursor.rest();
        let after = |keyword: &str| words.iter().position(|token| token.text.eq_ignore_ascii_case(keyword));
        let buckets = after("buckets").and_then(|at| words.get(at + 1)).and_then(|token| token.text.parse().ok()).unwrap_or(1);
        let replication = after("replication_num").and_then(|at| words.get(at + 2)).and_then(|token| token.text.parse().ok()).unwrap_or(3);
        match self.create_table(session.cluster, &database, &table, buckets, replication) {
            Ok(()) => Ok(done()),
            Err(text) if lenient && text.contains("already exists") => Ok(done()),
            Err(text) => Err(failed(1064, text)),
        }
    }

    fn drop_object(&mut self, session: &Session, cursor: &mut Cursor) -> Result<SqlReply, SqlReply> {
        if cursor.eat("warehouse") {
            return self.drop_warehouse(session, cursor);
        }
        let statement = cursor.clone();
        let catalog = cursor.eat("catalog");
        if catalog || cursor.eat("database") || cursor.eat("table") || cursor.eat("user") {
            self.reach_leader(session, Forward::Write)?;
        } else if cursor.eat("repository") {
            return Err(failed(5064, "Getting analyzing error. Detail message: Repository does not exist."));
        } else {
            return Err(failed(1064, statement.not_viable()));
        }
        let lenient = cursor.eat("if exists");
        let name = cursor.name().unwrap_or_default();
        let Some(group) = self.groups.get_mut(&session.cluster) else { return Err(SqlReply::Refused) };
        if catalog {
            let known = group.catalogs.remove(&name);
            return if known || lenient { Ok(done()) } else { Err(failed(5078, format!("Unknown catalog '{name}'"))) };
        }
        let doomed: Vec<u64> = group
            .tables
            .iter()
            .filter(|(_, table)| table.database == name || format!("{}.{}", table.database, table.name) == name)
            .map(|(id, _)| *id)
            .collect();
        group.databases.retain(|_, known| *known != name);
        group.users.remove(&name);
        group.tables.retain(|id, _| !doomed.contains(id));
        group.tablets.retain(|_, tablet| !doomed.contains(&tablet.table));
        group.journal += 1;
        Ok(done())
    }

    fn change_routine_load(&mut self, session: &Session, cursor: &mut Cursor, state: &str) -> Result<SqlReply, SqlReply> {
        self.reach_leader(session, Forward::Write)?;
        let name = cursor.name().unwrap_or_default();
        let Some(group) = self.groups.get_mut(&session.cluster) else { return Err(SqlReply::Refused) };
        match group.activity.routine_loads.get_mut(&name) {
            Some(known) => {
                *known = state.to_owned();
                let reason = format!("ErrorReason{{errCode = 100, msg='User {} pauses routine load job'}}", session.user);
                match state {
                    "PAUSED" => group.activity.pause_reasons.insert(name, reason),
                    _ => group.activity.pause_reasons.remove(&name),
                };
                Ok(done())
            }
            None => {
                let job = name.rsplit('.').next().unwrap_or(&name);
                Err(failed(
                    5089,
                    format!("Getting analyzing error. Detail message: Routine load job [{job}] not found when checking privilege."),
                ))
            }
        }
    }
}

/// 5501 with the text of a statement that needs a database.
pub(super) fn unknown_database(name: &str) -> SqlReply {
    failed(5501, format!("Getting analyzing error. Detail message: Unknown database '{name}'."))
}

/// 1046.
pub(super) fn no_database() -> SqlReply {
    failed(1046, "Getting analyzing error. Detail message: No database selected.")
}

/// A result set with these columns and nothing in it.
pub(super) fn empty(columns: &str) -> SqlReply {
    rows(&columns.split('|').collect::<Vec<_>>(), Vec::new())
}
