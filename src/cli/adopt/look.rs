//! Reads resources and the objects that exist for them, and asks `plan::adoption` about each; get and list only.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context;
use kube::api::{Api, ApiResource, DynamicObject, ListParams};
use kube::{Client, ResourceExt};

use super::{Answer, Blocked, Verdict, leaders};
use crate::api::StarRocksCluster;
use crate::apply::{ResourceKind, resource_of};
use crate::clock::Clock;
use crate::controllers::{Unreadable, parse_cluster, parse_warehouse};
use crate::model::cluster::Conventions;
use crate::model::component::{IGNORED_ANNOTATION, OWNER_LABEL};
use crate::model::warehouse::RESOURCE_FINALIZER;
use crate::model::{Cluster, LiveObject, ObjectKey, ObjectKind, Observed, WaitingOn, WarehouseReport, WarehouseWait};
use crate::observe::{self, cluster_of_labels, project_object};
use crate::plan::{self, Change};
use crate::validate::{self, FieldFault, References, Rule};

/// Objects of all resources: by namespace and the name from which those of one have theirs, kind and object.
type Found = BTreeMap<(String, String), Vec<(ObjectKind, DynamicObject)>>;

/// Looks at one namespace, or at all with an empty name.
pub(super) async fn look(client: &Client, namespace: &str, conventions: &Conventions) -> anyhow::Result<Answer> {
    let mut answer = Answer::default();
    leaders::find(client, &mut answer).await;
    let clusters = list(client, namespace, &ResourceKind::Cluster.api_resource(), None).await.context("listing StarRocksClusters")?;
    let warehouses = list(client, namespace, &ResourceKind::Warehouse.api_resource(), None).await.context("listing StarRocksWarehouses")?;
    let mut found = Found::new();
    for kind in ObjectKind::ALL {
        let listed = list(client, namespace, &resource_of(kind), Some(OWNER_LABEL)).await;
        for object in listed.with_context(|| format!("listing {}s", kind.name()))? {
            let owner = cluster_of_labels(&object.metadata, true).unwrap_or_default();
            found.entry((object.namespace().unwrap_or_default(), owner)).or_default().push((kind, object));
        }
    }
    let judge = Judge { client, conventions, clusters: &clusters, found: &found };
    for cluster in &clusters {
        answer.resources.push(judge.cluster(cluster).await?);
    }
    for warehouse in &warehouses {
        answer.resources.push(judge.warehouse(warehouse).await?);
    }
    Ok(answer)
}

/// What resources are judged by.
struct Judge<'a> {
    client: &'a Client,
    conventions: &'a Conventions,
    clusters: &'a [DynamicObject],
    found: &'a Found,
}

impl Judge<'_> {
    async fn cluster(&self, object: &DynamicObject) -> anyhow::Result<Verdict> {
        let bare = Verdict::of(ResourceKind::Cluster, object);
        if let Some(note) = left_alone(object) {
            return Ok(bare.noted(note));
        }
        let resource = match parse_cluster(object.clone()) {
            Ok(resource) => resource,
            Err(error) => return Ok(bare.blocked(vec![unreadable(&error)])),
        };
        let references = self.references(object, &resource, &validate::wanted_references(&resource)).await?;
        let cluster = match validate::validate(&resource, &references, self.conventions) {
            Ok(cluster) => cluster,
            Err(faults) if faults.iter().all(|fault| fault.code == Rule::NothingDeclared.code()) => {
                return Ok(bare.noted("it declares no component"));
            }
            Err(faults) => return Ok(bare.blocked(told(&faults))),
        };
        let observed = self.observed(&cluster).await?;
        Ok(bare.adopted(plan::adoption(&cluster, &observed)))
    }

    async fn warehouse(&self, object: &DynamicObject) -> anyhow::Result<Verdict> {
        let bare = Verdict::of(ResourceKind::Warehouse, object);
        if let Some(note) = left_alone(object) {
            return Ok(bare.noted(note));
        }
        let resource = match parse_warehouse(object.clone()) {
            Ok(resource) => resource,
            Err(error) => return Ok(bare.blocked(vec![unreadable(&error)])),
        };
        let faults = validate::warehouse_faults(&resource);
        if !faults.is_empty() {
            return Ok(bare.blocked(told(&faults)));
        }
        let name = resource.spec.star_rocks_cluster.clone();
        let Some(host) = self.host(object, &name) else {
            return Ok(bare.blocked(vec![Blocked::from(&WaitingOn::Warehouse(WarehouseWait::ClusterAbsent { cluster: name }))]));
        };
        let unusable =
            |detail: String| vec![Blocked::from(&WaitingOn::Warehouse(WarehouseWait::ClusterUnusable { cluster: name.clone(), detail }))];
        let host = match parse_cluster(host.clone()) {
            Ok(host) => host,
            Err(error) => return Ok(bare.blocked(unusable(format!("{}: {}", error.field, error.error)))),
        };
        let mut wanted = validate::wanted_references(&host);
        wanted.extend(validate::warehouse_references(&resource));
        let references = self.references(object, &host, &wanted).await?;
        let cluster = match validate::validate(&host, &references, self.conventions) {
            Ok(cluster) => cluster,
            Err(faults) => return Ok(bare.blocked(unusable(faults.first().map(ToString::to_string).unwrap_or_default()))),
        };
        let warehouse = match validate::warehouse(&resource, &cluster, &references, self.conventions) {
            Ok(warehouse) => warehouse,
            Err(faults) => return Ok(bare.blocked(told(&faults))),
        };
        let held = object.finalizers().iter().any(|finalizer| finalizer == RESOURCE_FINALIZER);
        let report = WarehouseReport { held, ..WarehouseReport::default() };
        let observed = Observed { warehouse: Some(report), ..self.observed(&warehouse).await? };
        Ok(bare.adopted(plan::adoption(&warehouse, &observed)))
    }

    /// The cluster of a warehouse, which is in its namespace, unless it is being deleted.
    fn host(&self, warehouse: &DynamicObject, name: &str) -> Option<&DynamicObject> {
        let is_host = |cluster: &&DynamicObject| {
            cluster.namespace() == warehouse.namespace() && cluster.name_any() == name && cluster.metadata.deletion_timestamp.is_none()
        };
        self.clusters.iter().find(is_host)
    }

    async fn references(
        &self,
        object: &DynamicObject,
        cluster: &StarRocksCluster,
        wanted: &BTreeSet<String>,
    ) -> anyhow::Result<References> {
        let namespace = object.namespace().unwrap_or_default();
        let read = observe::config_maps(self.client, &namespace, wanted).await;
        let config_maps = read.with_context(|| format!("reading what {namespace}/{} refers to", object.name_any()))?;
        // Of a cluster that this operator runs already, what stands in its pod templates for its own sake.
        Ok(References { config_maps, status: cluster.status.clone().unwrap_or_default(), ..References::default() })
    }

    /// What exists for a resource: what carries its label, and whatever has a name that it needs.
    async fn observed(&self, cluster: &Cluster) -> anyhow::Result<Observed> {
        let mut observed = Observed::empty(Clock::system().now());
        let labelled = self.found.get(&(cluster.namespace.clone(), cluster.name.clone())).into_iter().flatten();
        for (kind, object) in labelled {
            put(&mut observed, cluster, *kind, object)?;
        }
        for ObjectKey { kind, name } in crate::build::objects(cluster).iter().map(crate::model::Object::key) {
            if observed.object(kind, &name).is_some() {
                continue;
            }
            let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &cluster.namespace, &resource_of(kind));
            let taken = api.get_opt(&name).await.with_context(|| format!("reading {} {name}", kind.name()))?;
            if let Some(object) = taken {
                put(&mut observed, cluster, kind, &object)?;
            }
        }
        Ok(observed)
    }
}

