//! Where each watch puts what it sees: caches and resources are kept, and the cluster or warehouse concerned is queued. One task for each kind and namespace.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::api::{Api, ApiResource, DynamicObject};
use kube::{Client, ResourceExt};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::catalogs::{self, Seen};
use super::context::Context;
use super::resources::Resource;
use super::subject::Subject;
use super::upgrades::Upgrade;
use super::watch::{Sink, Watch};
use crate::api::{StarRocksCluster, StarRocksWarehouse};
use crate::apply::{self, ResourceKind, catalog_resource, resource_of};
use crate::model::ObjectKind;
use crate::model::component::OWNER_LABEL;
use crate::observe::{Entry, Place, Revision, Watched};
use crate::telemetry::WatchName;

const PATIENCE: Duration = Duration::from_secs(10);
/// How long until the server is asked again for a kind that it does not have.
const NEXT_PROBE: Duration = Duration::from_secs(60);

/// Which kinds the server has; an old or small one may lack an optional kind, and a watch of it would fail for ever.
pub(super) async fn kinds_served(client: &Client) -> BTreeSet<Watched> {
    let mut kinds = BTreeSet::from(Watched::ALL);
    if !is_served(client, &resource_of(ObjectKind::HorizontalPodAutoscaler)).await {
        kinds.remove(&Watched::Object(ObjectKind::HorizontalPodAutoscaler));
    }
    kinds
}

async fn is_served(client: &Client, kind: &ApiResource) -> bool {
    match timeout(PATIENCE, client.list_api_group_resources(&kind.api_version)).await {
        Ok(Ok(served)) => served.resources.iter().any(|resource| resource.name == kind.plural),
        Ok(Err(kube::Error::Api(status))) => !status.is_not_found(),
        // Only a clear "no" counts; with anything else the watch itself will tell.
        Ok(Err(_)) | Err(_) => true,
    }
}

