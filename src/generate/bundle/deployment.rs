//! The operator's Deployment as OLM shall run it: that of a plain install, with what an OperatorGroup says and without what an OpenShift cluster decides itself.

use serde_json::{Value, json};

use super::SERVICE_ACCOUNT;
use super::images::{Lock, operator};
use crate::generate::install;

/// Name and spec, as an install strategy has them.
pub(super) fn entry(version: &str, lock: &Lock) -> Value {
    let mut deployment = install::deployment(version);
    let metadata = deployment["metadata"].take();
    let mut spec = deployment["spec"].take();
    let pod = &mut spec["template"]["spec"];
    pod["serviceAccountName"] = SERVICE_ACCOUNT.into();
    // Any user but root: OpenShift gives each namespace a range of its own.
    for fixed in ["runAsUser", "runAsGroup", "fsGroup"] {
        if let Some(context) = pod["securityContext"].as_object_mut() {
            context.remove(fixed);
        }
    }
    let container = &mut pod["containers"][0];
    container["image"] = lock.pinned(&operator(version)).into();
    if let Some(environment) = container["env"].as_array_mut() {
        environment.push(json!({
            // Empty when the OperatorGroup selects every namespace, else a list with commas: as the flag of this name reads it.
            "name": "WATCH_NAMESPACE",
            "valueFrom": { "fieldRef": { "fieldPath": "metadata.annotations['olm.targetNamespaces']" } },
        }));
        environment.extend(lock.environment(version));
    }
    json!({ "name": metadata["name"], "label": metadata["labels"], "spec": spec })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operator_runs_as_any_user_and_serves_what_the_operator_group_says() {
        let entry = entry("1.0.0", &Lock::checked_in());
        let pod = &entry["spec"]["template"]["spec"];
        assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
        assert!(pod.pointer("/securityContext/runAsUser").is_none());
        let container = &pod["containers"][0];
        assert_eq!(container["name"], "manager");
        for (probe, path) in [("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")] {
            assert_eq!(container[probe]["httpGet"]["path"], path);
        }
        let environment = container["env"].as_array().expect("an environment");
        let scope = environment.iter().find(|variable| variable["name"] == "WATCH_NAMESPACE").expect("WATCH_NAMESPACE");
        assert_eq!(scope["valueFrom"]["fieldRef"]["fieldPath"], "metadata.annotations['olm.targetNamespaces']");
    }
}
