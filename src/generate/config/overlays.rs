//! The installs that are made of the bases: plain, of one namespace, on OpenShift.

use serde_json::{Value, json};

use super::super::GeneratedFile;
use super::super::rbac::NAME;
use super::kustomization;
use crate::yaml::{self, YamlError};

/// `config/default`, `config/namespaced`, `config/openshift`, and the root, which is the first of them.
pub(super) fn folders() -> Result<Vec<GeneratedFile>, YamlError> {
    Ok(vec![
        kustomization("", &["The plain install, by its former path."], &["default"], Value::Null)?,
        kustomization(
            "default",
            &["The plain install: one operator for all namespaces."],
            &["../crd", "../rbac", "../manager"],
            Value::Null,
        )?,
        namespaced()?,
        openshift()?,
    ])
}

/// The operator is told its own namespace by the pod, so that `namespace: NAME` in a kustomization over this one is all that another namespace takes.
fn namespaced() -> Result<GeneratedFile, YamlError> {
    let environment = json!([{ "name": "WATCH_NAMESPACE", "valueFrom": { "fieldRef": { "fieldPath": "metadata.namespace" } } }]);
    kustomization(
        "namespaced",
        &[
            "One operator for its own namespace. Beside the definitions and the namespace nothing belongs to the whole Kubernetes cluster, and no rule reaches beyond the namespace.",
            "For a namespace of another name, make a kustomization with this folder as resource and `namespace: NAME`.",
        ],
        &["../crd", "../rbac/namespaced", "../manager"],
        json!({ "patches": [deployment_patch(&json!({ "containers": [{ "name": "manager", "env": environment }] }))?] }),
    )
}

/// OpenShift gives each namespace its own range of users and refuses a number outside of it.
fn openshift() -> Result<GeneratedFile, YamlError> {
    kustomization(
        "openshift",
        &[
            "The plain install as OpenShift wants it: the user comes from the namespace's range (restricted-v2), with monitoring and what the web console shows.",
            "The kinds of monitoring.coreos.com and console.openshift.io must be there, as on every OpenShift.",
        ],
        &["../default", "../network-policy", "../prometheus", "../console"],
        json!({ "patches": [deployment_patch(&json!({ "securityContext": { "runAsUser": null, "runAsGroup": null } }))?] }),
    )
}

fn deployment_patch(pod: &Value) -> Result<Value, YamlError> {
    let patch = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": NAME },
        "spec": { "template": { "spec": pod } },
    });
    Ok(json!({ "patch": yaml::to_string(&patch)?, "target": { "kind": "Deployment", "name": NAME } }))
}
