//! The kinds that every Kubernetes serves: a table of kinds and a table of merge keys in, registry entries out; knows no objects.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use k8s_openapi::schemars::{JsonSchema, SchemaGenerator};
use serde_json::Value;

use super::registry::{Origin, Registry, Resource, ScalePaths, Version};
use super::schema::{ListKind, Schema, Shape};

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.";

/// Lists whose items merge by key: definition, field, keys. The first key is the one strategic merge patches use.
/// Source: `x-kubernetes-list-map-keys` in Kubernetes' OpenAPI document.
const MERGE_KEYS: &[(&str, &str, &[&str])] = &[
    ("io.k8s.api.core.v1.PodSpec", "containers", &["name"]),
    ("io.k8s.api.core.v1.PodSpec", "initContainers", &["name"]),
    ("io.k8s.api.core.v1.PodSpec", "ephemeralContainers", &["name"]),
    ("io.k8s.api.core.v1.PodSpec", "volumes", &["name"]),
    ("io.k8s.api.core.v1.PodSpec", "imagePullSecrets", &["name"]),
    ("io.k8s.api.core.v1.PodSpec", "hostAliases", &["ip"]),
    ("io.k8s.api.core.v1.PodSpec", "resourceClaims", &["name"]),
    ("io.k8s.api.core.v1.PodSpec", "schedulingGates", &["name"]),
    ("io.k8s.api.core.v1.PodSpec", "topologySpreadConstraints", &["topologyKey", "whenUnsatisfiable"]),
    ("io.k8s.api.core.v1.Container", "env", &["name"]),
    ("io.k8s.api.core.v1.Container", "ports", &["containerPort", "protocol"]),
    ("io.k8s.api.core.v1.Container", "volumeDevices", &["devicePath"]),
    ("io.k8s.api.core.v1.Container", "volumeMounts", &["mountPath"]),
    ("io.k8s.api.core.v1.EphemeralContainer", "env", &["name"]),
    ("io.k8s.api.core.v1.EphemeralContainer", "ports", &["containerPort", "protocol"]),
    ("io.k8s.api.core.v1.EphemeralContainer", "volumeDevices", &["devicePath"]),
    ("io.k8s.api.core.v1.EphemeralContainer", "volumeMounts", &["mountPath"]),
    ("io.k8s.api.core.v1.ResourceRequirements", "claims", &["name"]),
    ("io.k8s.api.core.v1.PodStatus", "conditions", &["type"]),
    ("io.k8s.api.core.v1.PodStatus", "podIPs", &["ip"]),
    ("io.k8s.api.core.v1.PodStatus", "hostIPs", &["ip"]),
    ("io.k8s.api.core.v1.PodStatus", "resourceClaimStatuses", &["name"]),
    ("io.k8s.api.core.v1.NodeStatus", "addresses", &["type"]),
    ("io.k8s.api.core.v1.NodeStatus", "conditions", &["type"]),
    ("io.k8s.api.core.v1.NamespaceStatus", "conditions", &["type"]),
    ("io.k8s.api.core.v1.PersistentVolumeClaimStatus", "conditions", &["type"]),
    ("io.k8s.api.core.v1.ServiceSpec", "ports", &["port", "protocol"]),
    ("io.k8s.api.core.v1.ServiceStatus", "conditions", &["type"]),
    ("io.k8s.api.core.v1.ServiceAccount", "secrets", &["name"]),
    ("io.k8s.api.apps.v1.StatefulSetStatus", "conditions", &["type"]),
    ("io.k8s.api.apps.v1.DeploymentStatus", "conditions", &["type"]),
    ("io.k8s.api.apps.v1.ReplicaSetStatus", "conditions", &["type"]),
    ("io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerStatus", "conditions", &["type"]),
    ("io.k8s.api.policy.v1.PodDisruptionBudgetStatus", "conditions", &["type"]),
    ("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionStatus", "conditions", &["type"]),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", "ownerReferences", &["uid"]),
];

