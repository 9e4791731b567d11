//! SELECT statements: constants and variables from the frontend itself, information_schema only with a live backend (real-fe.md §1, §7).

use super::access::{Session, failed, rows};
use super::state::Group;
use super::statements::empty;
use super::text::{Cursor, Token, TokenKind};
use super::{SqlReply, StarRocks};

impl StarRocks {
    pub(super) fn select(&self, session: &Session, statement: &str) -> Result<SqlReply, SqlReply> {
        let (Some(process), Some(group)) = (self.session_process(session), self.groups.get(&session.cluster)) else {
            return Err(SqlReply::Refused);
        };
        if self.is_stale(process) {
            return Err(self.no_master(process));
        }
        let mut cursor = Cursor::new(statement);
        cursor.eat("select");
        let words = cursor.rest().to_vec();
        let table = words.iter().position(|token| token.text.eq_ignore_ascii_case("from")).and_then(|at| words.get(at + 1));
        if let Some(table) = table {
            return self.select_from(group, &words, &table.text);
        }
        let lower = statement.to_lowercase();
        if lower.contains("current_version()") {
            self.live_backend(group)?;
            return Ok(rows(&["current_version()"], vec![vec![Some(process.release.reported().replacen('-', " ", 1))]]));
        }
        if lower.contains("current_role()") {
            let roles = group
                .users
                .get(&session.user)
                .filter(|_| session.roles_active)
                .map(|user| user.roles.iter().cloned().collect::<Vec<_>>().join(", "));
            return Ok(rows(&["CURRENT_ROLE()"], vec![vec![roles.filter(|roles| !roles.is_empty()).or(Some("NONE".to_owned()))]]));
        }
        let items = items(&words);
        let mut line = Vec::new();
        for item in &items {
            line.push(Some(self.scalar(session, &item.expression)?));
        }
        let names: Vec<&str> = items.iter().map(|item| item.name.as_str()).collect();
        Ok(rows(&names, vec![line]))
    }

    /// A variable or a constant.
    fn scalar(&self, session: &Session, word: &str) -> Result<String, SqlReply> {
        let (Some(process), Some(group)) = (self.session_process(session), self.groups.get(&session.cluster)) else {
            return Err(SqlReply::Refused);
        };
        let Some(name) = word.strip_prefix("@@") else { return Ok(word.to_owned()) };
        let name = name.to_lowercase();
        let name = name.trim_start_matches("global.").trim_start_matches("session.");
        let unknown = || {
            let similar = match name {
                "socket" => "'hdfs_backend_selector_hash_algorithm', 'hdfs_backend_selector_force_rebalance', 'use_compute_nodes'",
                _ => "'plan_mode', 'spill_mode', 'sql_mode_v2'",
            };
            failed(
                1193,
                format!(
                    "Getting analyzing error. Detail message: Unknown system variable '{name}', the most similar variables are {{{similar}}}."
                ),
            )
        };
        Ok(match name {
            "version_comment" => process.release.reported(),
            "version" => if process.release.at_least(3, 4, 0) { "8.0.33" } else { "5.1.0" }.to_owned(),
            "max_allowed_packet" => "33554432".to_owned(),
            "wait_timeout" => "28800".to_owned(),
            "cbo_enable_low_cardinality_optimize" => group.variables.get(name).cloned().unwrap_or_else(|| "true".to_owned()),
            "enable_rewrite_simple_agg_to_meta_scan" => group.variables.get(name).cloned().unwrap_or_else(|| "false".to_owned()),
            // starrocks.md §1.4: a variable from 4.1 on, unknown before (real-fe.md §1).
            "run_mode" if process.release.at_least(4, 1, 0) => if group.shared_data { "shared_data" } else { "shared_nothing" }.to_owned(),
            _ => group.variables.get(name).cloned().ok_or_else(unknown)?,
        })
    }

