//! Where each watch puts what it sees: caches and resources are kept, and the cluster concerned is queued. One task for each kind and namespace.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::api::{Api, ApiResource, DynamicObject};
use kube::{Client, ResourceExt};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::context::Context;
use super::resources::Resource;
use super::watch::{Sink, Watch};
use crate::api::StarRocksCluster;
use crate::apply::resource_of;
use crate::model::ObjectKind;
use crate::model::component::OWNER_LABEL;
use crate::observe::{ClusterName, Entry, Place, Revision, Watched};
use crate::telemetry::WatchName;

const PATIENCE: Duration = Duration::from_secs(10);

/// Which kinds the server has; an old or small one may lack an optional kind, and a watch of it would fail for ever.
pub(super) async fn kinds_served(client: &Client) -> BTreeSet<Watched> {
    let mut kinds = BTreeSet::from(Watched::ALL);
    let autoscaler = resource_of(ObjectKind::HorizontalPodAutoscaler);
    let served = match timeout(PATIENCE, client.list_api_group_resources(&autoscaler.api_version)).await {
        Ok(Ok(served)) => served.resources.iter().any(|resource| resource.name == autoscaler.plural),
        Ok(Err(kube::Error::Api(status))) => !status.is_not_found(),
        // Only a clear "no" counts; with anything else the watch itself will tell.
        Ok(Err(_)) | Err(_) => true,
    };
    if !served {
        kinds.remove(&Watched::Object(ObjectKind::HorizontalPodAutoscaler));
    }
    kinds
}

/// Starts all watches.
pub(super) fn start(client: &Client, context: &Arc<Context>, stop: &CancellationToken) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for namespace in context.settings.watch_namespaces() {
        let resource = ApiResource::erase::<StarRocksCluster>(&());
        let clusters = ClusterSink { context: Arc::clone(context), scope: namespace.clone() };
        launch(&mut tasks, context, stop, dynamic(client, &namespace, &resource), ("StarRocksCluster", &namespace, false), clusters);
        for watched in context.watched.iter().copied() {
            let sink = CacheSink { context: Arc::clone(context), watched, scope: namespace.clone() };
            let what = (watched.name(), namespace.as_str(), true);
            match watched {
                Watched::Object(kind) => launch(&mut tasks, context, stop, dynamic(client, &namespace, &resource_of(kind)), what, sink),
                Watched::Pod => launch::<Pod, _>(&mut tasks, context, stop, typed(client, &namespace), what, sink),
                Watched::Claim => launch::<PersistentVolumeClaim, _>(&mut tasks, context, stop, typed(client, &namespace), what, sink),
            }
        }
    }
    tasks
}

fn launch<K, S>(
    tasks: &mut JoinSet<()>,
    context: &Context,
    stop: &CancellationToken,
    api: Api<K>,
    (kind, namespace, labelled): (&'static str, &str, bool),
    sink: S,
) where
    K: kube::Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + Sync + 'static,
    S: Sink<K> + 'static,
{
    let name = WatchName { kind, namespace: namespace.to_owned() };
    context.telemetry.health.watch_started(&name);
    let labels = labelled.then(|| OWNER_LABEL.to_owned());
    let watch = Arc::new(Watch { api, labels, name, sink, telemetry: context.telemetry.clone() });
    tasks.spawn(watch.run(stop.clone()));
}

fn dynamic(client: &Client, namespace: &str, resource: &ApiResource) -> Api<DynamicObject> {
    if namespace.is_empty() { Api::all_with(client.clone(), resource) } else { Api::namespaced_with(client.clone(), namespace, resource) }
}

fn typed<K>(client: &Client, namespace: &str) -> Api<K>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
    K::DynamicType: Default,
{
    if namespace.is_empty() { Api::all(client.clone()) } else { Api::namespaced(client.clone(), namespace) }
}

/// Keeps owned objects, pods or claims.
struct CacheSink {
    context: Arc<Context>,
    watched: Watched,
    scope: String,
}

/// How an object of a type becomes an entry.
trait IntoEntry {
    fn entry(self) -> Option<Entry>;
}

impl IntoEntry for DynamicObject {
    fn entry(mut self) -> Option<Entry> {
        self.metadata.managed_fields = None;
        Entry::from_object(&serde_json::to_value(self).ok()?)
    }
}

impl IntoEntry for Pod {
    fn entry(self) -> Option<Entry> {
        Entry::from_pod(&self)
    }
}

impl IntoEntry for PersistentVolumeClaim {
    fn entry(self) -> Option<Entry> {
        Entry::from_claim(&self)
    }
}

impl<K: IntoEntry + ResourceExt> Sink<K> for CacheSink {
    type Kept = Entry;

    fn keep(&self, object: K) -> Option<Entry> {
        object.entry().filter(|entry| self.context.settings.serves(&entry.place.namespace))
    }

    fn listed(&self, all: Vec<Entry>, revision: Revision) {
        for cluster in self.context.caches.replace(self.watched, &self.scope, all, revision) {
            self.context.queue.add(cluster);
        }
    }

    fn seen(&self, entry: Entry) {
        let cluster = entry.cluster_name();
        self.context.caches.put(self.watched, &self.scope, entry);
        self.context.queue.add(cluster);
    }

    fn gone(&self, object: &K, revision: Revision) {
        if let Some(cluster) = self.context.caches.remove(self.watched, &self.scope, &place(object), revision) {
            self.context.queue.add(cluster);
        }
    }

    fn passed(&self, revision: Revision) {
        self.context.caches.pass(self.watched, &self.scope, revision);
    }
}

/// Keeps the resources themselves.
struct ClusterSink {
    context: Arc<Context>,
    scope: String,
}

impl Sink<DynamicObject> for ClusterSink {
    type Kept = (ClusterName, Resource);

    fn keep(&self, object: DynamicObject) -> Option<Self::Kept> {
        Resource::read(object).filter(|(name, _)| self.context.settings.serves(&name.namespace))
    }

    fn listed(&self, all: Vec<Self::Kept>, _: Revision) {
        let is_asked = |resource: &Resource| resource.status.observed_generation != Some(resource.generation);
        let asked: BTreeSet<ClusterName> = all.iter().filter(|(_, resource)| is_asked(resource)).map(|(name, _)| name.clone()).collect();
        for cluster in self.context.resources.replace(&self.scope, all) {
            if asked.contains(&cluster) {
                self.context.queue.add_first(cluster);
            } else {
                self.context.queue.add(cluster);
            }
        }
    }

    fn seen(&self, (name, resource): Self::Kept) {
        self.context.resources.put(name.clone(), resource);
        self.context.queue.add(name);
    }

    fn gone(&self, object: &DynamicObject, _: Revision) {
        let name = place(object);
        self.context.resources.remove(&name);
        self.context.queue.add(name);
    }

    fn passed(&self, _: Revision) {}
}

fn place(object: &impl ResourceExt) -> Place {
    Place { namespace: object.namespace().unwrap_or_default(), name: object.name_any() }
}
