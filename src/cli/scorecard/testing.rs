//! A sound package made from the code, for tests that make one mistake in it.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::bundle::{Bundle, DOCKERFILE, Manifest};
use super::verdict::Finding;
use crate::generate::{crds, rbac};
use crate::yaml;

/// The operator's image; nobody has such a digest.
pub(super) const OPERATOR_IMAGE: &str =
    "ghcr.io/starrocks-operator/starrocks-operator@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const CSV: &str = "manifests/starrocks-operator.clusterserviceversion.yaml";

/// The parts of a package, each to be spoilt.
#[derive(Clone)]
pub(super) struct Package {
    csv: Value,
    pub(super) definitions: Vec<Value>,
    pub(super) samples: Vec<Value>,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) labels: BTreeMap<String, String>,
    /// Further objects, a file each.
    pub(super) objects: Vec<Value>,
    /// Further files.
    pub(super) more: BTreeMap<String, String>,
}

impl Package {
    pub(super) fn sound() -> Self {
        static SOUND: OnceLock<Package> = OnceLock::new();
        SOUND.get_or_init(sound).clone()
    }

    pub(super) const fn csv(&mut self) -> &mut Value {
        &mut self.csv
    }

    /// The operator's container.
    pub(super) fn container(&mut self) -> &mut Value {
        self.csv.pointer_mut("/spec/install/spec/deployments/0/spec/template/spec/containers/0").unwrap()
    }

    pub(super) fn bundle(&self) -> Bundle {
        let mut files = self.more.clone();
        let annotations = yaml::to_string(&json!({"annotations": self.annotations})).unwrap();
        files.insert("metadata/annotations.yaml".to_owned(), annotations);
        let labels: String = self.labels.iter().map(|(key, value)| format!("LABEL {key}={value}\n")).collect();
        files.insert(DOCKERFILE.to_owned(), format!("FROM scratch\n{labels}"));
        let mut bundle = Bundle::from_files(files).unwrap();
        let mut csv = self.csv.clone();
        csv["metadata"]["annotations"]["alm-examples"] = json!(serde_json::to_string(&self.samples).unwrap());
        let objects = self.objects.iter().enumerate().map(|(index, object)| (format!("manifests/object-{index}.yaml"), object));
        let definitions = self.definitions.iter().map(|definition| {
            let name = definition["metadata"]["name"].as_str().unwrap();
            (format!("manifests/starrocks.com_{}.yaml", name.split('.').next().unwrap()), definition)
        });
        let all = [(CSV.to_owned(), &csv)].into_iter().chain(definitions).chain(objects);
        bundle.manifests.extend(all.map(|(file, object)| Manifest { file, objects: vec![object.clone()] }));
        bundle
    }
}

/// The one finding.
pub(super) fn only(mut findings: Vec<Finding>) -> Finding {
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings.remove(0)
}

