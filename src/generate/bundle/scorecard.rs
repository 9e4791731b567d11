//! Which scorecard tests a package is put to: those of operator-sdk and our own, which are a command of the operator's image.

use serde_json::{Value, json};

use super::images;

/// The image of operator-sdk's own tests.
const SDK_IMAGE: &str = "quay.io/operator-framework/scorecard-test:v1.42.2";
/// Its suites and their tests.
const SDK_TESTS: [(&str, &str); 6] = [
    ("basic", "basic-check-spec"),
    ("olm", "olm-bundle-validation"),
    ("olm", "olm-crds-have-validation"),
    ("olm", "olm-crds-have-resources"),
    ("olm", "olm-spec-descriptors"),
    ("olm", "olm-status-descriptors"),
];
/// Our own.
const OUR_TESTS: [&str; 10] =
    ["descriptors", "fields", "samples", "images", "rbac", "crd-upgrade", "channels", "security", "ready", "upgrade"];

/// The configuration.
pub(in crate::generate) fn configuration(version: &str) -> Value {
    let ours = images::operator(version).to_string();
    let sdk = SDK_TESTS.iter().map(|(suite, name)| test(SDK_IMAGE, &["scorecard-test", name], suite, name));
    let own = OUR_TESTS.iter().map(|name| test(&ours, &["/starrocks-operator", "scorecard", name], "starrocks", name));
    json!({
        "apiVersion": "scorecard.operatorframework.io/v1alpha3",
        "kind": "Configuration",
        "metadata": { "name": "config" },
        "stages": [{ "parallel": true, "tests": sdk.chain(own).collect::<Vec<_>>() }],
    })
}

fn test(image: &str, entrypoint: &[&str], suite: &str, name: &str) -> Value {
    json!({ "image": image, "entrypoint": entrypoint, "labels": { "suite": suite, "test": format!("{name}-test") } })
}
