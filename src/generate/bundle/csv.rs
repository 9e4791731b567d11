//! The ClusterServiceVersion: what OLM installs and a console shows of a release.

use k8s_openapi::ByteString;
use serde_json::{Value, json};

use super::images::Lock;
use super::{ARCHITECTURES, SERVICE_ACCOUNT, annotations, deployment, kinds, webhook};
use crate::generate::rbac::{self, NAME};
use crate::yaml::YamlError;

/// The oldest Kubernetes that the tests run on (`tests/controlplane/versions`); OLM installs on no older one.
const OLDEST_KUBERNETES: &str = "1.33.0";
const REPOSITORY: &str = env!("CARGO_PKG_REPOSITORY");
const ICON: &str = include_str!("icon.svg");
const DESCRIPTION: &str = include_str!("description.md");

/// The manifest of a release.
pub(super) fn manifest(version: &str, lock: &Lock) -> Result<Value, YamlError> {
    let mut labels = json!({ "operatorframework.io/os.linux": "supported" });
    for architecture in ARCHITECTURES {
        labels[format!("operatorframework.io/arch.{architecture}")] = "supported".into();
    }
    Ok(json!({
        "apiVersion": "operators.coreos.com/v1alpha1",
        "kind": "ClusterServiceVersion",
        "metadata": {
            "name": format!("{NAME}.v{version}"),
            "namespace": "placeholder",
            "labels": labels,
            "annotations": annotations::of(version, lock)?,
        },
        "spec": spec(version, lock),
    }))
}

fn spec(version: &str, lock: &Lock) -> Value {
    let mut spec = json!({
        "displayName": "StarRocks Operator",
        "description": DESCRIPTION,
        "version": version,
        "maturity": "beta",
        "minKubeVersion": OLDEST_KUBERNETES,
        "provider": { "name": "StarRocks Operator", "url": REPOSITORY },
        "maintainers": [{ "name": "StarRocks Operator maintainers", "email": "starrocks-operator@users.noreply.github.com" }],
        "keywords": ["starrocks", "database", "analytics", "olap", "sql", "data warehouse", "lakehouse", "upgrade"],
        "links": links(),
        "icon": [{ "base64data": ByteString(ICON.as_bytes().to_vec()), "mediatype": "image/svg+xml" }],
        "installModes": install_modes(),
        "install": { "strategy": "deployment", "spec": install(version, lock) },
        "webhookdefinitions": [webhook::definition()],
        "customresourcedefinitions": { "owned": kinds::owned() },
    });
    let related = lock.related(version);
    if !related.is_empty() {
        spec["relatedImages"] = related.into();
    }
    spec
}

/// Every way to select namespaces: the operator reads the list that OLM writes, however long it is.
fn install_modes() -> Vec<Value> {
    let mode = |name| json!({ "type": name, "supported": true });
    ["OwnNamespace", "SingleNamespace", "MultiNamespace", "AllNamespaces"].map(mode).into()
}

fn links() -> Value {
    let page = |name: &str, path: &str| json!({ "name": name, "url": format!("{REPOSITORY}/blob/main/{path}") });
    json!([
        page("Documentation", "docs/README.md"),
        page("Quick start", "docs/quick-start.md"),
        page("Upgrades", "docs/upgrades.md"),
        page("Codes and what to do", "docs/codes.md"),
        page("Installation with OLM", "docs/install-olm.md"),
        { "name": "Source", "url": REPOSITORY },
        { "name": "StarRocks", "url": "https://www.starrocks.io" },
    ])
}

/// Deployment and rights. What concerns objects in namespaces is granted in those that the OperatorGroup selects; cluster-wide is only what belongs to no namespace.
fn install(version: &str, lock: &Lock) -> Value {
    let namespaced = [rbac::namespaced_rules(), rbac::lease_role_rules()].concat();
    let mut cluster_wide = rbac::cluster_role_rules();
    cluster_wide.retain(|rule| !namespaced.contains(rule));
    json!({
        "deployments": [deployment::entry(version, lock)],
        "permissions": [{ "serviceAccountName": SERVICE_ACCOUNT, "rules": namespaced }],
        "clusterPermissions": [{ "serviceAccountName": SERVICE_ACCOUNT, "rules": cluster_wide }],
    })
}
