//! The bases of `config/` that every install is made of: definitions, rights, the Deployment, and beside it the policy of the network and what packagers start from.

use serde_json::Value;

use super::super::rbac::NAMESPACE;
use super::super::{GeneratedFile, bundle, crds, file, install, objects as beside, rbac};
use super::{kustomization, objects};
use crate::yaml::YamlError;

/// `config/crd`: a file for each definition.
pub(super) fn definitions() -> Result<Vec<GeneratedFile>, YamlError> {
    let mut files = Vec::new();
    let mut names = Vec::new();
    for crd in crds::all() {
        let name = format!("{}_{}.yaml", crd.spec.group, crd.spec.names.plural);
        files.push(file(&format!("config/crd/{name}"), crds::crd_yaml(&crd)?));
        names.push(name);
    }
    names.sort();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    files.push(kustomization("crd", &["The definitions of the kinds."], &names, Value::Null)?);
    Ok(files)
}

/// `config/rbac`: who the operator is, and what it may do, in all namespaces or in its own only.
pub(super) fn rights() -> Result<Vec<GeneratedFile>, YamlError> {
    let own = [
        objects("rbac/account/service_account.yaml", &[rbac::service_account()])?,
        objects("rbac/account/leader_election.yaml", &[rbac::lease_role(), rbac::lease_role_binding()])?,
        kustomization(
            "rbac/account",
            &["Who the operator is, and its Lease: what every install has."],
            &["service_account.yaml", "leader_election.yaml"],
            Value::Null,
        )?,
    ];
    let everywhere = [
        objects("rbac/operator_role.yaml", &[rbac::cluster_role(), rbac::cluster_role_binding()])?,
        objects("rbac/user_roles.yaml", &beside::user_roles())?,
        kustomization(
            "rbac",
            &[
                "Rights in all namespaces. Every rule is one that the code uses: tests refuse requests beyond them, and fail on a rule without a request.",
                "user_roles.yaml adds the kinds to Kubernetes' own roles view, edit and admin; the operator has none of these.",
            ],
            &["account", "operator_role.yaml", "user_roles.yaml"],
            Value::Null,
        )?,
    ];
    let here = [
        objects("rbac/namespaced/operator_role.yaml", &[rbac::role(NAMESPACE), rbac::role_binding(NAMESPACE)])?,
        kustomization(
            "rbac/namespaced",
            &[
                "Rights in the operator's own namespace and nowhere else: the same rules without those on version catalogs, which belong to no namespace.",
            ],
            &["../account", "operator_role.yaml"],
            Value::Null,
        )?,
    ];
    Ok(own.into_iter().chain(everywhere).chain(here).collect())
}

/// `config/manager`: the operator itself.
pub(super) fn manager(version: &str) -> Result<Vec<GeneratedFile>, YamlError> {
    Ok(vec![
        objects("manager/namespace.yaml", &[install::namespace()])?,
        objects("manager/deployment.yaml", &[install::deployment(version)])?,
        objects("manager/metrics_service.yaml", &[beside::metrics_service(Some(NAMESPACE))])?,
        kustomization(
            "manager",
            &["The operator itself, in its namespace, and the Service by which its metrics are found."],
            &["namespace.yaml", "deployment.yaml", "metrics_service.yaml"],
            Value::Null,
        )?,
    ])
}

/// `config/network-policy`: not part of the plain install, because where an API server listens is not the same everywhere.
pub(super) fn network_policy() -> Result<Vec<GeneratedFile>, YamlError> {
    Ok(vec![
        objects("network-policy/operator.yaml", &[beside::network_policy(Some(NAMESPACE))])?,
        kustomization(
            "network-policy",
            &[
                "Whom the operator may talk to, and who to it. Look first whether your API server listens on one of the ports in it; the plain install is without.",
            ],
            &["operator.yaml"],
            Value::Null,
        )?,
    ])
}

/// `config/scorecard`: what `operator-sdk scorecard` runs; the package has the same.
pub(super) fn scorecard(version: &str) -> Result<Vec<GeneratedFile>, YamlError> {
    Ok(vec![
        objects("scorecard/config.yaml", &[bundle::scorecard::configuration(version)])?,
        kustomization("scorecard", &["The tests that `operator-sdk scorecard` runs, as in the package."], &["config.yaml"], Value::Null)?,
    ])
}

/// `config/manifests`: what a package for the Operator Lifecycle Manager has in it, without its ClusterServiceVersion, as one stream.
pub(super) fn manifests() -> Result<Vec<GeneratedFile>, YamlError> {
    Ok(vec![kustomization(
        "manifests",
        &[
            "What a package of the operator is made of: definitions, rights, Deployment, policy of the network and samples, as one stream for tools that read one.",
            "bundle/ is not made from it but from the same source: `starrocks-operator generate`.",
        ],
        &["../crd", "../rbac", "../manager", "../network-policy", "../samples"],
        Value::Null,
    )?])
}
