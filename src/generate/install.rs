//! The manifest of a plain install: namespace, rights and the operator's Deployment; never the CRDs, which are a file of their own.

use serde_json::{Value, json};

use super::rbac::{NAME, NAMESPACE, SERVICE_ACCOUNT, labels, metadata, rbac_yaml};
use crate::yaml::{self, YamlError};

/// Image of a plain install.
pub(super) const IMAGE: &str = "ghcr.io/starrocks-operator/starrocks-operator";

/// Everything of a plain install but the CRDs: namespace, rights and Deployment.
///
/// # Errors
/// When a value cannot be written as YAML, which would be a defect of the code.
pub fn install_yaml(version: &str) -> Result<String, YamlError> {
    let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } });
    Ok(format!("{}---\n{}---\n{}", yaml::to_string(&namespace)?, rbac_yaml()?, yaml::to_string(&deployment(version))?))
}

pub(super) fn deployment(version: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": metadata(NAME, Some(NAMESPACE)),
        "spec": {
            "replicas": 1,
            "selector": { "matchLabels": labels() },
            "template": {
                "metadata": { "labels": labels(), "annotations": { "kubectl.kubernetes.io/default-container": "manager" } },
                "spec": pod(version),
            },
        },
    })
}

fn pod(version: &str) -> Value {
    json!({
        "serviceAccountName": SERVICE_ACCOUNT,
        "terminationGracePeriodSeconds": 20,
        "securityContext": { "runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": { "type": "RuntimeDefault" } },
        "containers": [{
            "name": "manager",
            "image": format!("{IMAGE}:{version}"),
            "args": ["run", "--leader-elect", "--log-format=json"],
            "env": [
                { "name": "POD_NAME", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } },
                { "name": "POD_NAMESPACE", "valueFrom": { "fieldRef": { "fieldPath": "metadata.namespace" } } },
            ],
            "ports": [{ "name": "metrics", "containerPort": 8080 }, { "name": "probes", "containerPort": 8081 }],
            "livenessProbe": probe("/healthz", 15, 20),
            "readinessProbe": probe("/readyz", 5, 10),
            "resources": { "requests": { "cpu": "50m", "memory": "64Mi" }, "limits": { "memory": "512Mi" } },
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": { "drop": ["ALL"] },
            },
        }],
    })
}

fn probe(path: &str, initial_delay_seconds: u32, period_seconds: u32) -> Value {
    json!({
        "httpGet": { "path": path, "port": "probes" },
        "initialDelaySeconds": initial_delay_seconds,
        "periodSeconds": period_seconds,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_install_is_valid_yaml_of_seven_objects() {
        let documents = yaml::documents(&install_yaml("1.0.0").expect("prints")).expect("reads");
        let kinds: Vec<_> = documents.iter().filter_map(|document| document["kind"].as_str()).collect();
        assert_eq!(kinds, ["Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "Deployment"]);
    }
}
