//! The rights that the operator needs, and no others, as rules and as the roles and bindings that grant them; a wire test checks every request.

use std::collections::BTreeMap;

use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::{Value, json};

use crate::model::ObjectKind;
use crate::model::component::LEASE_NAME;

/// Name of the operator's Deployment, roles and bindings; that of the former operator's Deployment.
pub(super) const NAME: &str = "starrocks-operator";
/// Namespace of a plain install, the former operator's.
pub(super) const NAMESPACE: &str = "starrocks";
/// ServiceAccount of a plain install, the former operator's.
pub(super) const SERVICE_ACCOUNT: &str = "starrocks";
/// What the operator does with an owned kind. A server-side apply needs `patch`, and `create` when the object does not exist; `get` looks
/// whether a name that the caches do not know is taken.
const OWNED_VERBS: [&str; 6] = ["create", "delete", "get", "list", "patch", "watch"];

/// The rules of the ClusterRole.
#[must_use]
pub fn cluster_role_rules() -> Vec<PolicyRule> {
    let mut rules = namespaced_rules();
    rules.extend([
        // They belong to no namespace: an operator that serves some namespaces only does without them.
        rule("starrocks.com", &["starrocksversioncatalogs"], &["list", "watch"]),
        rule("starrocks.com", &["starrocksversioncatalogs/status"], &["patch"]),
    ]);
    rules
}

/// The rules of a Role in each namespace when the operator serves some namespaces only.
#[must_use]
pub fn namespaced_rules() -> Vec<PolicyRule> {
    let mut rules = vec![
        rule("starrocks.com", &["starrocksclusters"], &["list", "watch"]),
        // The status is the only part of the resource that is ever written: the spec belongs to the user.
        rule("starrocks.com", &["starrocksclusters/status"], &["patch"]),
        // Owner references with blockOwnerDeletion need this where OwnerReferencesPermissionEnforcement is on, as on OpenShift.
        rule("starrocks.com", &["starrocksclusters/finalizers"], &["update"]),
    ];
    rules.extend([
        // A patch of the finalizers: a warehouse must not vanish before it has been dropped.
        rule("starrocks.com", &["starrockswarehouses"], &["list", "patch", "watch"]),
        rule("starrocks.com", &["starrockswarehouses/status"], &["patch"]),
        rule("starrocks.com", &["starrockswarehouses/finalizers"], &["update"]),
    ]);
    rules.extend([
        // The operator makes them and tells in their status; what is said in their spec is the users'.
        rule("starrocks.com", &["starrocksupgrades"], &["create", "delete", "list", "watch"]),
        rule("starrocks.com", &["starrocksupgrades/status"], &["patch"]),
    ]);
    let mut owned: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for kind in ObjectKind::ALL {
        let (group, plural) = group_and_plural(kind);
        owned.entry(group).or_default().push(plural);
    }
    rules.extend(owned.into_iter().map(|(group, plurals)| rule(group, &plurals, &OWNED_VERBS)));
    rules.extend([
        // Made are only pods that have an image pulled before a hop or a rollout (spec.upgradePolicy.prePullImages).
        rule("", &["pods"], &["create", "delete", "list", "watch"]),
        // The end of the log of a container that crashes, once per run, for the line that says why.
        rule("", &["pods/log"], &["get"]),
        // Before a healthy pod is restarted: its owner may not want that.
        rule("policy", &["poddisruptionbudgets"], &["list"]),
        rule("", &["persistentvolumeclaims"], &["list", "watch"]),
        // One by one and by name: the Secret with the operator's SQL login.
        rule("", &["secrets"], &["get"]),
        rule("events.k8s.io", &["events"], &["create"]),
    ]);
    rules
}

/// The rules of the Role in the operator's own namespace: its Lease.
#[must_use]
pub fn lease_role_rules() -> Vec<PolicyRule> {
    let named =
        PolicyRule { resource_names: Some(vec![LEASE_NAME.to_owned()]), ..rule("coordination.k8s.io", &["leases"], &["get", "update"]) };
    // A name cannot be demanded at creation.
    vec![rule("coordination.k8s.io", &["leases"], &["create"]), named]
}

