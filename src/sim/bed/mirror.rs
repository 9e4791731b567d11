//! A world that mirrors another API server: its objects come in, what the kubelets write goes out as orders; talks to nobody itself.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::model::Timestamp;
use crate::sim::kube::{EventKind, ObjectKey, WatchEvent};
use crate::sim::world::World;

/// One incarnation of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Subject {
    pub(super) key: ObjectKey,
    pub(super) uid: String,
}

/// What the API server has to be told.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Order {
    /// A pod's status, whole.
    Status(Value),
    /// A pod has ended and is to be removed.
    Remove,
    /// An event, new or repeated.
    Record(Value),
}

/// What became of an order.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    /// Done; the object has this version now.
    Written(u64),
    /// Done, or of no use any more.
    Over,
    /// To be tried again.
    Failed(Order),
}

/// A world and what its API server and it have yet to tell each other.
pub(super) struct Mirror {
    pub(super) world: World,
    /// Whether events are told.
    events: bool,
    cursor: u64,
    /// Revisions after the cursor that came from the API server.
    taken_in: BTreeSet<u64>,
    orders: BTreeMap<Subject, Order>,
    under_way: BTreeSet<Subject>,
    /// Versions that the kubelets' own writes made, by UID: what is older and arrives later is history.
    written: BTreeMap<String, u64>,
    /// UIDs of pods that are gone here and not yet there.
    buried: BTreeSet<String>,
}

impl Mirror {
    pub(super) fn new(world: World, events: bool) -> Self {
        Self {
            cursor: world.store.revision(),
            world,
            events,
            taken_in: BTreeSet::new(),
            orders: BTreeMap::new(),
            under_way: BTreeSet::new(),
            written: BTreeMap::new(),
            buried: BTreeSet::new(),
        }
    }

    /// Takes in the present state of an object.
    pub(super) fn take_in(&mut self, mut object: Value) {
        // What the kubelets wrote just now must be known as waiting before their pod is replaced.
        self.collect();
        let subject = subject(&object);
        let version = version(&object);
        if self.buried.contains(&subject.uid) || self.written.get(&subject.uid).is_some_and(|written| version < *written) {
            return;
        }
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("managedFields");
            metadata.remove("resourceVersion");
        }
        let ObjectKey { kind, namespace, name } = &subject.key;
        if let Some(known) = self.world.store.get(kind, namespace, name) {
            if known["metadata"]["uid"] == *subject.uid && self.is_waiting(&subject) {
                object["status"] = known["status"].clone();
            }
            if same(known, &object) {
                return;
            }
        }
        self.commit(&subject.key, Some(object));
    }

    /// Takes in that an object is gone.
    pub(super) fn take_out(&mut self, object: &Value) {
        let subject = subject(object);
        self.buried.remove(&subject.uid);
        self.written.remove(&subject.uid);
        self.orders.remove(&subject);
        let ObjectKey { kind, namespace, name } = &subject.key;
        if self.world.store.get(kind, namespace, name).is_some_and(|known| known["metadata"]["uid"] == *subject.uid) {
            self.commit(&subject.key, None);
        }
    }

    /// After a list: objects of a kind that are no longer there are gone.
    pub(super) fn keep_only(&mut self, kind: &str, live: &BTreeSet<String>) {
        let gone: Vec<Value> = self
            .world
            .store
            .list(kind, None)
            .into_iter()
            .filter(|object| !object["metadata"]["uid"].as_str().is_some_and(|uid| live.contains(uid)))
            .cloned()
            .collect();
        for object in gone {
            self.take_out(&object);
        }
        if kind == "Pod" {
            self.buried.retain(|uid| live.contains(uid));
        }
    }

    /// Lets everything happen that is due, and notes what of it the API server has to be told.
    pub(super) fn advance(&mut self, now: Timestamp) {
        // What was taken in is felt before time passes.
        if !self.taken_in.is_empty() {
            self.world.settle();
        }
        self.world.advance(now);
        self.collect();
    }

    pub(super) fn has_orders(&self) -> bool {
        !self.orders.is_empty()
    }

    /// All waiting orders; each has to be reported back to `finish`.
    pub(super) fn take_orders(&mut self) -> Vec<(Subject, Order)> {
        let orders = std::mem::take(&mut self.orders);
        self.under_way.extend(orders.keys().cloned());
        orders.into_iter().collect()
    }

    pub(super) fn finish(&mut self, subject: &Subject, outcome: Outcome) {
        self.under_way.remove(subject);
        match outcome {
            Outcome::Written(version) => {
                self.written.insert(subject.uid.clone(), version);
            }
            Outcome::Over => {}
            Outcome::Failed(order) => {
                self.orders.entry(subject.clone()).or_insert(order);
            }
        }
    }

    fn is_waiting(&self, subject: &Subject) -> bool {
        self.orders.contains_key(subject) || self.under_way.contains(subject)
    }

    fn commit(&mut self, key: &ObjectKey, object: Option<Value>) {
        let revision = self.world.store.mirror(key, object);
        self.taken_in.insert(revision);
        self.world.changed().notify_one();
    }

    fn collect(&mut self) {
        let fresh: Vec<WatchEvent> = match self.world.store.events_since(self.cursor) {
            Ok(events) => events.filter(|event| !self.taken_in.contains(&event.revision)).cloned().collect(),
            Err(gone) => {
                tracing::error!(%gone, "the mirror forgot what it had to tell");
                Vec::new()
            }
        };
        self.cursor = self.world.store.revision();
        self.taken_in.clear();
        for event in fresh {
            self.note(&event);
        }
    }

    fn note(&mut self, event: &WatchEvent) {
        let subject = subject(&event.object);
        match (event.kind.as_str(), event.event) {
            ("Pod", EventKind::Deleted) => {
                self.buried.insert(subject.uid.clone());
                self.orders.insert(subject, Order::Remove);
            }
            ("Pod", _) if ends_now(&event.object) && !event.previous.as_deref().is_some_and(ends_now) => {
                self.orders.insert(subject, Order::Remove);
            }
            ("Pod", _) if event.previous.as_deref().map(|before| &before["status"]) != Some(&event.object["status"]) => {
                let status = event.object["status"].clone();
                // Nothing is told of a pod after its removal.
                if self.orders.get(&subject) != Some(&Order::Remove) {
                    self.orders.insert(subject, Order::Status(status));
                }
            }
            ("Event", EventKind::Added | EventKind::Modified) if self.events => {
                self.orders.insert(subject, Order::Record(event.object.as_ref().clone()));
            }
            _ => {}
        }
    }
}