impl Verdict {
    /// A resource of which nothing is known yet: nothing happens to it.
    fn of(kind: ResourceKind, object: &DynamicObject) -> Self {
        Self {
            kind: kind.name(),
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            verdict: Change::Unchanged,
            blocked: Vec::new(),
            note: None,
            objects: Vec::new(),
        }
    }

    fn noted(self, note: &str) -> Self {
        Self { note: Some(note.to_owned()), ..self }
    }

    fn blocked(self, blocked: Vec<Blocked>) -> Self {
        Self { blocked, verdict: Change::CannotBeTakenOver, ..self }
    }

    fn adopted(self, adoption: plan::Adoption) -> Self {
        let plan::Adoption { verdict, blocked, note, objects } = adoption;
        let waits = blocked.iter().chain(objects.iter().filter_map(|object| object.blocked.as_ref()));
        Self { verdict, blocked: waits.map(Blocked::from).collect(), note, objects, ..self }
    }
}

impl From<&WaitingOn> for Blocked {
    fn from(wait: &WaitingOn) -> Self {
        Self { code: wait.code().to_owned(), message: wait.to_string() }
    }
}

/// Why `run` does nothing with a resource at all.
fn left_alone(object: &DynamicObject) -> Option<&'static str> {
    if object.metadata.deletion_timestamp.is_some() {
        return Some("it is being deleted");
    }
    let ignored = object.annotations().get(IGNORED_ANNOTATION).is_some_and(|value| value == "true");
    ignored.then_some("the resource tells operators to leave it alone (starrocks.com/ignored)")
}

fn unreadable(error: &Unreadable) -> Blocked {
    let message = format!("{}: the resource cannot be read: {}. Correct the field", error.field, error.error);
    Blocked { code: "SR-3000".to_owned(), message }
}

fn told(faults: &[FieldFault]) -> Vec<Blocked> {
    let told = |fault: &FieldFault| Blocked {
        code: fault.code.to_owned(),
        message: format!("{}: {}. {}", fault.field, fault.rule, fault.way_out),
    };
    faults.iter().map(told).collect()
}

fn put(observed: &mut Observed, cluster: &Cluster, kind: ObjectKind, object: &DynamicObject) -> anyhow::Result<()> {
    let live: LiveObject = project_object(&serde_json::to_value(object)?, &cluster.uid);
    observed.objects.entry(kind).or_default().insert(object.name_any(), live);
    Ok(())
}

/// Lists everything of a kind, page by page; a kind that the server need not have has no objects where it is missing.
async fn list(client: &Client, namespace: &str, kind: &ApiResource, label: Option<&str>) -> kube::Result<Vec<DynamicObject>> {
    let optional = [ObjectKind::HorizontalPodAutoscaler.name(), ResourceKind::Warehouse.name()].contains(&kind.kind.as_str());
    let api: Api<DynamicObject> =
        if namespace.is_empty() { Api::all_with(client.clone(), kind) } else { Api::namespaced_with(client.clone(), namespace, kind) };
    let mut params = ListParams::default().limit(200);
    if let Some(label) = label {
        params = params.labels(label);
    }
    let mut all = Vec::new();
    loop {
        let page = match api.list(&params).await {
            Ok(page) => page,
            Err(kube::Error::Api(status)) if status.is_not_found() && optional => return Ok(all),
            Err(error) => return Err(error),
        };
        all.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params.continue_token = Some(token),
            None => return Ok(all),
        }
    }
}
