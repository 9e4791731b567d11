//! information_schema.be_configs: keys of living backends and compute nodes, shown and updated (starrocks.md §2.6; not measured on real nodes).

use super::access::{Forward, Session, done, failed, rows};
use super::parameters::{Kind, Parameter};
use super::process::Process;
use super::state::Group;
use super::text::{Cursor, Token, TokenKind};
use super::users::Privilege;
use super::{SqlReply, StarRocks};
use crate::sim::runtime::ContainerId;

const fn mutable(key: &'static str, default: &'static str, kind: Kind) -> Parameter {
    Parameter { key, alias: None, default, kind, mutable: true, since: (2, 0) }
}

/// A few keys with their defaults (starrocks.md §5; docs.starrocks.io, BE configuration).
const NODE_PARAMETERS: &[Parameter] = &[
    Parameter { mutable: false, ..mutable("be_port", "9060", Kind::Int) },
    mutable("compact_threads", "4", Kind::Int),
    mutable("max_compaction_concurrency", "-1", Kind::Int),
    Parameter { mutable: false, ..mutable("mem_limit", "90%", Kind::Text) },
    mutable("object_storage_secret_key", "", Kind::Text),
    Parameter { mutable: false, ..mutable("storage_root_path", "${STARROCKS_HOME}/storage", Kind::Text) },
    mutable("tablet_max_versions", "1000", Kind::Int),
];

impl StarRocks {
    /// SELECT * of the keys that the statement names: `NAME IN ('a', 'b')`, or all.
    pub(super) fn node_configuration(&self, group: &Group, words: &[Token]) -> SqlReply {
        let named: Vec<&str> = words.iter().filter(|token| token.kind == TokenKind::Text).map(|token| token.text.as_str()).collect();
        let mut lines = Vec::new();
        for (id, node) in group.nodes.iter().filter(|(_, node)| node.alive) {
            let Some((_, process)) = self.node_process(node).filter(|(_, process)| process.open()) else { continue };
            for parameter in NODE_PARAMETERS.iter().filter(|parameter| named.is_empty() || named.contains(&parameter.key)) {
                let value = shown(process, parameter);
                let mutable = if parameter.mutable { "1" } else { "0" };
                let cells = [id.to_string(), parameter.key.to_owned(), value, parameter.kind.name().to_owned()];
                lines.push(cells.into_iter().chain([parameter.default.to_owned(), mutable.to_owned()]).map(Some).collect());
            }
        }
        rows(&["BE_ID", "NAME", "VALUE", "TYPE", "DEFAULT", "MUTABLE"], lines)
    }

    /// `UPDATE information_schema.be_configs SET VALUE = '…' WHERE NAME = '…' [AND BE_ID = n]`.
    pub(super) fn update(&mut self, session: &Session, cursor: &mut Cursor) -> Result<SqlReply, SqlReply> {
        if !cursor.eat("information_schema.be_configs set value =") {
            return Err(failed(1064, cursor.not_viable()));
        }
        self.need(session, Privilege::Operate)?;
        self.reach_leader(session, Forward::Write)?;
        let value = cursor.text().unwrap_or_default();
        if !cursor.eat("where name =") {
            return Err(failed(1064, cursor.unexpected("'WHERE'")));
        }
        let key = cursor.text().unwrap_or_default();
        let only: Option<u64> = if cursor.eat("and be_id =") { cursor.name().and_then(|id| id.parse().ok()) } else { None };
        let Some(group) = self.groups.get(&session.cluster) else { return Err(SqlReply::Refused) };
        self.live_backend(group)?;
        let nodes = group.nodes.iter().filter(|(id, node)| node.alive && only.is_none_or(|only| only == **id));
        let processes: Vec<ContainerId> = nodes.filter_map(|(_, node)| Some(self.node_process(node)?.0.clone())).collect();
        for id in processes {
            self.set_in_node(&id, &key, &value).map_err(|text| failed(1064, text))?;
        }
        Ok(done())
    }

    /// Sets one key in the memory of one node, with the words of `configbase.cpp`.
    fn set_in_node(&mut self, id: &ContainerId, key: &str, value: &str) -> Result<(), String> {
        let parameter = NODE_PARAMETERS.iter().find(|parameter| parameter.key == key).ok_or_else(|| format!("'{key}' is not found"))?;
        if !parameter.mutable {
            return Err(format!("'{key}' is not support to modify"));
        }
        if !parameter.kind.accepts(value) {
            return Err(format!("convert '{value}' as {} failed", parameter.kind.name()));
        }
        if let Some(process) = self.processes.get_mut(id) {
            process.memory.insert(parameter.key, value.to_owned());
        }
        Ok(())
    }
}

/// The value as the node shows it; credentials are hidden from 4.0.17 and 4.1.7 on (starrocks.md §1.4).
fn shown(process: &Process, parameter: &Parameter) -> String {
    let value = process.parameter(parameter);
    let release = process.release;
    let masks = if release.line() >= (4, 1) { release.at_least(4, 1, 7) } else { release.at_least(4, 0, 17) };
    if masks && parameter.key.contains("secret") { "******".to_owned() } else { value }
}
