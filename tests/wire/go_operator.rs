//! A stand-in for the Go operator: its objects as written down in `tests/data/go-operator`, its field manager, its annotations and how it finds changes.

use std::collections::BTreeMap;

use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};
use starrocks_operator::sim::embedded::Embedded;
use starrocks_operator::yaml;

use crate::harness::until;

pub const NAMESPACE: &str = "prod";
pub const NAME: &str = "a";
pub const MANAGER: &str = "sroperator";
pub const HASH: &str = "app.starrocks.components/hash";
pub const COPY: &str = "starrocks.kubernetes.operator/last-applied-configuration";

/// Resources of users, and what the Go operator makes of them.
pub struct Fixture {
    resources: &'static str,
    objects: &'static str,
    /// StatefulSet of the frontends, which come first.
    frontends: &'static str,
    /// Workloads and their pods.
    pods: &'static [(&'static str, usize)],
}

/// Three frontends, three backends, two compute nodes with an autoscaler, and a proxy.
pub const CLUSTER: Fixture = Fixture {
    resources: include_str!("../data/go-operator/cluster.yaml"),
    objects: include_str!("../data/go-operator/objects.yaml"),
    frontends: "a-fe",
    pods: &[("a-fe", 3), ("a-be", 3), ("a-cn", 2), ("a-fe-proxy", 1)],
};

/// A shared-data cluster, and two compute nodes of a warehouse with an autoscaler.
pub const WAREHOUSE: Fixture = Fixture {
    resources: include_str!("../data/go-operator/warehouse.yaml"),
    objects: include_str!("../data/go-operator/warehouse-objects.yaml"),
    frontends: "s-fe",
    pods: &[("s-fe", 1), ("load-jobs-warehouse-cn", 2)],
};

impl Fixture {
    /// The objects for the resources that exist.
    fn objects(&self, embedded: &Embedded) -> Vec<Value> {
        let world = embedded.world();
        let uid =
            |kind: &str| world.store.list(kind, Some(NAMESPACE)).first().map(|found| text(found, "/metadata/uid")).unwrap_or_default();
        let (cluster, warehouse) = (uid("StarRocksCluster"), uid("StarRocksWarehouse"));
        documents(&self.objects.replace("@UID@", &cluster).replace("@WAREHOUSE_UID@", &warehouse))
    }
}

/// The Go operator, as far as others can tell.
pub struct GoOperator<'e> {
    embedded: &'e Embedded,
    objects: Vec<Value>,
}

impl<'e> GoOperator<'e> {
    /// The user applies the cluster, and the Go operator makes its objects; done when every pod is ready. `change` makes another release of it.
    pub async fn creates(embedded: &'e Embedded, change: impl Fn(&mut Vec<Value>)) -> Self {
        Self::creates_of(embedded, &CLUSTER, change).await
    }

    /// The same with other resources.
    pub async fn creates_of(embedded: &'e Embedded, fixture: &Fixture, change: impl Fn(&mut Vec<Value>)) -> Self {
        for document in documents(fixture.resources) {
            embedded.apply(&document).await.expect("accepted");
        }
        let mut objects = fixture.objects(embedded);
        change(&mut objects);
        let go = Self { embedded, objects };
        for object in &go.objects {
            go.create(object).await;
            if object["metadata"]["name"] == fixture.frontends {
                // The rest follows when the frontends' Service has an address.
                until("a frontend is ready", 600, || go.ready(fixture.frontends) > 0).await;
            }
        }
        for object in &go.objects {
            go.mark(object).await;
        }
        until("every pod is ready", 1_800, || go.expected(fixture).all(|(workload, pods)| go.ready(workload) >= *pods)).await;
        go
    }

    /// It comes back to a cluster that it made.
    pub fn returns(embedded: &'e Embedded) -> Self {
        Self::returns_to(embedded, &CLUSTER)
    }

    /// The same with other resources.
    pub fn returns_to(embedded: &'e Embedded, fixture: &Fixture) -> Self {
        Self { embedded, objects: fixture.objects(embedded) }
    }

    /// The objects as it would build them.
    pub fn objects(&self) -> impl Iterator<Item = &Value> {
        self.objects.iter()
    }

    /// Goes on after it was away: every object that it takes for changed is merged with what it builds, its own content winning.
    pub async fn resumes(&mut self, change: impl Fn(&mut Vec<Value>)) -> Vec<String> {
        change(&mut self.objects);
        let mut changed = Vec::new();
        for object in &self.objects {
            if !self.sees_change(object) {
                continue;
            }
            changed.push(format!("{} {}", text(object, "/kind"), text(object, "/metadata/name")));
            let mut patch = object.clone();
            patch["metadata"]["annotations"][COPY] = json!(object.to_string());
            patch["metadata"]["annotations"][HASH] = json!(hash(object));
            for server in ["/metadata/creationTimestamp", "/status"] {
                remove(&mut patch, server);
            }
            let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
            self.api(object).patch(&text(object, "/metadata/name"), &params, &Patch::Strategic(&patch)).await.expect("accepted");
        }
        changed
    }