/// Lists of scalars without repetition.
const SETS: &[(&str, &str)] = &[
    ("io.k8s.api.core.v1.NodeSpec", "podCIDRs"),
    ("io.k8s.api.discovery.v1.Endpoint", "addresses"),
    ("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", "finalizers"),
];

/// Types that are replaced as a whole (`x-kubernetes-map-type: atomic`).
const ATOMIC_TYPES: &[&str] = &[
    "io.k8s.apimachinery.pkg.apis.meta.v1.LabelSelector",
    "io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference",
    "io.k8s.api.core.v1.ConfigMapKeySelector",
    "io.k8s.api.core.v1.EndpointAddress",
    "io.k8s.api.core.v1.EndpointPort",
    "io.k8s.api.core.v1.LocalObjectReference",
    "io.k8s.api.core.v1.NodeSelector",
    "io.k8s.api.core.v1.NodeSelectorTerm",
    "io.k8s.api.core.v1.ObjectFieldSelector",
    "io.k8s.api.core.v1.ObjectReference",
    "io.k8s.api.core.v1.ResourceFieldSelector",
    "io.k8s.api.core.v1.SecretKeySelector",
    "io.k8s.api.core.v1.SecretReference",
    "io.k8s.api.core.v1.TopologySelectorTerm",
    "io.k8s.api.core.v1.TypedLocalObjectReference",
    "io.k8s.api.discovery.v1.EndpointPort",
    "io.k8s.api.rbac.v1.RoleRef",
    "io.k8s.api.rbac.v1.Subject",
];

/// Maps of scalars that are replaced as a whole.
const ATOMIC_FIELDS: &[(&str, &str)] = &[("io.k8s.api.core.v1.ServiceSpec", "selector"), ("io.k8s.api.core.v1.PodSpec", "nodeSelector")];

struct Line {
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    short: &'static [&'static str],
    categories: &'static [&'static str],
    traits: &'static [Trait],
    schema: fn(&mut SchemaGenerator),
    type_name: fn() -> String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Trait {
    Cluster,
    Status,
    Scale,
    Generation,
}
use Trait::{Cluster, Generation, Scale, Status};

macro_rules! lines {
    ($( $group:literal $version:literal $ty:ty, $kind:literal $plural:literal $short:tt $categories:tt $traits:tt; )*) => {
        &[$( Line {
            group: $group, version: $version, kind: $kind, plural: $plural, short: &$short, categories: &$categories, traits: &$traits,
            schema: |generator| { let _ = generator.subschema_for::<$ty>(); },
            type_name: || <$ty as JsonSchema>::schema_name().into_owned(),
        }, )*]
    };
}

use k8s_openapi::api;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions;

