//! The annotations of the ClusterServiceVersion: what a catalog shows, what a console offers, and which features are claimed; each claim is true or not made.

use serde_json::{Map, Value, json};

use super::images::{Lock, operator};
use super::samples;
use crate::generate::rbac::NAME;
use crate::yaml::YamlError;

/// When releases were made, so that a package of today says tomorrow what it says today. A release has a line here before it has a package.
const CREATED: [(&str, &str); 2] = [("0.1.0", "2026-11-28T00:00:00Z"), ("0.2.0", "2026-11-28T12:00:00Z")];

/// Features of OpenShift: `true` only for what the operator does, whatever would look better.
const FEATURES: [(&str, bool); 10] = [
    // It manages no container network and no storage of its own.
    ("cnf", false),
    ("cni", false),
    ("csi", false),
    // Images are named by tag until every digest is locked.
    ("disconnected", false),
    // The cryptography is not a validated module.
    ("fips-compliant", false),
    // It speaks with nothing outside the cluster, and hands no proxy to StarRocks.
    ("proxy-aware", false),
    // It does not read the cluster's TLS profile.
    ("tls-profiles", false),
    ("token-auth-aws", false),
    ("token-auth-azure", false),
    ("token-auth-gcp", false),
];

const UNINSTALL_MESSAGE: &str = "Uninstalling the operator deletes no database: StarRocksClusters, their pods, Services and volumes stay and serve on, without repair, scaling and upgrades, \
    until an operator is installed again. (OLM v1 is another thing: deleting the ClusterExtension deletes the definitions, and with them every database.) To remove a database, delete its \
    StarRocksCluster while the operator runs; volume claims are then left for you to delete, unless their retention policy says Delete.";

/// Every annotation, all of them texts.
pub(super) fn of(version: &str, lock: &Lock) -> Result<Value, YamlError> {
    let mut annotations = listing(version, lock);
    annotations.extend(console()?);
    annotations.extend(
        FEATURES.iter().map(|(feature, is_there)| (format!("features.operators.openshift.io/{feature}"), is_there.to_string().into())),
    );
    Ok(annotations.into())
}

/// What a catalog lists.
fn listing(version: &str, lock: &Lock) -> Map<String, Value> {
    let created = CREATED.iter().find(|(release, _)| *release == version).map(|(_, moment)| *moment).unwrap_or_default();
    texts([
        ("capabilities", "Seamless Upgrades".to_owned()),
        ("categories", "Database, Big Data".to_owned()),
        ("certified", "false".to_owned()),
        ("containerImage", lock.pinned(&operator(version))),
        ("createdAt", created.to_owned()),
        ("description", "Creates StarRocks databases and upgrades them release by release, with every health gate.".to_owned()),
        ("operators.openshift.io/valid-subscription", json!(["Not required to use this operator"]).to_string()),
        ("operators.operatorframework.io/operator-type", "standalone".to_owned()),
        ("repository", env!("CARGO_PKG_REPOSITORY").to_owned()),
        ("support", "Community".to_owned()),
    ])
}

/// What a console offers before and after an installation.
fn console() -> Result<Map<String, Value>, YamlError> {
    let samples = samples::all()?;
    let resources: Vec<&Value> = samples.iter().map(|sample| &sample.resource).collect();
    let described: Map<String, Value> = samples
        .iter()
        .map(|sample| {
            (sample.resource["metadata"]["name"].as_str().unwrap_or_default().to_owned(), json!({ "description": sample.description }))
        })
        .collect();
    Ok(texts([
        ("alm-examples", pretty(&resources)),
        ("alm-examples-metadata", pretty(&described)),
        ("operator.openshift.io/uninstall-message", UNINSTALL_MESSAGE.to_owned()),
        ("operatorframework.io/initialization-resource", pretty(&samples::first()?)),
        ("operatorframework.io/suggested-namespace", NAME.to_owned()),
        ("operatorframework.io/suggested-namespace-template", pretty(&namespace())),
    ]))
}

/// The operator's own namespace: it needs no more than the strictest level allows. Databases live in others.
fn namespace() -> Value {
    let level = |mode: &str| (format!("pod-security.kubernetes.io/{mode}"), Value::from("restricted"));
    let labels: Map<String, Value> = ["enforce", "audit", "warn"].into_iter().map(level).collect();
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAME, "labels": labels } })
}

fn pretty<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn texts<const COUNT: usize>(entries: [(&str, String); COUNT]) -> Map<String, Value> {
    entries.into_iter().map(|(name, text)| (name.to_owned(), text.into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_present_release_has_a_moment_that_does_not_change() {
        assert!(CREATED.iter().any(|(release, _)| *release == env!("CARGO_PKG_VERSION")), "add a line to CREATED");
    }

    #[test]
    fn a_feature_is_claimed_by_one_of_two_words_and_samples_are_for_every_kind() {
        let annotations = of("0.1.0", &Lock::checked_in()).expect("prints");
        let annotations = annotations.as_object().expect("a map");
        assert!(annotations.values().all(Value::is_string));
        let claims: Vec<&Value> = annotations.iter().filter(|(name, _)| name.starts_with("features.")).map(|(_, claim)| claim).collect();
        assert_eq!(claims.len(), FEATURES.len());
        assert!(claims.iter().all(|claim| **claim == "true" || **claim == "false"));
        let samples: Vec<Value> = serde_json::from_str(annotations["alm-examples"].as_str().expect("a text")).expect("JSON");
        for crd in crate::generate::crds::all() {
            assert!(samples.iter().any(|sample| sample["kind"] == crd.spec.names.kind), "no sample of {}", crd.spec.names.kind);
        }
        let first: Value =
            serde_json::from_str(annotations["operatorframework.io/initialization-resource"].as_str().expect("a text")).expect("JSON");
        assert_eq!((&first["kind"], first.get("status")), (&json!("StarRocksCluster"), None));
    }
}