    /// Whether it takes an object for changed: the mark on it is not that of what it builds.
    pub fn sees_change(&self, object: &Value) -> bool {
        self.live(object)["metadata"]["annotations"][HASH] != json!(hash(object))
    }

    /// The object in the store.
    pub fn live(&self, object: &Value) -> Value {
        let world = self.embedded.world();
        world.store.get(&text(object, "/kind"), NAMESPACE, &text(object, "/metadata/name")).cloned().expect("it exists")
    }

    /// Workloads of the fixture that are among the objects, with their pods.
    fn expected<'f>(&self, fixture: &'f Fixture) -> impl Iterator<Item = &'f (&'static str, usize)> {
        let is_made =
            |workload: &str| self.objects.iter().any(|object| object["kind"] != "Service" && object["metadata"]["name"] == workload);
        fixture.pods.iter().filter(move |(workload, _)| is_made(workload))
    }

    async fn create(&self, object: &Value) {
        let mut created = object.clone();
        if object["kind"] != "HorizontalPodAutoscaler" {
            created["metadata"]["annotations"][COPY] = json!(object.to_string());
        }
        let params = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
        let created: DynamicObject = serde_json::from_value(created).expect("an object");
        self.api(object).create(&params, &created).await.expect("accepted");
    }

    /// It writes its mark with the next look at what it has made.
    async fn mark(&self, object: &Value) {
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let patch = json!({"metadata": {"annotations": {HASH: hash(object)}}});
        self.api(object).patch(&text(object, "/metadata/name"), &params, &Patch::Merge(&patch)).await.expect("accepted");
    }

    fn api(&self, object: &Value) -> Api<DynamicObject> {
        let (group, version) = text(object, "/apiVersion").split_once('/').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap_or_default();
        let version = if version.is_empty() { "v1".to_owned() } else { version };
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(&group, &version, &text(object, "/kind")));
        Api::namespaced_with(self.embedded.client(), NAMESPACE, &kind)
    }

    fn ready(&self, workload: &str) -> usize {
        let world = self.embedded.world();
        let of = |pod: &&Value| pod["metadata"]["labels"]["app.starrocks.ownerreference/name"] == workload;
        let is_ready = |pod: &&Value| {
            let conditions = pod["status"]["conditions"].as_array();
            conditions.into_iter().flatten().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
        };
        world.store.list("Pod", Some(NAMESPACE)).into_iter().filter(of).filter(is_ready).count()
    }
}

/// What must not change by a take-over: revisions, pods, claims, and the identities and addresses of Services.
pub fn identity(embedded: &Embedded) -> BTreeMap<String, Value> {
    let world = embedded.world();
    let mut all = BTreeMap::new();
    for kind in ["ControllerRevision", "ReplicaSet", "Pod", "PersistentVolumeClaim", "Service"] {
        for object in world.store.list(kind, Some(NAMESPACE)) {
            let name = format!("{kind} {}", text(object, "/metadata/name"));
            all.insert(name, json!([object["metadata"]["uid"], object["spec"]["clusterIP"]]));
        }
    }
    for kind in ["StatefulSet", "Deployment"] {
        for object in world.store.list(kind, Some(NAMESPACE)) {
            // Of a StatefulSet nothing but the template makes pods anew; its generation would tell of any change of the spec.
            all.insert(format!("{kind} {}", text(object, "/metadata/name")), object["spec"]["template"].clone());
        }
    }
    all
}

/// What is not as it was before: name, then, and now.
pub fn differing(before: &BTreeMap<String, Value>, now: &BTreeMap<String, Value>) -> Vec<String> {
    let names: std::collections::BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let told = |name: &String| {
        let part = |side: &BTreeMap<String, Value>| side.get(name).map_or_else(|| "nothing".to_owned(), Value::to_string);
        format!("{name}: {} then, {} now", part(before), part(now))
    };
    names.into_iter().filter(|name| before.get(*name) != now.get(*name)).map(told).collect()
}

/// The documents of a text for the tests' namespace.
fn documents(text: &str) -> Vec<Value> {
    yaml::documents(&text.replace("@NAMESPACE@", NAMESPACE)).expect("YAML")
}

pub fn text(object: &Value, pointer: &str) -> String {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn remove(object: &mut Value, pointer: &str) {
    let Some((parent, key)) = pointer.rsplit_once('/') else { return };
    if let Some(fields) = object.pointer_mut(parent).and_then(Value::as_object_mut) {
        fields.remove(key);
    }
}

/// FNV-1a of 32 bits in decimal digits, the form of its marks.
fn hash(object: &Value) -> String {
    let fold = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    object.to_string().bytes().fold(0x811c_9dc5, fold).to_string()
}