fn subject(object: &Value) -> Subject {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let metadata = &object["metadata"];
    Subject {
        key: ObjectKey::new(text(&object["kind"]), text(&metadata["namespace"]), text(&metadata["name"])),
        uid: text(&metadata["uid"]),
    }
}

/// The `resourceVersion` of an object as a number, which it is in etcd.
pub(super) fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().and_then(|version| version.parse().ok()).unwrap_or(u64::MAX)
}

fn ends_now(pod: &Value) -> bool {
    pod["metadata"]["deletionGracePeriodSeconds"] == json!(0)
}

/// Whether two states differ in their version at most.
fn same(known: &Value, fresh: &Value) -> bool {
    let mut known = known.clone();
    if let Some(metadata) = known.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        metadata.remove("resourceVersion");
    }
    known == *fresh
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sim::cluster::Timings;
    use crate::sim::starrocks::Settings;
    use crate::sim::world::EPOCH;

    fn mirror() -> Mirror {
        Mirror::new(World::of_nodes(1, Timings::default(), Settings::default(), EPOCH), true)
    }

    fn pod(version: u64) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "a", "namespace": "default", "uid": "pod-a", "resourceVersion": version.to_string()},
            "spec": {"nodeName": "worker-1", "containers": [{"name": "main", "image": "busybox"}]},
            "status": {"phase": "Pending"},
        })
    }

    fn bound() -> Mirror {
        let mut mirror = mirror();
        mirror.take_in(json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": "worker-1", "uid": "node-1", "resourceVersion": "1"},
            "spec": {"podCIDR": "10.64.17.0/24"}, "status": {"addresses": [{"type": "InternalIP", "address": "10.64.1.1"}]},
        }));
        mirror.take_in(pod(5));
        mirror
    }

    fn pass(mirror: &mut Mirror, seconds: u64) {
        let now = mirror.world.now() + Duration::from_secs(seconds);
        mirror.advance(now);
    }

    fn status(mirror: &mut Mirror) -> (Subject, Value) {
        let found = mirror.take_orders().into_iter().find_map(|(subject, order)| match order {
            Order::Status(status) => Some((subject, status)),
            Order::Remove | Order::Record(_) => None,
        });
        found.expect("a status is ordered")
    }

    #[test]
    fn a_bound_pod_runs_at_an_address_of_its_node_and_nothing_taken_in_is_told_back() {
        let mut mirror = bound();
        pass(&mut mirror, 60);
        let orders = mirror.take_orders();
        assert!(orders.iter().all(|(subject, _)| subject.key.kind == "Pod" || subject.key.kind == "Event"), "{orders:?}");
        let running = orders
            .iter()
            .any(|(_, order)| matches!(order, Order::Status(status) if status["phase"] == "Running" && status["podIP"] == "10.64.17.2"));
        assert!(running, "{orders:?}");
    }

    #[test]
    fn an_echo_that_is_older_than_what_was_written_changes_nothing() {
        let mut mirror = bound();
        pass(&mut mirror, 60);
        let (subject, _) = status(&mut mirror);
        mirror.take_in(pod(6));
        assert_eq!(mirror.world.store.get("Pod", "default", "a").expect("there")["status"]["phase"], "Running");
        mirror.finish(&subject, Outcome::Written(9));
        mirror.take_in(pod(8));
        assert_eq!(mirror.world.store.get("Pod", "default", "a").expect("there")["status"]["phase"], "Running");
        mirror.take_in(pod(10));
        assert_eq!(mirror.world.store.get("Pod", "default", "a").expect("there")["status"]["phase"], "Pending");
    }

    #[test]
    fn a_pod_that_ended_here_is_ordered_away_and_does_not_come_back() {
        let mut mirror = bound();
        pass(&mut mirror, 60);
        mirror.take_orders();
        let mut leaving = pod(20);
        leaving["metadata"]["deletionTimestamp"] = json!("2026-11-23T00:00:00Z");
        leaving["metadata"]["deletionGracePeriodSeconds"] = json!(30);
        mirror.take_in(leaving.clone());
        pass(&mut mirror, 40);
        let orders = mirror.take_orders();
        assert!(orders.iter().any(|(subject, order)| subject.uid == "pod-a" && *order == Order::Remove), "{orders:?}");
        mirror.take_in(leaving.clone());
        assert!(mirror.world.store.get("Pod", "default", "a").is_none());
        mirror.take_out(&leaving);
        assert!(mirror.buried.is_empty());
    }

    #[test]
    fn what_a_list_no_longer_shows_is_gone() {
        let mut mirror = bound();
        mirror.keep_only("Pod", &BTreeSet::new());
        assert!(mirror.world.store.get("Pod", "default", "a").is_none());
        pass(&mut mirror, 5);
        assert!(!mirror.has_orders());
    }
}
