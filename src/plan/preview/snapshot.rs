//! What runs, told by a resource and its status alone: an observation for whoever cannot or must not look, as in admission. Never asks anybody.

use std::collections::BTreeMap;

use crate::api::StarRocksClusterStatus;
use crate::model::component::NODES_MAX;
use crate::model::observed::{LiveObject, Ownership, Pod};
use crate::model::starrocks::{BackendRow, FrontendRole, FrontendRow};
use crate::model::{Answer, Cluster, Component, ObjectKind, Observed, Timestamp};

/// The objects of `former` as this operator would have made them, with what the status says. A field that the operator's release writes differently
/// than an earlier one did is therefore not seen here; it is where live objects are compared.
pub fn as_described(former: &Cluster, status: &StarRocksClusterStatus, now: Timestamp) -> Observed {
    let mut observed = Observed { status: status.clone(), ..Observed::empty(now) };
    // A resource whose status nobody has written yet is taken as seen: what comes after it is a change.
    observed.status.observed_generation.get_or_insert(former.generation);
    // What proxies follow is the configuration that they were made with.
    for object in crate::build::follow_proxy_config(crate::build::objects(former), &observed) {
        let key = object.key();
        let live = LiveObject {
            uid: String::new(),
            resource_version: String::new(),
            ownership: Ownership::Ours,
            deleting: false,
            body: object.to_json(),
        };
        observed.objects.entry(key.kind).or_default().insert(key.name, live);
    }
    observed
}

/// The observation with the releases and the leader that the status tells, where StarRocks was not asked.
pub fn with_reports(cluster: &Cluster, observed: &Observed) -> Observed {
    let mut observed = observed.clone();
    if observed.group.frontends != Answer::NotAsked || cluster.warehouse.is_some() {
        return observed;
    }
    let status = observed.status.clone();
    let mut rows = Vec::new();
    let mut nodes: BTreeMap<Component, Vec<BackendRow>> = BTreeMap::new();
    for component in Component::STARROCKS {
        for (name, ordinal, version) in releases(cluster, &observed, &status, component) {
            observed.pods.entry(name.clone()).or_insert_with(|| pod(&name, ordinal, component, observed.now));
            let Some(version) = version else { continue };
            if component == Component::Frontend {
                rows.push(frontend(&name, version, status.leader.as_deref() == Some(name.as_str())));
            } else {
                nodes.entry(component).or_default().push(node(&name, version));
            }
        }
    }
    observed.group.frontends = Answer::Known(rows);
    observed.group.backends = Answer::Known(nodes.remove(&Component::Backend).unwrap_or_default());
    observed.group.compute_nodes = Answer::Known(nodes.remove(&Component::ComputeNode).unwrap_or_default());
    observed
}

/// The pods of a component with what they run: one release for all, or the numbers of each, given to pods in the order in which they move.
fn releases(
    cluster: &Cluster,
    observed: &Observed,
    status: &StarRocksClusterStatus,
    component: Component,
) -> Vec<(String, u32, Option<String>)> {
    let workload = component.workload_name(&cluster.name);
    let replicas = observed.object(ObjectKind::StatefulSet, &workload).map_or(0, |live| live.integer("/spec/replicas"));
    let mut ordinals: Vec<u32> = (0..u32::try_from(replicas).unwrap_or(0).min(NODES_MAX)).rev().collect();
    let leader = status.leader.as_deref().and_then(crate::model::component::ordinal).filter(|_| component == Component::Frontend);
    ordinals.sort_by_key(|ordinal| Some(*ordinal) == leader);
    let of_component = match component {
        Component::Frontend => status.star_rocks_fe_status.as_ref(),
        Component::Backend => status.star_rocks_be_status.as_ref(),
        Component::ComputeNode => status.star_rocks_cn_status.as_ref().map(|status| &status.component),
        Component::FrontendProxy => None,
    };
    let mut told = match &status.version {
        Some(version) => vec![version.clone(); ordinals.len()],
        None => of_component.map(|of_component| each(&of_component.running_versions, status)).unwrap_or_default(),
    }
    .into_iter();
    ordinals.into_iter().map(|ordinal| (format!("{workload}-{ordinal}"), ordinal, told.next())).collect()
}

/// Releases by count as one for each node, that of the hop under way first: those nodes have moved.
fn each(running: &BTreeMap<String, i32>, status: &StarRocksClusterStatus) -> Vec<String> {
    let operation = status.operation.as_ref();
    let hop = operation.and_then(|operation| usize::try_from(operation.hop).ok()?.checked_sub(1)).unwrap_or(0);
    let towards = operation.and_then(|operation| operation.path.get(hop));
    let mut running: Vec<(&String, &i32)> = running.iter().collect();
    running.sort_by_key(|(version, _)| Some(*version) != towards);
    let repeated = |(version, count): (&String, &i32)| vec![version.clone(); usize::try_from(*count).unwrap_or(0)];
    running.into_iter().flat_map(repeated).collect()
}

fn pod(name: &str, ordinal: u32, component: Component, now: Timestamp) -> Pod {
    Pod {
        name: name.to_owned(),
        uid: String::new(),
        component,
        ordinal: Some(ordinal),
        revision: String::new(),
        ports: crate::model::ports::DeclaredPorts::default(),
        image: String::new(),
        ip: None,
        node: None,
        created: now,
        started: None,
        ready: true,
        running: true,
        deleting: false,
        restarts: 0,
        problem: None,
        unexplained: None,
        failed: false,
    }
}

fn frontend(pod: &str, version: String, leads: bool) -> FrontendRow {
    FrontendRow {
        host: pod.to_owned(),
        edit_log_port: 0,
        query_port: 0,
        role: if leads { FrontendRole::Leader } else { FrontendRole::Follower },
        join: true,
        alive: true,
        replayed_journal_id: 0,
        last_heartbeat: None,
        start_time: None,
        error: String::new(),
        version,
    }
}

fn node(pod: &str, version: String) -> BackendRow {
    BackendRow {
        id: 0,
        host: pod.to_owned(),
        heartbeat_port: 0,
        alive: true,
        decommissioning: false,
        last_start_time: None,
        last_heartbeat: None,
        tablet_count: None,
        last_tablet_report: None,
        max_disk_used_basis_points: None,
        running_queries: None,
        version,
        status_code: String::new(),
        error: String::new(),
        warehouse: None,
    }
}
