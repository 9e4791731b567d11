//! Watches in, what exists and is Ready out; each change wakes whoever waits. Keeps no more of an object than that.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt;
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::api::{Api, DynamicObject, PartialObjectMeta};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher;
use kube::{Client, ResourceExt};
use tokio::sync::Notify;

/// Namespace and name.
pub(super) type Place = (String, String);

/// What the watches have told so far.
#[derive(Default)]
pub(super) struct Seen {
    known: Mutex<Known>,
    pub(super) changed: Notify,
}

/// Generations of StatefulSets, and which clusters are Ready at their generation.
#[derive(Default)]
pub(super) struct Known {
    pub(super) sets: BTreeMap<Place, i64>,
    pub(super) clusters: BTreeMap<Place, bool>,
}

impl Seen {
    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, change: impl FnOnce(&mut Known)) {
        change(&mut self.known());
        self.changed.notify_one();
    }
}

/// Follows the StatefulSets, for ever.
pub(super) async fn follow_sets(client: Client, seen: Arc<Seen>) {
    let sets: Api<PartialObjectMeta<StatefulSet>> = Api::all(client);
    let mut events = watcher::watcher(sets, watcher::Config::default()).default_backoff().applied_objects().boxed();
    while let Some(event) = events.next().await {
        let set = match event {
            Ok(set) => set,
            Err(error) => {
                eprintln!("bench: watching StatefulSets fails: {error}");
                continue;
            }
        };
        let place = (set.namespace().unwrap_or_default(), set.name_any());
        let generation = set.metadata.generation.unwrap_or_default();
        seen.note(|known| _ = known.sets.insert(place, generation));
    }
}

/// Follows the StarRocksClusters, for ever.
pub(super) async fn follow_clusters(api: Api<DynamicObject>, seen: Arc<Seen>) {
    let mut events = watcher::watcher(api, watcher::Config::default()).default_backoff().applied_objects().boxed();
    while let Some(event) = events.next().await {
        match event {
            Ok(cluster) => {
                let place = (cluster.namespace().unwrap_or_default(), cluster.name_any());
                let ready = is_ready(&cluster);
                seen.note(|known| _ = known.clusters.insert(place, ready));
            }
            Err(error) => eprintln!("bench: watching StarRocksClusters fails: {error}"),
        }
    }
}

/// Ready for what is asked now.
fn is_ready(cluster: &DynamicObject) -> bool {
    let status = &cluster.data["status"];
    let ready = |conditions: &Vec<serde_json::Value>| {
        conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
    };
    status["observedGeneration"].as_i64() == cluster.metadata.generation && status["conditions"].as_array().is_some_and(ready)
}