const LINES: &[Line] = lines! {
    "" "v1" api::core::v1::Namespace, "Namespace" "namespaces" ["ns"] [] [Cluster, Status];
    "" "v1" api::core::v1::Node, "Node" "nodes" ["no"] [] [Cluster, Status];
    "" "v1" api::core::v1::Pod, "Pod" "pods" ["po"] ["all"] [Status, Generation];
    "" "v1" api::core::v1::Service, "Service" "services" ["svc"] ["all"] [Status];
    "" "v1" api::core::v1::ConfigMap, "ConfigMap" "configmaps" ["cm"] [] [];
    "" "v1" api::core::v1::Secret, "Secret" "secrets" [] [] [];
    "" "v1" api::core::v1::PersistentVolumeClaim, "PersistentVolumeClaim" "persistentvolumeclaims" ["pvc"] [] [Status];
    "" "v1" api::core::v1::PersistentVolume, "PersistentVolume" "persistentvolumes" ["pv"] [] [Cluster, Status];
    "" "v1" api::core::v1::Endpoints, "Endpoints" "endpoints" ["ep"] [] [];
    "" "v1" api::core::v1::Event, "Event" "events" ["ev"] [] [];
    "" "v1" api::core::v1::ServiceAccount, "ServiceAccount" "serviceaccounts" ["sa"] [] [];
    "apps" "v1" api::apps::v1::StatefulSet, "StatefulSet" "statefulsets" ["sts"] ["all"] [Status, Scale, Generation];
    "apps" "v1" api::apps::v1::Deployment, "Deployment" "deployments" ["deploy"] ["all"] [Status, Scale, Generation];
    "apps" "v1" api::apps::v1::ReplicaSet, "ReplicaSet" "replicasets" ["rs"] ["all"] [Status, Scale, Generation];
    "apps" "v1" api::apps::v1::ControllerRevision, "ControllerRevision" "controllerrevisions" [] [] [];
    "autoscaling" "v2" api::autoscaling::v2::HorizontalPodAutoscaler, "HorizontalPodAutoscaler" "horizontalpodautoscalers" ["hpa"] ["all"] [Status];
    "policy" "v1" api::policy::v1::PodDisruptionBudget, "PodDisruptionBudget" "poddisruptionbudgets" ["pdb"] [] [Status, Generation];
    "networking.k8s.io" "v1" api::networking::v1::NetworkPolicy, "NetworkPolicy" "networkpolicies" ["netpol"] [] [Generation];
    "discovery.k8s.io" "v1" api::discovery::v1::EndpointSlice, "EndpointSlice" "endpointslices" [] [] [Generation];
    "coordination.k8s.io" "v1" api::coordination::v1::Lease, "Lease" "leases" [] [] [];
    "storage.k8s.io" "v1" api::storage::v1::StorageClass, "StorageClass" "storageclasses" ["sc"] [] [Cluster];
    "storage.k8s.io" "v1" api::storage::v1::CSIDriver, "CSIDriver" "csidrivers" [] [] [Cluster];
    "rbac.authorization.k8s.io" "v1" api::rbac::v1::ClusterRole, "ClusterRole" "clusterroles" [] [] [Cluster];
    "rbac.authorization.k8s.io" "v1" api::rbac::v1::ClusterRoleBinding, "ClusterRoleBinding" "clusterrolebindings" [] [] [Cluster];
    "rbac.authorization.k8s.io" "v1" api::rbac::v1::Role, "Role" "roles" [] [] [];
    "rbac.authorization.k8s.io" "v1" api::rbac::v1::RoleBinding, "RoleBinding" "rolebindings" [] [] [];
    "apiextensions.k8s.io" "v1" apiextensions::v1::CustomResourceDefinition, "CustomResourceDefinition" "customresourcedefinitions" ["crd", "crds"] ["api-extensions"] [Cluster, Status, Generation];
};

/// What is computed once for all stores: the structures of the built-in kinds and their OpenAPI definitions.
pub struct BuiltIn {
    registry: Registry,
    metadata: Arc<Schema>,
    definitions: Arc<BTreeMap<String, Value>>,
}

static BUILT_IN: LazyLock<BuiltIn> = LazyLock::new(compile);

/// The built-in kinds.
pub fn registry() -> Registry {
    BUILT_IN.registry.clone()
}

/// Structure of `ObjectMeta`.
pub fn metadata() -> Arc<Schema> {
    BUILT_IN.metadata.clone()
}

/// OpenAPI definitions of the built-in types, by definition name; references read `#/$defs/NAME`.
pub fn definitions() -> Arc<BTreeMap<String, Value>> {
    BUILT_IN.definitions.clone()
}

/// Definition name of a built-in kind.
pub fn definition_of(kind: &str) -> Option<String> {
    LINES.iter().find(|line| line.kind == kind).map(|line| (line.type_name)())
}

fn compile() -> BuiltIn {
    let mut generator = SchemaGenerator::default();
    for line in LINES {
        (line.schema)(&mut generator);
    }
    let definitions: BTreeMap<String, Value> = generator.take_definitions(true).into_iter().collect();
    let mut compiler = Compiler { definitions: &definitions, done: BTreeMap::new() };
    let mut registry = Registry::default();
    for line in LINES {
        let schema = compiler.definition(&(line.type_name)());
        registry.insert(resource(line, schema));
    }
    let metadata = compiler.definition(&format!("{META}ObjectMeta"));
    BuiltIn { registry, metadata, definitions: Arc::new(definitions) }
}

