//! Users, passwords, roles and the few privileges that matter to whoever operates a cluster (real-fe.md §9).

use super::access::{Forward, Session, done, failed};
use super::text::{Cursor, TokenKind};
use super::{SqlReply, StarRocks};

/// What a statement needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Privilege {
    Node,
    OperateOrNode,
    Operate,
    Grant,
    Blacklist,
    Repository,
    CreateExternalCatalog,
}

impl Privilege {
    fn name(self) -> &'static str {
        match self {
            Self::Node => "NODE",
            Self::OperateOrNode => "OPERATE OR NODE",
            Self::Operate => "OPERATE",
            Self::Grant => "GRANT",
            Self::Blacklist => "BLACKLIST",
            Self::Repository => "REPOSITORY",
            Self::CreateExternalCatalog => "CREATE EXTERNAL CATALOG",
        }
    }
}

impl StarRocks {
    /// Refuses with 5203 when the session's user lacks the privilege.
    pub(super) fn need(&self, session: &Session, privilege: Privilege) -> Result<(), SqlReply> {
        let user = self.groups.get(&session.cluster).and_then(|group| group.users.get(&session.user));
        let Some(user) = user else { return Err(failed(1064, "unknown user")) };
        let role = |name: &str| session.roles_active && user.roles.contains(name);
        let held = |name: &str| user.privileges.contains(name);
        let enough = role("root")
            || match privilege {
                Privilege::Node => role("cluster_admin") || held("NODE"),
                Privilege::OperateOrNode => role("cluster_admin") || held("NODE") || held("OPERATE"),
                Privilege::Grant => role("user_admin"),
                other => held(other.name()),
            };
        if enough {
            return Ok(());
        }
        let list = |roles: Vec<&String>| {
            if roles.is_empty() { "NONE".to_owned() } else { format!("[{}]", roles.into_iter().cloned().collect::<Vec<_>>().join(", ")) }
        };
        let (current, inactive): (Vec<&String>, Vec<&String>) = user.roles.iter().partition(|_| session.roles_active);
        Err(failed(
            5203,
            format!(
                "Access denied; you need (at least one of) the {} privilege(s) on SYSTEM for this operation. Please ask the admin to grant permission(s) or try activating existing roles using <set [default] role>. Current role(s): {}. Inactivated role(s): {}.",
                privilege.name(),
                list(current),
                list(inactive)
            ),
        ))
    }

    pub(super) fn set(&mut self, session: &mut Session, cursor: &mut Cursor) -> Result<SqlReply, SqlReply> {
        if cursor.eat("role") {
            session.roles_active = !cursor.eat("none");
            return Ok(done());
        }
        if cursor.eat("password") {
            return self.set_password(session, cursor);
        }
        if cursor.eat("default role") {
            self.need(session, Privilege::Grant)?;
            self.reach_leader(session, Forward::Write)?;
            let name = cursor.rest().last().map(|token| token.text.clone()).unwrap_or_default();
            return self.change_user(session.cluster, &name, |user| user.default_roles = true);
        }
        if cursor.eat("global") {
            self.need(session, Privilege::Operate)?;
            self.reach_leader(session, Forward::Write)?;
            let name = cursor.name().unwrap_or_default();
            cursor.eat("=");
            let value = cursor.next().map(|token| token.text).unwrap_or_default();
            if let Some(group) = self.groups.get_mut(&session.cluster) {
                group.variables.insert(name.to_lowercase(), value);
                group.journal += 1;
            }
            return Ok(done());
        }
        if cursor.rest().iter().any(|token| token.kind == TokenKind::Word && token.text.eq_ignore_ascii_case("select")) {
            return Err(failed(1064, "Getting analyzing error. Detail message: Set statement only support constant expr.."));
        }
        Ok(done())
    }

    /// `SET PASSWORD [FOR user] = PASSWORD('x')`: effective on all frontends at once.
    fn set_password(&mut self, session: &Session, cursor: &mut Cursor) -> Result<SqlReply, SqlReply> {
        let name = if cursor.eat("for") { user_name(cursor) } else { session.user.clone() };
        if name == "root" && session.user != "root" {
            return Err(failed(1064, "Getting analyzing error. Detail message: Can not modify root user, except root itself."));
        }
        if name != session.user {
            self.need(session, Privilege::Grant)?;
        }
        self.reach_leader(session, Forward::Write)?;
        let password =
            cursor.rest().iter().rev().find(|token| token.kind == TokenKind::Text).map(|token| token.text.clone()).unwrap_or_default();
        let known = self.groups.get(&session.cluster).is_some_and(|group| group.users.contains_key(&name));
        if !known {
            return Err(failed(
                1064,
                format!("Getting analyzing error. Detail message: authentication info for user '{name}'@'%' not found."),
            ));
        }
        self.change_user(session.cluster, &name, |user| user.password = password)
    }