    /// Queries on tables need a backend that counts as alive and answers (real-fe.md §11.2: Alive alone does not mean that queries work).
    pub(super) fn live_backend(&self, group: &Group) -> Result<(), SqlReply> {
        let alive: Vec<_> = group.nodes.values().filter(|node| node.alive).collect();
        if alive.is_empty() {
            return Err(failed(1064, "Backend node not found. Check if any backend node is down.backend: "));
        }
        let answers = |node: &&&super::state::Node| {
            self.node_process(node).is_some_and(|(_, process)| process.open() && !self.faults.is_cut(process))
        };
        if alive.iter().any(|node| answers(&node)) {
            return Ok(());
        }
        let listed = alive.iter().map(|node| format!("[{} alive: true inBlacklist: true]", node.host)).collect::<Vec<_>>().join(" ");
        Err(failed(1064, format!("Backend node not found. Check if any backend node is down.backend: {listed}")))
    }

    /// `loads`: all of them cancelled ones.
    fn loads(&self, words: &[Token]) -> SqlReply {
        let items = items(words);
        match items.first() {
            Some(item) if item.counts() => rows(&[&item.name], vec![vec![Some(counted(&item.expression, self.faults.cancelled_loads()))]]),
            _ => empty("ID"),
        }
    }

    fn select_from(&self, group: &Group, words: &[Token], table: &str) -> Result<SqlReply, SqlReply> {
        let name = table.to_lowercase();
        let Some(view) = name.strip_prefix("information_schema.") else {
            return Err(failed(5502, format!("Getting analyzing error. Detail message: Unknown table '{table}'.")));
        };
        self.live_backend(group)?;
        match view {
            "partitions_meta" => Ok(partitions_meta(group, words)),
            "be_configs" => Ok(self.node_configuration(group, words)),
            "tables" => {
                let lines = group.tables.values().map(|table| vec![Some(table.database.clone()), Some(table.name.clone())]).collect();
                Ok(rows(&["TABLE_SCHEMA", "TABLE_NAME"], lines))
            }
            "loads" => Ok(self.loads(words)),
            "pipes"
            | "routine_load_jobs"
            | "fe_tablet_schedules"
            | "be_tablets"
            | "cluster_snapshots"
            | "cluster_snapshot_jobs"
            | "task_runs" => {
                let items = items(words);
                match items.first() {
                    Some(item) if item.counts() => Ok(rows(&[&item.name], vec![vec![Some("0".to_owned())]])),
                    Some(item) if item.expression != "*" => {
                        Ok(rows(&items.iter().map(|item| item.name.as_str()).collect::<Vec<_>>(), Vec::new()))
                    }
                    _ => Ok(empty("ID")),
                }
            }
            other => Err(failed(5502, format!("Getting analyzing error. Detail message: Unknown table 'information_schema.{other}'."))),
        }
    }
}

/// The number behind `COUNT(*)`, or whether it is what an expression such as `COUNT(*)<5` says; conditions pass.
fn counted(expression: &str, count: u32) -> String {
    let compared = expression.split_once(')').map_or("", |(_, rest)| rest);
    let digits = compared.trim_start_matches(['<', '=', '>']);
    let Ok(other) = digits.parse::<u32>() else { return count.to_string() };
    let holds = match compared.get(..compared.len() - digits.len()).unwrap_or_default() {
        "<" => count < other,
        "<=" => count <= other,
        ">" => count > other,
        ">=" => count >= other,
        _ => count == other,
    };
    u8::from(holds).to_string()
}

/// One thing that a SELECT asks for.
struct Item {
    expression: String,
    /// Its alias, or the expression itself.
    name: String,
}

impl Item {
    fn counts(&self) -> bool {
        self.expression.to_lowercase().starts_with("count(")
    }
}

