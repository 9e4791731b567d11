//! `PROJECT`: what operator-sdk wants to find at the root, without a layout, since no plugin of it made this project.

use serde_json::json;

use super::super::{crds, rbac};
use crate::yaml::{self, YamlError};

/// The file. With a layout that it has no plugin for, operator-sdk would refuse to do anything in this folder, validate a bundle included.
///
/// # Errors
/// When a value cannot be written as YAML, which would be a defect of the code.
pub fn project() -> Result<String, YamlError> {
    let mut resources = Vec::new();
    for crd in crds::all() {
        for version in &crd.spec.versions {
            resources.push(json!({
                "api": { "crdVersion": "v1", "namespaced": crd.spec.scope == "Namespaced" },
                "controller": true,
                "domain": crd.spec.group,
                "kind": crd.spec.names.kind,
                "plural": crd.spec.names.plural,
                "version": version.name,
            }));
        }
    }
    let project = json!({
        "domain": "starrocks.com",
        "projectName": rbac::NAME,
        "repo": env!("CARGO_PKG_REPOSITORY").trim_start_matches("https://"),
        "resources": resources,
        "version": "3",
    });
    Ok(format!("{}{}", super::HEAD, yaml::to_string(&project)?))
}
