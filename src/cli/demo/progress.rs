//! What can be told about the cluster at one moment, read from the embedded API's store; asks nobody.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::api::StarRocksClusterStatus;
use crate::model::component::{COMPONENT_LABEL, OWNER_LABEL};
use crate::model::{Component, Timestamp};
use crate::release::Image;
use crate::sim::world::{EPOCH, World};

/// The cluster at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Progress {
    /// Simulated seconds since the story began.
    pub(super) at_seconds: u64,
    /// What the operator reports.
    pub(super) status: StarRocksClusterStatus,
    /// Every node, frontends first.
    pub(super) nodes: Vec<Node>,
}

/// One pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Node {
    pub(super) pod: String,
    pub(super) component: String,
    pub(super) version: String,
    pub(super) state: String,
    pub(super) leader: bool,
    /// Words and code of what keeps it, from the cluster's status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) waits_for: Option<String>,
}

impl Progress {
    pub(super) fn read(world: &World, namespace: &str, name: &str) -> Self {
        let status: StarRocksClusterStatus = world
            .store
            .get("StarRocksCluster", namespace, name)
            .and_then(|resource| serde_json::from_value(resource["status"].clone()).ok())
            .unwrap_or_default();
        let nodes = Component::STARROCKS.iter().flat_map(|component| nodes(world, namespace, name, *component, &status)).collect();
        Self { at_seconds: world.now().since(EPOCH).as_secs(), status, nodes }
    }

    /// Whether the cluster has reached what its spec of this generation asks for and rests.
    pub(super) fn settled(&self, generation: i64) -> bool {
        self.status.observed_generation == Some(generation) && self.ready() && self.status.operation.is_none()
    }

    /// The Ready condition.
    pub(super) fn ready(&self) -> bool {
        self.status.conditions.iter().any(|condition| condition.condition_type == "Ready" && condition.status == "True")
    }

    /// Since when only a person can help, by the Stalled condition.
    pub(super) fn needs_a_person_since(&self) -> Option<Timestamp> {
        let stalled = |condition: &&crate::api::Condition| condition.condition_type == "Stalled" && condition.status == "True";
        Timestamp::parse(&self.status.conditions.iter().find(stalled)?.last_transition_time)
    }

    /// Where the work stands, without what it waits for.
    pub(super) fn headline(&self) -> String {
        let Some(operation) = &self.status.operation else {
            return if self.ready() { "Ready".to_owned() } else { "Not ready".to_owned() };
        };
        let way = match (&operation.from, &operation.to) {
            (Some(from), Some(to)) => format!(" {from} -> {to}, hop {} of {}", operation.hop, operation.path.len()),
            _ => String::new(),
        };
        let step = if operation.steps > 0 { format!(", step {} of {}", operation.step, operation.steps) } else { String::new() };
        format!("{}{way}{step}: {}", operation.kind, operation.phase)
    }

    /// What the operator does at this moment, when it does not wait.
    pub(super) fn action(&self) -> Option<&str> {
        let message = self.status.operation.as_ref()?.message.as_deref()?;
        self.status.blocked.iter().all(|blocked| blocked.message != message).then_some(message)
    }

    /// What is waited for, one line for each reason: the first node's words, and how many more wait for the same.
    pub(super) fn reasons(&self) -> Vec<String> {
        let mut codes: Vec<&str> = self.status.blocked.iter().map(|blocked| blocked.code.as_str()).collect();
        codes.dedup();
        let mut seen = std::collections::BTreeSet::new();
        codes.retain(|code| seen.insert(*code));
        let line = |code: &str| {
            let mut same = self.status.blocked.iter().filter(|blocked| blocked.code == code);
            let first = same.next().map(|blocked| blocked.message.clone()).unwrap_or_default();
            match same.count() {
                0 => format!("{first} ({code})"),
                more => format!("{first} ({code}, and {more} more)"),
            }
        };
        codes.into_iter().map(line).collect()
    }

    /// Everything that is waited for, a line each.
    pub(super) fn waits(&self) -> Vec<String> {
        self.status.blocked.iter().map(|blocked| format!("{} ({})", blocked.message, blocked.code)).collect()
    }
}

fn nodes(world: &World, namespace: &str, name: &str, component: Component, status: &StarRocksClusterStatus) -> Vec<Node> {
    let owner = component.workload_name(name);
    world
        .store
        .list("Pod", Some(namespace))
        .into_iter()
        .filter(|pod| {
            pod["metadata"]["labels"][OWNER_LABEL] == owner.as_str() && pod["metadata"]["labels"][COMPONENT_LABEL] == component.label()
        })
        .map(|pod| node(pod, component, status, world.now()))
        .collect()
}

fn node(pod: &Value, component: Component, status: &StarRocksClusterStatus, now: Timestamp) -> Node {
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let image = pod["spec"]["containers"][0]["image"].as_str().unwrap_or_default();
    let blocked = status.blocked.iter().find(|blocked| blocked.node.as_deref() == Some(name));
    Node {
        pod: name.to_owned(),
        component: component.to_string(),
        version: Image::parse(image).tag.unwrap_or_default(),
        state: state(pod, now),
        leader: status.leader.as_deref() == Some(name),
        waits_for: blocked.map(|blocked| format!("{} ({})", blocked.message, blocked.code)),
    }
}

fn state(pod: &Value, now: Timestamp) -> String {
    if let Some(since) = pod["metadata"]["deletionTimestamp"].as_str() {
        let left = Timestamp::parse(since).map_or(Duration::ZERO, |end| end.since(now));
        return format!("stopping (at most {} s)", left.as_secs());
    }
    let waiting = &pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"];
    if let Some(reason) = waiting.as_str() {
        return reason.to_owned();
    }
    let ready = pod["status"]["conditions"]
        .as_array()
        .is_some_and(|conditions| conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True"));
    if ready { "ready".to_owned() } else { pod["status"]["phase"].as_str().unwrap_or("Pending").to_lowercase() }
}