/// The list between SELECT and FROM.
fn items(words: &[Token]) -> Vec<Item> {
    let keyword = |token: &Token, word: &str| token.kind == TokenKind::Word && token.text.eq_ignore_ascii_case(word);
    let until = words.iter().position(|token| keyword(token, "from") || keyword(token, "limit")).unwrap_or(words.len());
    let listed = words.get(..until).unwrap_or_default();
    let listed: Vec<&Token> = listed.iter().filter(|token| !keyword(token, "distinct")).collect();
    let of = |part: &[&Token]| {
        let at = part.iter().position(|token| keyword(token, "as")).unwrap_or(part.len());
        let expression: String = part.get(..at).unwrap_or_default().iter().map(|token| token.text.as_str()).collect();
        let alias = part.get(at + 1).map(|token| token.text.clone());
        Item { name: alias.unwrap_or_else(|| expression.clone()), expression }
    };
    listed.split(|token| token.kind == TokenKind::Symbol && token.text == ",").filter(|part| !part.is_empty()).map(of).collect()
}

/// `partitions_meta`: one partition per table; conditions on REPLICATION_NUM and DB_NAME are understood, others pass.
fn partitions_meta(group: &Group, words: &[Token]) -> SqlReply {
    let from = words.iter().position(|token| token.text.eq_ignore_ascii_case("from")).unwrap_or(words.len());
    let items = items(words);
    let matching: Vec<_> = group
        .tables
        .iter()
        .filter(|(_, table)| matches_conditions(&table.database, table.replication, words.get(from..).unwrap_or_default()))
        .collect();
    if let Some(item) = items.first().filter(|item| item.counts()) {
        return rows(&[&item.name], vec![vec![Some(matching.len().to_string())]]);
    }
    let all = ["DB_NAME", "TABLE_NAME", "PARTITION_NAME", "PARTITION_ID", "BUCKETS", "REPLICATION_NUM"];
    let everything = items.first().is_none_or(|item| item.expression == "*");
    let columns: Vec<String> =
        if everything { all.map(str::to_owned).to_vec() } else { items.iter().map(|item| item.expression.to_uppercase()).collect() };
    let names: Vec<&str> = if everything { all.to_vec() } else { items.iter().map(|item| item.name.as_str()).collect() };
    let line = |id: &u64, table: &super::state::Table| {
        columns
            .iter()
            .map(|column| {
                Some(match column.as_str() {
                    "DB_NAME" => table.database.clone(),
                    "TABLE_NAME" | "PARTITION_NAME" => table.name.clone(),
                    "PARTITION_ID" => id.to_string(),
                    "BUCKETS" => group.tablets.values().filter(|tablet| tablet.table == *id).count().to_string(),
                    "REPLICATION_NUM" => table.replication.to_string(),
                    _ => String::new(),
                })
            })
            .collect()
    };
    rows(&names, matching.into_iter().map(|(id, table)| line(id, table)).collect())
}

fn matches_conditions(database: &str, replication: usize, words: &[Token]) -> bool {
    let mut holds = true;
    for (at, word) in words.iter().enumerate() {
        let following = words.get(at + 1..).unwrap_or_default();
        let operator: String = following
            .iter()
            .take_while(|token| token.kind == TokenKind::Symbol && "<>=!".contains(&token.text))
            .map(|token| token.text.as_str())
            .collect();
        let operand = following.get(operator.len()).map_or("", |token| token.text.as_str());
        if word.text.eq_ignore_ascii_case("replication_num") {
            let wanted: usize = operand.parse().unwrap_or(0);
            holds &= match operator.as_str() {
                "=" => replication == wanted,
                "<" => replication < wanted,
                "<=" => replication <= wanted,
                ">" => replication > wanted,
                _ => true,
            };
        } else if word.text.eq_ignore_ascii_case("db_name") {
            let listed = following
                .iter()
                .skip(2)
                .take_while(|token| token.text != ")")
                .any(|token| token.kind == TokenKind::Text && token.text == database);
            holds &= match operator.as_str() {
                "=" => operand == database,
                "!=" | "<>" => operand != database,
                _ if operand.eq_ignore_ascii_case("not") => !listed,
                _ => true,
            };
        }
    }
    holds
}