const fn group_and_plural(kind: ObjectKind) -> (&'static str, &'static str) {
    match kind {
        ObjectKind::ConfigMap => ("", "configmaps"),
        ObjectKind::Service => ("", "services"),
        ObjectKind::StatefulSet => ("apps", "statefulsets"),
        ObjectKind::Deployment => ("apps", "deployments"),
        ObjectKind::HorizontalPodAutoscaler => ("autoscaling", "horizontalpodautoscalers"),
    }
}

pub(super) fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> PolicyRule {
    let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    PolicyRule { api_groups: Some(vec![group.to_owned()]), resources: Some(owned(resources)), verbs: owned(verbs), ..PolicyRule::default() }
}

pub(super) fn labels() -> Value {
    json!({ "app.kubernetes.io/name": NAME, "app.kubernetes.io/component": "operator" })
}

pub(super) fn metadata(name: &str, namespace: Option<&str>) -> Value {
    let mut metadata = json!({ "name": name, "labels": labels() });
    if let (Some(namespace), Some(fields)) = (namespace, metadata.as_object_mut()) {
        fields.insert("namespace".to_owned(), namespace.into());
    }
    metadata
}

/// The operator's ServiceAccount.
pub(super) fn service_account() -> Value {
    json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata(SERVICE_ACCOUNT, Some(NAMESPACE)) })
}

/// What the operator may do in all namespaces.
pub(super) fn cluster_role() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": metadata(NAME, None),
        "rules": cluster_role_rules(),
    })
}

/// Grants [`cluster_role`] to the operator.
pub(super) fn cluster_role_binding() -> Value {
    binding("ClusterRoleBinding", "ClusterRole", NAME, None)
}

/// What an operator that serves one namespace only may do there: no right reaches beyond it.
pub(super) fn role(namespace: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": metadata(NAME, Some(namespace)),
        "rules": namespaced_rules(),
    })
}

/// Grants [`role`] to the operator.
pub(super) fn role_binding(namespace: &str) -> Value {
    binding("RoleBinding", "Role", NAME, Some(namespace))
}

/// What the operator may do with its Lease.
pub(super) fn lease_role() -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
        "metadata": metadata("starrocks-operator-leader-election", Some(NAMESPACE)),
        "rules": lease_role_rules(),
    })
}

/// Grants [`lease_role`] to the operator.
pub(super) fn lease_role_binding() -> Value {
    binding("RoleBinding", "Role", "starrocks-operator-leader-election", Some(NAMESPACE))
}

fn binding(kind: &str, role_kind: &str, name: &str, namespace: Option<&str>) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind,
        "metadata": metadata(name, namespace),
        "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": role_kind, "name": name },
        "subjects": [{ "kind": "ServiceAccount", "name": SERVICE_ACCOUNT, "namespace": NAMESPACE }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_rule_grants_everything_and_secrets_are_only_read_one_by_one() {
        let mut rules = cluster_role_rules();
        rules.extend(lease_role_rules());
        for rule in &rules {
            assert!(!rule.verbs.iter().any(|verb| verb == "*"), "{rule:?}");
            let resources = rule.resources.clone().unwrap_or_default();
            assert!(!resources.iter().any(|resource| resource == "*"), "{rule:?}");
            if resources.contains(&"secrets".to_owned()) {
                assert_eq!(rule.verbs, ["get"]);
            }
            if resources.contains(&"starrocksclusters".to_owned()) {
                assert_eq!(rule.verbs, ["list", "watch"]);
            }
        }
    }

    #[test]
    fn the_kinds_are_called_as_in_the_requests() {
        for kind in ObjectKind::ALL {
            let resource = crate::apply::resource_of(kind);
            assert_eq!(group_and_plural(kind), (resource.group.as_str(), resource.plural.as_str()));
        }
    }

    #[test]
    fn an_operator_of_one_namespace_gets_no_cluster_wide_right() {
        let text = [service_account(), role("team"), role_binding("team"), lease_role(), lease_role_binding()]
            .map(|object| object.to_string())
            .concat();
        assert!(!text.contains("ClusterRole") && !text.contains("starrocksversioncatalogs"));
    }
}