    pub(super) fn create_user(&mut self, session: &Session, cursor: &mut Cursor) -> Result<SqlReply, SqlReply> {
        self.need(session, Privilege::Grant)?;
        self.reach_leader(session, Forward::Write)?;
        let lenient = cursor.eat("if not exists");
        let name = user_name(cursor);
        let password = if cursor.eat("identified by") { cursor.text().unwrap_or_default() } else { String::new() };
        let Some(group) = self.groups.get_mut(&session.cluster) else { return Err(SqlReply::Refused) };
        if group.users.contains_key(&name) {
            let text =
                format!("Getting analyzing error. Detail message: Operation CREATE USER failed for '{name}'@'%' : user already exists.");
            return if lenient { Ok(done()) } else { Err(failed(1064, text)) };
        }
        group.users.insert(name, super::state::User { password, ..super::state::User::default() });
        group.journal += 1;
        Ok(done())
    }

    /// `GRANT role TO user` and `GRANT A, B ON SYSTEM TO USER user`.
    pub(super) fn grant(&mut self, session: &Session, cursor: &mut Cursor) -> Result<SqlReply, SqlReply> {
        self.need(session, Privilege::Grant)?;
        self.reach_leader(session, Forward::Write)?;
        let words: Vec<String> = cursor.rest().iter().map(|token| token.text.clone()).collect();
        let find = |word: &str| words.iter().position(|known| known.eq_ignore_ascii_case(word));
        let Some(to) = find("to") else { return Err(failed(1064, cursor.unexpected("TO"))) };
        let user =
            words.get(to + 1).filter(|word| !word.eq_ignore_ascii_case("user")).or_else(|| words.get(to + 2)).cloned().unwrap_or_default();
        let granted = words.get(..find("on").unwrap_or(to)).unwrap_or_default().join(" ");
        let on_system = find("on").is_some();
        self.change_user(session.cluster, &user, |user| {
            for item in granted.split(" , ") {
                if on_system {
                    user.privileges.insert(item.to_uppercase());
                } else {
                    user.roles.insert(item.to_lowercase());
                }
            }
        })
    }

    /// `ALTER USER u DEFAULT ROLE ALL` and `ALTER USER u IDENTIFIED BY 'x'`.
    pub(super) fn alter_user(&mut self, session: &Session, cursor: &mut Cursor) -> Result<SqlReply, SqlReply> {
        let name = user_name(cursor);
        if name == "root" && session.user != "root" {
            return Err(failed(1064, "Getting analyzing error. Detail message: Can not modify root user, except root itself."));
        }
        if name != session.user {
            self.need(session, Privilege::Grant)?;
        }
        self.reach_leader(session, Forward::Write)?;
        if cursor.eat("default role") {
            return self.change_user(session.cluster, &name, |user| user.default_roles = true);
        }
        let password =
            cursor.rest().iter().rev().find(|token| token.kind == TokenKind::Text).map(|token| token.text.clone()).unwrap_or_default();
        self.change_user(session.cluster, &name, |user| user.password = password)
    }

    fn change_user(&mut self, cluster: u32, name: &str, change: impl FnOnce(&mut super::state::User)) -> Result<SqlReply, SqlReply> {
        let Some(group) = self.groups.get_mut(&cluster) else { return Err(SqlReply::Refused) };
        let Some(user) = group.users.get_mut(name) else {
            return Err(failed(1064, format!("Getting analyzing error. Detail message: cannot find user '{name}'@'%'.")));
        };
        change(user);
        group.journal += 1;
        Ok(done())
    }
}

/// `op`, `'op'`, `'op'@'%'`.
fn user_name(cursor: &mut Cursor) -> String {
    let name = cursor.name().unwrap_or_default();
    if cursor.peek().is_some_and(|token| token.text.starts_with('@')) {
        cursor.next();
        // The host in its own quotes.
        cursor.text();
    }
    name.split('@').next().unwrap_or(&name).to_owned()
}
