//! What the operator runs as: its namespace and its Deployment, for every way of installing it; never its rights.

use serde_json::{Value, json};

use super::objects::{METRICS_PORT, PROBES_PORT};
use super::rbac::{NAME, NAMESPACE, SERVICE_ACCOUNT, labels, metadata};

/// Repository of the operator's image.
pub const IMAGE: &str = "ghcr.io/starrocks-operator/starrocks-operator";
/// Processors that the image is built for, as `kubernetes.io/arch` has them.
pub const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];
/// User and group of the image; no root, and no number that a node has an account for.
pub const USER: u32 = 65532;

/// The namespace of a plain install. It carries no pod security level: clusters may live in it too, and StarRocks' own images run as root.
#[must_use]
pub fn namespace() -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } })
}

/// The operator's Deployment with the image of a release.
///
/// One replica: a second one would only wait for the Lease, and Kubernetes brings another pod as fast. So there is no PodDisruptionBudget either, which would
/// keep nodes from being drained. No priority class: without the operator databases go on, so that it must displace nobody.
#[must_use]
pub fn deployment(version: &str) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": metadata(NAME, Some(NAMESPACE)),
        "spec": {
            "replicas": 1,
            "selector": { "matchLabels": labels() },
            "template": {
                "metadata": { "labels": labels(), "annotations": { "kubectl.kubernetes.io/default-container": "manager" } },
                "spec": pod(&format!("{IMAGE}:{version}")),
            },
        },
    })
}

fn pod(image: &str) -> Value {
    json!({
        "affinity": nodes_that_can_run_it(),
        // Variables for every Service of the namespace, which nobody reads.
        "enableServiceLinks": false,
        "serviceAccountName": SERVICE_ACCOUNT,
        "terminationGracePeriodSeconds": 20,
        "securityContext": { "runAsNonRoot": true, "runAsUser": USER, "runAsGroup": USER, "seccompProfile": { "type": "RuntimeDefault" } },
        "containers": [{
            "name": "manager",
            "image": image,
            "args": ["run", "--leader-elect", "--log-format=json"],
            "env": [
                { "name": "POD_NAME", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } },
                { "name": "POD_NAMESPACE", "valueFrom": { "fieldRef": { "fieldPath": "metadata.namespace" } } },
            ],
            "ports": [{ "name": "metrics", "containerPort": METRICS_PORT }, { "name": "probes", "containerPort": PROBES_PORT }],
            "startupProbe": probe("/healthz", 2, 30),
            "livenessProbe": probe("/healthz", 20, 3),
            "readinessProbe": probe("/readyz", 10, 3),
            "resources": { "requests": { "cpu": "50m", "memory": "64Mi" }, "limits": { "memory": "512Mi" } },
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "runAsNonRoot": true,
                "capabilities": { "drop": ["ALL"] },
            },
            // Why it ended, where `kubectl describe` shows it: it has no file to write that to.
            "terminationMessagePolicy": "FallbackToLogsOnError",
        }],
    })
}

fn nodes_that_can_run_it() -> Value {
    let expressions = json!([
        { "key": "kubernetes.io/arch", "operator": "In", "values": ARCHITECTURES },
        { "key": "kubernetes.io/os", "operator": "In", "values": ["linux"] },
    ]);
    json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [{ "matchExpressions": expressions }] } } })
}

fn probe(path: &str, period_seconds: u32, failure_threshold: u32) -> Value {
    json!({
        "httpGet": { "path": path, "port": "probes" },
        "periodSeconds": period_seconds,
        "failureThreshold": failure_threshold,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pod_satisfies_the_restricted_pod_security_standard() {
        let pod = &deployment("1.0.0")["spec"]["template"]["spec"];
        assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert!(["hostNetwork", "hostPID", "hostIPC", "volumes", "initContainers"].iter().all(|field| pod[field].is_null()));
        for container in pod["containers"].as_array().expect("containers") {
            let context = &container["securityContext"];
            assert_eq!(context["allowPrivilegeEscalation"], false);
            assert_eq!(context["capabilities"], json!({ "drop": ["ALL"] }));
            assert!(context["privileged"].is_null() && context["runAsUser"].is_null());
            assert!(container["ports"].as_array().is_some_and(|ports| ports.iter().all(|port| port["hostPort"].is_null())));
        }
    }
}
