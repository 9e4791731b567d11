//! The admission webhook as OLM sets it up, certificates included; what it judges is the code's.

use serde_json::{Value, json};

use crate::generate::objects::WEBHOOK_PORT;
use crate::generate::rbac::NAME;
use crate::generate::webhook::{PATH, rules};

/// The one webhook there is. Resources are admitted without it when the operator does not answer: what must hold in any case are rules of the definitions.
pub(super) fn definition() -> Value {
    json!({
        "type": "ValidatingAdmissionWebhook",
        "generateName": "vstarrocks.starrocks.com",
        "deploymentName": NAME,
        "containerPort": 443,
        "targetPort": WEBHOOK_PORT,
        "webhookPath": PATH,
        "failurePolicy": "Ignore",
        "matchPolicy": "Equivalent",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 5,
        "rules": rules(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::crds;

    #[test]
    fn every_kind_is_judged_in_the_version_that_is_served() {
        let definition = definition();
        let rules = definition["rules"].as_array().expect("rules");
        for crd in crds::all() {
            for version in crd.spec.versions {
                let judged = rules.iter().any(|rule| {
                    rule["apiVersions"] == json!([version.name])
                        && rule["resources"].as_array().is_some_and(|names| names.contains(&crd.spec.names.plural.clone().into()))
                });
                assert!(judged, "{} {}", crd.spec.names.plural, version.name);
            }
        }
    }
}
