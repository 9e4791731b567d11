//! Warehouses: groups of compute nodes in a shared-data cluster. Open-source StarRocks has only the default one; an edition with more is played when fe.conf says so.

use super::access::{Forward, Session, done, failed};
use super::process::Process;
use super::state::Group;
use super::text::Cursor;
use super::{SqlReply, StarRocks};

/// The warehouse that is always there.
pub(super) const DEFAULT_WAREHOUSE: &str = "default_warehouse";
/// Key in fe.conf that stands for the edition: real frontends have no such key, and the simulated ones no such edition.
const EDITION: &str = "sim_multi_warehouse";

pub(super) const COLUMNS: [&str; 14] = [
    "Id",
    "Name",
    "State",
    "NodeCount",
    "CurrentClusterCount",
    "MaxClusterCount",
    "StartedClusters",
    "RunningSql",
    "QueuedSql",
    "CreatedOn",
    "ResumedOn",
    "UpdatedOn",
    "Property",
    "Comment",
];

/// SHOW WAREHOUSES.
pub(super) fn lines(group: &Group) -> Vec<Vec<Option<String>>> {
    let line = |id: usize, name: &str, nodes: usize, comment: &str| {
        let (id, nodes) = (id.to_string(), nodes.to_string());
        let cells = [id.as_str(), name, "AVAILABLE", nodes.as_str(), "1", "1", "1", "0", "0", "", "", "", "", comment];
        cells.iter().map(|cell| Some((*cell).to_owned())).collect()
    };
    let nodes = |name: &str| group.nodes.values().filter(|node| node.compute && node.warehouse == name).count();
    // The count of the default one was 0 in every recording.
    let default = line(0, DEFAULT_WAREHOUSE, 0, "An internal warehouse init after FE is ready");
    let others = group.warehouses.iter().enumerate().map(|(index, name)| line(index + 1, name, nodes(name), ""));
    std::iter::once(default).chain(others).collect()
}

/// `/api/v2/feature`.
pub(super) fn features(process: &Process) -> String {
    let rbac = r#"{"name":"RBAC","description":"privilege system with full RBAC functionalities, supporting role inheritance and default roles.","link":"https://docs.starrocks.io/en-us/latest/administration/privilege_overview"}"#;
    let more = if has_edition(process) {
        r#",{"name":"multi-warehouse","description":"several warehouses in one cluster.","link":""}"#
    } else {
        ""
    };
    format!(r#"{{"features":[{rbac}{more}],"version":"{}","status":"OK"}}"#, process.release)
}

fn has_edition(process: &Process) -> bool {
    process.file.get(EDITION).is_some_and(|value| value == "true")
}

impl StarRocks {
    /// Warehouses beside the default one of the clusters in a namespace.
    pub fn warehouses(&self, namespace: &str) -> Vec<String> {
        self.groups.values().filter(|group| group.namespace == namespace).flat_map(|group| group.warehouses.iter().cloned()).collect()
    }

    /// How many compute nodes a warehouse has in the books.
    pub fn nodes_of_warehouse(&self, namespace: &str, warehouse: &str) -> usize {
        let groups = self.groups.values().filter(|group| group.namespace == namespace);
        groups.flat_map(|group| group.nodes.values()).filter(|node| node.compute && node.warehouse == warehouse).count()
    }

    pub(super) fn create_warehouse(&mut self, session: &Session, cursor: &mut Cursor) -> Result<SqlReply, SqlReply> {
        let lenient = cursor.eat("if not exists");
        let name = cursor.name().unwrap_or_default();
        self.may_change_warehouses(session)?;
        let Some(group) = self.groups.get_mut(&session.cluster) else { return Err(SqlReply::Refused) };
        let is_new = name != DEFAULT_WAREHOUSE && group.warehouses.insert(name.clone());
        if !is_new && !lenient {
            return Err(failed(5901, format!("Warehouse {name} already exists.")));
        }
        group.journal += u64::from(is_new);
        Ok(done())
    }

    pub(super) fn drop_warehouse(&mut self, session: &Session, cursor: &mut Cursor) -> Result<SqlReply, SqlReply> {
        let lenient = cursor.eat("if exists");
        let name = cursor.name().unwrap_or_default();
        self.may_change_warehouses(session)?;
        let Some(group) = self.groups.get_mut(&session.cluster) else { return Err(SqlReply::Refused) };
        if name == DEFAULT_WAREHOUSE {
            return Err(failed(1064, "Can not drop the default_warehouse"));
        }
        if !group.warehouses.remove(&name) && !lenient {
            return Err(failed(5901, format!("Warehouse name: {name} not exist.")));
        }
        // Its nodes are forgotten with it.
        group.nodes.retain(|_, node| node.warehouse != name);
        group.journal += 1;
        Ok(done())
    }

    /// real-fe.md §9: without the edition refused in both run modes.
    fn may_change_warehouses(&mut self, session: &Session) -> Result<(), SqlReply> {
        if !self.session_process(session).is_some_and(has_edition) {
            return Err(failed(1064, "Multi-Warehouse is not implemented"));
        }
        self.reach_leader(session, Forward::Write)
    }
}
