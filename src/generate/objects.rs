//! Objects that stand beside the operator however it is installed: the Service of its metrics, its NetworkPolicy, roles for the users of its kinds; never what it runs as.

use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::{Value, json};

use super::rbac::{self, NAME, labels, metadata};
use crate::model::component::OWNER_LABEL;

/// Port of `/metrics`.
pub const METRICS_PORT: u16 = 8080;
/// Port of `/healthz` and `/readyz`.
pub const PROBES_PORT: u16 = 8081;
/// Port of the admission webhook.
pub const WEBHOOK_PORT: u16 = 9443;
/// Name of the Service of the metrics.
pub const METRICS_SERVICE: &str = "starrocks-operator-metrics";
/// Where API servers listen: behind their Service's 443 most have 6443 (kubeadm, OpenShift, k3s, kind), some 443 (managed ones), 8443 (minikube) or 16443 (MicroK8s).
const API_SERVER_PORTS: [u16; 4] = [443, 6443, 8443, 16443];
/// Where cluster DNS listens: 53, and 5353 behind the Service of OpenShift's.
const DNS_PORTS: [u16; 2] = [53, 5353];
const READ: [&str; 3] = ["get", "list", "watch"];
const CHANGE: [&str; 5] = ["create", "delete", "deletecollection", "patch", "update"];

/// The Service that a Prometheus finds the operator's metrics by; without a namespace it is made where the manifest is applied.
#[must_use]
pub fn metrics_service(namespace: Option<&str>) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": metadata(METRICS_SERVICE, namespace),
        "spec": {
            "selector": labels(),
            "ports": [{ "name": "metrics", "port": METRICS_PORT, "protocol": "TCP", "targetPort": "metrics" }],
        },
    })
}

/// Who may talk to the operator, and whom it may talk to; everything else is refused.
///
/// Scrapers, kubelets and API servers are known by no label that every cluster has, so that towards them ports are all that can be restricted. Pods of StarRocks are known by the
/// label that the operator gives them, in every namespace; their ports are in their configuration, so that none is fixed here. What is missing, such as an API server
/// on another port, is allowed by a further policy: policies add up.
#[must_use]
pub fn network_policy(namespace: Option<&str>) -> Value {
    let tcp = |ports: &[u16]| ports.iter().map(|port| json!({ "port": port, "protocol": "TCP" })).collect::<Vec<_>>();
    let dns: Vec<Value> =
        DNS_PORTS.iter().flat_map(|port| ["UDP", "TCP"].map(|protocol| json!({ "port": port, "protocol": protocol }))).collect();
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": metadata(NAME, namespace),
        "spec": {
            "podSelector": { "matchLabels": labels() },
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{ "ports": tcp(&[METRICS_PORT, PROBES_PORT, WEBHOOK_PORT]) }],
            "egress": [
                { "ports": dns },
                { "ports": tcp(&API_SERVER_PORTS) },
                { "to": [{ "namespaceSelector": {}, "podSelector": { "matchExpressions": [{ "key": OWNER_LABEL, "operator": "Exists" }] } }] },
            ],
        },
    })
}

/// Roles that Kubernetes adds to its own view, edit and admin, so that whoever may look at, change or govern a namespace may do so with our kinds.
#[must_use]
pub fn user_roles() -> Vec<Value> {
    vec![user_role("view", &view_rules()), user_role("edit", &edit_rules()), user_role("admin", &admin_rules())]
}

fn view_rules() -> Vec<PolicyRule> {
    vec![
        rule(&["starrocksclusters", "starrocksupgrades", "starrocksversioncatalogs", "starrockswarehouses"], &READ),
        rule(
            &[
                "starrocksclusters/scale",
                "starrocksclusters/status",
                "starrocksupgrades/status",
                "starrocksversioncatalogs/status",
                "starrockswarehouses/scale",
                "starrockswarehouses/status",
            ],
            &["get"],
        ),
    ]
}

fn edit_rules() -> Vec<PolicyRule> {
    vec![
        rule(&["starrocksclusters", "starrockswarehouses"], &CHANGE),
        rule(&["starrocksclusters/scale", "starrockswarehouses/scale"], &["patch", "update"]),
        // The operator makes them; users approve, pause and cancel in their spec, and clear old ones away.
        rule(&["starrocksupgrades"], &["delete", "deletecollection", "patch", "update"]),
    ]
}

/// A version catalog counts for every cluster everywhere, so that it takes an admin, and of all namespaces: the kind belongs to none.
fn admin_rules() -> Vec<PolicyRule> {
    vec![rule(&["starrocksversioncatalogs"], &CHANGE)]
}

fn rule(resources: &[&str], verbs: &[&str]) -> PolicyRule {
    rbac::rule("starrocks.com", resources, verbs)
}

fn user_role(name: &str, rules: &[PolicyRule]) -> Value {
    let mut role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": metadata(&format!("{NAME}-{name}"), None),
        "rules": rules,
    });
    // Kubernetes' own admin takes in edit, and edit takes in view.
    role["metadata"]["labels"][format!("rbac.authorization.k8s.io/aggregate-to-{name}")] = "true".into();
    role
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::generate::{crds, install};

    fn resources(rules: &[PolicyRule]) -> BTreeSet<String> {
        rules.iter().flat_map(|rule| rule.resources.clone().unwrap_or_default()).collect()
    }

    #[test]
    fn users_may_read_every_kind_and_every_part_of_it_that_there_is() {
        let mut there = BTreeSet::new();
        for crd in crds::all() {
            let plural = crd.spec.names.plural;
            for version in crd.spec.versions {
                let parts = version.subresources.unwrap_or_default();
                there.insert(plural.clone());
                there.extend(parts.status.map(|_| format!("{plural}/status")));
                there.extend(parts.scale.map(|_| format!("{plural}/scale")));
            }
        }
        assert_eq!(resources(&view_rules()), there);
        assert!(resources(&edit_rules()).is_subset(&there) && resources(&admin_rules()).is_subset(&there));
        assert!(!resources(&edit_rules()).contains("starrocksversioncatalogs"));
        let writes_status = [edit_rules(), admin_rules()]
            .concat()
            .iter()
            .any(|rule| resources(std::slice::from_ref(rule)).iter().any(|name| name.ends_with("/status")));
        assert!(!writes_status, "the status is the operator's");
    }

    #[test]
    fn the_policy_and_the_service_know_the_pod_by_its_labels_and_its_ports() {
        let deployment = install::deployment("1.0.0");
        let pod = &deployment["spec"]["template"];
        assert_eq!(network_policy(None)["spec"]["podSelector"]["matchLabels"], pod["metadata"]["labels"]);
        assert_eq!(metrics_service(None)["spec"]["selector"], pod["metadata"]["labels"]);
        let allowed: BTreeSet<u64> = network_policy(None)["spec"]["ingress"][0]["ports"]
            .as_array()
            .expect("ports")
            .iter()
            .filter_map(|port| port["port"].as_u64())
            .collect();
        for port in pod["spec"]["containers"][0]["ports"].as_array().expect("ports") {
            assert!(allowed.contains(&port["containerPort"].as_u64().expect("a number")), "{port} cannot be reached");
        }
    }
}