fn sound() -> Package {
    let definitions: Vec<Value> = crds::all().iter().map(|definition| serde_json::to_value(definition).unwrap()).collect();
    let annotations: BTreeMap<String, String> = [
        ("operators.operatorframework.io.bundle.mediatype.v1", "registry+v1"),
        ("operators.operatorframework.io.bundle.manifests.v1", "manifests/"),
        ("operators.operatorframework.io.bundle.metadata.v1", "metadata/"),
        ("operators.operatorframework.io.bundle.package.v1", "starrocks-operator"),
        ("operators.operatorframework.io.bundle.channels.v1", "candidate-v0"),
        ("operators.operatorframework.io.bundle.channel.default.v1", "candidate-v0"),
        ("operators.operatorframework.io.test.mediatype.v1", "scorecard+v1"),
        ("operators.operatorframework.io.test.config.v1", "tests/scorecard/"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into();
    Package {
        csv: csv(&definitions),
        samples: samples(),
        labels: annotations.clone(),
        annotations,
        objects: Vec::new(),
        more: BTreeMap::from([("tests/scorecard/config.yaml".to_owned(), "kind: Configuration\n".to_owned())]),
        definitions,
    }
}

/// A descriptor for each field at the top.
fn descriptors(definition: &Value, part: &str) -> Vec<Value> {
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"][part]["properties"];
    let describe = |field: &String| json!({"path": field, "displayName": field, "description": "What it does.", "x-descriptors": []});
    schema.as_object().into_iter().flat_map(serde_json::Map::keys).map(describe).collect()
}

fn csv(definitions: &[Value]) -> Value {
    let owned: Vec<Value> = definitions
        .iter()
        .map(|definition| {
            json!({"name": definition["metadata"]["name"], "kind": definition["spec"]["names"]["kind"],
                "version": definition["spec"]["versions"][0]["name"],
                "specDescriptors": descriptors(definition, "spec"), "statusDescriptors": descriptors(definition, "status")})
        })
        .collect();
    let namespaced = rbac::namespaced_rules();
    let cluster: Vec<_> = rbac::cluster_role_rules().into_iter().filter(|rule| !namespaced.contains(rule)).collect();
    let permissions: Vec<_> = namespaced.into_iter().chain(rbac::lease_role_rules()).collect();
    let mut annotations = json!({"createdAt": "2026-11-28T00:00:00Z", "containerImage": OPERATOR_IMAGE});
    let features =
        ["disconnected", "fips-compliant", "proxy-aware", "tls-profiles", "token-auth-aws", "token-auth-azure", "token-auth-gcp"];
    for feature in features {
        annotations[format!("features.operators.openshift.io/{feature}")] = json!("false");
    }
    json!({"apiVersion": "operators.coreos.com/v1alpha1", "kind": "ClusterServiceVersion",
        "metadata": {"name": "starrocks-operator.v0.9.0", "annotations": annotations},
        "spec": {"version": "0.9.0", "replaces": "starrocks-operator.v0.1.0", "customresourcedefinitions": {"owned": owned},
            "relatedImages": [{"name": "starrocks-operator", "image": OPERATOR_IMAGE}],
            "install": {"strategy": "deployment", "spec": {
                "permissions": [{"serviceAccountName": "starrocks-operator", "rules": permissions}],
                "clusterPermissions": [{"serviceAccountName": "starrocks-operator", "rules": cluster}],
                "deployments": [deployment()]}}}})
}

fn deployment() -> Value {
    let probe = json!({"httpGet": {"path": "/healthz", "port": 8081}});
    json!({"name": "starrocks-operator", "spec": {"template": {"spec": {
        "serviceAccountName": "starrocks-operator",
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "manager", "image": OPERATOR_IMAGE, "env": [], "livenessProbe": probe, "readinessProbe": probe,
            "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
            "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}}}]}}}})
}

fn samples() -> Vec<Value> {
    let example = |text: &str, status: Value| {
        let documents = yaml::documents(text).unwrap();
        let mut sample = documents.into_iter().find(|document| document["kind"] == "StarRocksCluster").unwrap();
        sample["status"] = status;
        sample
    };
    let status = json!({"phase": "running", "observedGeneration": 1});
    let mut shared = example(include_str!("../../../examples/shared-data.yaml"), status.clone());
    shared["metadata"]["name"] = json!("lake");
    vec![
        example(include_str!("../../../examples/minimal.yaml"), status.clone()),
        example(include_str!("../../../examples/demo.yaml"), status),
        shared,
        json!({"apiVersion": "starrocks.com/v1", "kind": "StarRocksWarehouse", "metadata": {"name": "reports"},
            "spec": {"starRocksCluster": "lake", "template": {"replicas": 1}}, "status": {"phase": "running"}}),
        json!({"apiVersion": "starrocks.com/v1beta1", "kind": "StarRocksVersionCatalog", "metadata": {"name": "mine"},
            "spec": {"package": "starrocks", "releases": []}, "status": {"observedGeneration": 1}}),
        json!({"apiVersion": "starrocks.com/v1beta1", "kind": "StarRocksUpgrade", "metadata": {"name": "demo-1"},
            "spec": {"cluster": "demo", "from": "3.3.14", "to": "3.4.10"}, "status": {"phase": "Preflight"}}),
    ]
}
