//! Watches of the API server in, objects for the mirror out; filters nothing and writes nothing.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::StreamExt;
use kube::Client;
use kube::api::{Api, DynamicObject};
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event};
use serde_json::{Value, json};

use super::Bed;

/// What the kubelets and the cluster's DNS have to know: group, version and kind.
pub(super) const SOURCES: [(&str, &str, &str); 9] = [
    ("", "v1", "Namespace"),
    ("", "v1", "Node"),
    ("", "v1", "Pod"),
    ("", "v1", "PersistentVolumeClaim"),
    ("", "v1", "PersistentVolume"),
    ("", "v1", "ConfigMap"),
    ("", "v1", "Secret"),
    ("", "v1", "Service"),
    ("", "v1", "Endpoints"),
];

/// Follows all objects of a kind, for ever.
pub(super) async fn follow(client: Client, bed: Arc<Bed>, (group, version, kind): (&str, &str, &str)) {
    let resource = match kind {
        // The plural that guessing gets wrong.
        "Endpoints" => ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), "endpoints"),
        _ => ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind)),
    };
    let api: Api<DynamicObject> = Api::all_with(client, &resource);
    let mut events = watcher::watcher(api, watcher::Config::default()).default_backoff().boxed();
    let mut listed = BTreeSet::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => listed.clear(),
            Ok(Event::InitApply(object)) => {
                listed.insert(object.metadata.uid.clone().unwrap_or_default());
                take_in(&bed, &resource, &object);
            }
            Ok(Event::InitDone) => bed.mirror().keep_only(kind, &std::mem::take(&mut listed)),
            Ok(Event::Apply(object)) => take_in(&bed, &resource, &object),
            Ok(Event::Delete(object)) => {
                if let Some(object) = plain(&resource, &object) {
                    bed.mirror().take_out(&object);
                }
            }
            Err(error) => tracing::warn!(kind, %error, "watching fails"),
        }
    }
}

fn take_in(bed: &Bed, resource: &ApiResource, object: &DynamicObject) {
    if let Some(object) = plain(resource, object) {
        bed.mirror().take_in(object);
    }
}

fn plain(resource: &ApiResource, object: &DynamicObject) -> Option<Value> {
    let mut object = serde_json::to_value(object).ok()?;
    object["apiVersion"] = json!(resource.api_version);
    object["kind"] = json!(resource.kind);
    Some(object)
}