/// Starts all watches.
pub(super) fn start(client: &Client, context: &Arc<Context>, stop: &CancellationToken) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for namespace in context.settings.watch_namespaces() {
        let resource = ResourceKind::Cluster.api_resource();
        let clusters = ClusterSink { context: Arc::clone(context), scope: namespace.clone() };
        launch(
            &mut tasks,
            context,
            stop,
            dynamic(client, &namespace, &resource),
            (ResourceKind::Cluster.name(), &namespace, false),
            clusters,
        );
        let warehouses = WarehouseSink { context: Arc::clone(context), scope: namespace.clone() };
        let kind = (ResourceKind::Warehouse.api_resource(), ResourceKind::Warehouse.name(), namespace.as_str());
        // There are none, and what is left of former ones can be released.
        launch_optional(&mut tasks, (client, context, stop), kind, warehouses, |sink| {
            sink.context.warehouses.replace(&sink.scope, Vec::new());
        });
        let upgrades = UpgradeSink { context: Arc::clone(context), scope: namespace.clone() };
        let kind = (apply::upgrades(), "StarRocksUpgrade", namespace.as_str());
        launch_optional(&mut tasks, (client, context, stop), kind, upgrades, |sink| sink.context.upgrades.are_not_served());
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
    if context.settings.reads_catalogs() {
        let sink = CatalogSink { context: Arc::clone(context) };
        let kind = (catalog_resource(), "StarRocksVersionCatalog", "");
        launch_optional(&mut tasks, (client, context, stop), kind, sink, |sink| sink.listed(Vec::new(), Revision(0)));
        tasks.spawn(catalogs::tell(Arc::clone(context), stop.clone()));
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

/// Watches a kind as soon as the server has it, which may be installed later or never; meanwhile `absent` is told. Whatever goes wrong here concerns
/// no cluster, so such a watch is none of those by which the process is ready.
async fn watch_optional<S: Sink<DynamicObject> + 'static>(
    client: Client,
    kind: ApiResource,
    watch: Watch<DynamicObject, S>,
    absent: fn(&S),
    stop: CancellationToken,
) {
    while !is_served(&client, &kind).await {
        absent(&watch.sink);
        tokio::select! {
            () = stop.cancelled() => return,
            () = sleep(NEXT_PROBE) => {}
        }
    }
    Arc::new(watch).run(stop).await;
}

/// Starts the watch of an optional kind in a namespace.
fn launch_optional<S: Sink<DynamicObject> + 'static>(
    tasks: &mut JoinSet<()>,
    (client, context, stop): (&Client, &Context, &CancellationToken),
    (kind, what, namespace): (ApiResource, &'static str, &str),
    sink: S,
    absent: fn(&S),
) {
    let name = WatchName { kind: what, namespace: namespace.to_owned() };
    let watch = Watch { api: dynamic(client, namespace, &kind), labels: None, name, sink, telemetry: context.telemetry.clone() };
    tasks.spawn(watch_optional(client.clone(), kind, watch, absent, stop.clone()));
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

impl CacheSink {
    /// Queues those to whom something under this name may belong. What looks like a warehouse's is a cluster's only if there is such a cluster.
    fn wake(&self, fleet: Place) {
        let warehouse = Subject::warehouse_of(&fleet);
        if warehouse.is_none() || self.context.clusters.get(&fleet).is_some() {
            self.context.queue.add(Subject::Cluster(fleet));
        }
        if let Some(warehouse) = warehouse {
            self.context.queue.add(warehouse);
        }
    }
}

impl<K: IntoEntry + ResourceExt> Sink<K> for CacheSink {
    type Kept = Entry;

    fn keep(&self, object: K) -> Option<Entry> {
        object.entry().filter(|entry| self.context.settings.serves(&entry.place.namespace))
    }

    fn listed(&self, all: Vec<Entry>, revision: Revision) {
        for cluster in self.context.caches.replace(self.watched, &self.scope, all, revision) {
            self.wake(cluster);
        }
    }

    fn seen(&self, entry: Entry) {
        let cluster = entry.cluster_name();
        self.context.caches.put(self.watched, &self.scope, entry);
        self.wake(cluster);
    }

    fn gone(&self, object: &K, revision: Revision) {
        if let Some(cluster) = self.context.caches.remove(self.watched, &self.scope, &place(object), revision) {
            self.wake(cluster);
        }
    }

    fn passed(&self, revision: Revision) {
        self.context.caches.pass(self.watched, &self.scope, revision);
    }
}

/// Keeps the clusters themselves.
struct ClusterSink {
    context: Arc<Context>,
    scope: String,
}

impl ClusterSink {
    /// Queues the warehouses of a cluster, or of every cluster of its namespace.
    fn wake_warehouses(&self, namespace: &str, cluster: Option<&str>) {
        let of_cluster = |warehouse: &Resource<StarRocksWarehouse>| {
            cluster.is_none_or(|cluster| warehouse.parsed.as_ref().is_ok_and(|parsed| parsed.spec.star_rocks_cluster == cluster))
        };
        for warehouse in self.context.warehouses.of_namespace(namespace, of_cluster) {
            self.context.queue.add(Subject::Warehouse(warehouse));
        }
    }
}

impl Sink<DynamicObject> for ClusterSink {
    type Kept = (Place, Resource<StarRocksCluster>);

    fn keep(&self, object: DynamicObject) -> Option<Self::Kept> {
        Resource::read(object).filter(|(name, _)| self.context.settings.serves(&name.namespace))
    }

    fn listed(&self, all: Vec<Self::Kept>, _: Revision) {
        let is_asked = |resource: &Resource<_>| resource.status.observed_generation != Some(resource.generation);
        let asked: BTreeSet<Place> = all.iter().filter(|(_, resource)| is_asked(resource)).map(|(name, _)| name.clone()).collect();
        let touched = self.context.clusters.replace(&self.scope, all);
        for namespace in touched.iter().map(|cluster| cluster.namespace.as_str()).collect::<BTreeSet<_>>() {
            self.wake_warehouses(namespace, None);
        }
        for cluster in touched {
            if asked.contains(&cluster) {
                self.context.queue.add_first(Subject::Cluster(cluster));
            } else {
                self.context.queue.add(Subject::Cluster(cluster));
            }
        }
    }

    fn seen(&self, (name, resource): Self::Kept) {
        let now = (resource.generation, resource.deleting);
        let former = self.context.clusters.put(name.clone(), resource);
        // Its status changes often and says nothing to a warehouse.
        if former.is_none_or(|former| (former.generation, former.deleting) != now) {
            self.wake_warehouses(&name.namespace, Some(&name.name));
        }
        self.context.queue.add(Subject::Cluster(name));
    }

    fn gone(&self, object: &DynamicObject, _: Revision) {
        let name = place(object);
        self.context.clusters.remove(&name);
        self.wake_warehouses(&name.namespace, Some(&name.name));
        self.context.queue.add(Subject::Cluster(name));
    }

    fn passed(&self, _: Revision) {}
}

/// Keeps the warehouses themselves.
struct WarehouseSink {
    context: Arc<Context>,
    scope: String,
}

impl Sink<DynamicObject> for WarehouseSink {
    type Kept = (Place, Resource<StarRocksWarehouse>);

    fn keep(&self, object: DynamicObject) -> Option<Self::Kept> {
        Resource::read(object).filter(|(name, _)| self.context.settings.serves(&name.namespace))
    }

    fn listed(&self, all: Vec<Self::Kept>, _: Revision) {
        for warehouse in self.context.warehouses.replace(&self.scope, all) {
            self.context.queue.add(Subject::Warehouse(warehouse));
        }
    }

    fn seen(&self, (name, resource): Self::Kept) {
        self.context.warehouses.put(name.clone(), resource);
        self.context.queue.add(Subject::Warehouse(name));
    }

    fn gone(&self, object: &DynamicObject, _: Revision) {
        let name = place(object);
        self.context.warehouses.remove(&name);
        self.context.queue.add(Subject::Warehouse(name));
    }

    fn passed(&self, _: Revision) {}
}

/// Keeps version catalogs.
struct CatalogSink {
    context: Arc<Context>,
}

impl CatalogSink {
    /// Queues everything when what is known of releases has changed.
    fn wake(&self, differs: bool) {
        if differs {
            self.context.clusters.names().into_iter().for_each(|cluster| self.context.queue.add(Subject::Cluster(cluster)));
            self.context.warehouses.names().into_iter().for_each(|warehouse| self.context.queue.add(Subject::Warehouse(warehouse)));
        }
    }
}

impl Sink<DynamicObject> for CatalogSink {
    type Kept = (String, Seen);

    fn keep(&self, object: DynamicObject) -> Option<Self::Kept> {
        Some(Seen::read(&object))
    }

    fn listed(&self, all: Vec<Self::Kept>, _: Revision) {
        self.wake(self.context.catalogs.replace(all));
    }

    fn seen(&self, (name, seen): Self::Kept) {
        self.wake(self.context.catalogs.put(name, seen));
    }

    fn gone(&self, object: &DynamicObject, _: Revision) {
        self.wake(self.context.catalogs.remove(&object.name_any()));
    }

    fn passed(&self, _: Revision) {}
}

/// Keeps the StarRocksUpgrades, in which users speak about their clusters' upgrades.
struct UpgradeSink {
    context: Arc<Context>,
    scope: String,
}

impl Sink<DynamicObject> for UpgradeSink {
    type Kept = (Place, Upgrade);

    fn keep(&self, object: DynamicObject) -> Option<Self::Kept> {
        Upgrade::read(&object).filter(|(place, _)| self.context.settings.serves(&place.namespace))
    }

    fn listed(&self, all: Vec<Self::Kept>, _: Revision) {
        for cluster in self.context.upgrades.replace(&self.scope, all) {
            self.context.queue.add(Subject::Cluster(cluster));
        }
    }

    fn seen(&self, (place, upgrade): Self::Kept) {
        let cluster = Place { namespace: place.namespace.clone(), name: upgrade.cluster().to_owned() };
        self.context.upgrades.put(place, upgrade);
        self.context.queue.add(Subject::Cluster(cluster));
    }

    fn gone(&self, object: &DynamicObject, _: Revision) {
        let place = place(object);
        if let Some(name) = self.context.upgrades.remove(&place) {
            self.context.queue.add(Subject::Cluster(Place { namespace: place.namespace, name }));
        }
    }

    fn passed(&self, _: Revision) {}
}

fn place(object: &impl ResourceExt) -> Place {
    Place { namespace: object.namespace().unwrap_or_default(), name: object.name_any() }
}