fn resource(line: &Line, schema: Arc<Schema>) -> Resource {
    let has = |wanted| line.traits.contains(&wanted);
    let scale = has(Scale).then(|| ScalePaths {
        spec_replicas: "spec.replicas".to_string(),
        status_replicas: "status.replicas".to_string(),
        selector: Some("spec.selector".to_string()),
    });
    let text = |items: &[&str]| items.iter().map(|item| (*item).to_string()).collect();
    Resource {
        group: line.group.to_string(),
        kind: line.kind.to_string(),
        list_kind: format!("{}List", line.kind),
        plural: line.plural.to_string(),
        singular: line.kind.to_lowercase(),
        short_names: text(line.short),
        categories: text(line.categories),
        namespaced: !has(Cluster),
        generation: has(Generation),
        origin: Origin::BuiltIn,
        versions: vec![Version {
            name: line.version.to_string(),
            served: true,
            schema,
            source: None,
            status: has(Status),
            scale,
            columns: Vec::new(),
        }],
    }
}

struct Compiler<'a> {
    definitions: &'a BTreeMap<String, Value>,
    done: BTreeMap<String, Arc<Schema>>,
}

impl Compiler<'_> {
    fn definition(&mut self, name: &str) -> Arc<Schema> {
        if let Some(done) = self.done.get(name) {
            return done.clone();
        }
        // The schema of schemas contains itself; its inside is not looked at.
        if name.ends_with("apiextensions.v1.JSONSchemaProps") {
            return Arc::new(Schema { shape: Shape::Object, preserve_unknown: true, ..Schema::default() });
        }
        let source = self.definitions.get(name).cloned().unwrap_or_default();
        let mut schema = self.node(&source);
        schema.type_name = Some(name.into());
        schema.atomic = ATOMIC_TYPES.contains(&name);
        match name.strip_prefix("io.k8s.apimachinery.pkg.") {
            Some("api.resource.Quantity") => schema.shape = Shape::Quantity,
            Some("runtime.RawExtension" | "apis.meta.v1.FieldsV1") => schema.preserve_unknown = true,
            _ => {}
        }
        for (field, child) in &mut schema.properties {
            annotate(name, field, child);
        }
        let schema = Arc::new(schema);
        self.done.insert(name.to_string(), schema.clone());
        schema
    }

    fn node(&mut self, source: &Value) -> Schema {
        if let Some(reference) = source.get("$ref").and_then(Value::as_str) {
            let name = reference.rsplit('/').next().unwrap_or(reference).to_string();
            return Schema::clone(&self.definition(&name));
        }
        let mut shallow = source.clone();
        if let Some(map) = shallow.as_object_mut() {
            map.remove("properties");
            map.remove("additionalProperties");
            map.remove("items");
        }
        let mut schema = Schema::from_open_api(&shallow);
        for (name, child) in source.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let child = self.node(child);
            schema.properties.insert(name.clone(), Arc::new(child));
        }
        schema.additional = source.get("additionalProperties").filter(|value| value.is_object()).map(|value| Arc::new(self.node(value)));
        schema.items = source.get("items").map(|value| Arc::new(self.node(value)));
        schema
    }
}

fn annotate(type_name: &str, field: &str, child: &mut Arc<Schema>) {
    if let Some((_, _, keys)) = MERGE_KEYS.iter().find(|(ty, name, _)| *ty == type_name && *name == field) {
        Arc::make_mut(child).list = ListKind::Map(keys.iter().map(|key| (*key).to_string()).collect());
    }
    if SETS.contains(&(type_name, field)) {
        Arc::make_mut(child).list = ListKind::Set;
    }
    // A key of a list's items that may be left out has a default, or items could not be told apart.
    if field == "protocol" && ["ContainerPort", "ServicePort"].iter().any(|name| type_name == format!("io.k8s.api.core.v1.{name}")) {
        Arc::make_mut(child).default = Some(Value::from("TCP"));
    }
    if ATOMIC_FIELDS.contains(&(type_name, field)) {
        Arc::make_mut(child).atomic = true;
    }
}
