//! Test `security`: the operator runs restricted, its rights lead no further, claims are exact, and OLM v0 and v1 install every object.

use serde_json::Value;

use super::bundle::{Bundle, text};
use super::pods;
use super::rbac::{Right, rights, rules};
use super::verdict::{Finding, Verdict};
use crate::model::Timestamp;

/// Kinds that OLM v0 and OLM v1 install on any cluster. Source: `supported_resources.go` of operator-registry and `supportedresources.go` of OLM v0.
const KINDS: [&str; 14] = [
    "ClusterServiceVersion",
    "CustomResourceDefinition",
    "Secret",
    "ConfigMap",
    "Service",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ClusterRole",
    "ClusterRoleBinding",
    "PodDisruptionBudget",
    "PriorityClass",
    "VerticalPodAutoscaler",
    "NetworkPolicy",
];
const FEATURES: &str = "features.operators.openshift.io/";
/// Claims that certification asks for.
const WANTED_FEATURES: [&str; 7] =
    ["disconnected", "fips-compliant", "proxy-aware", "tls-profiles", "token-auth-aws", "token-auth-azure", "token-auth-gcp"];
/// Claims that may be left out.
const OTHER_FEATURES: [&str; 3] = ["cnf", "cni", "csi"];

pub(super) fn run(bundle: &Bundle) -> anyhow::Result<Verdict> {
    let (file, csv) = bundle.csv()?;
    let mut errors = Vec::new();
    let deployments = csv["spec"]["install"]["spec"]["deployments"].as_array().map(Vec::as_slice).unwrap_or_default();
    if deployments.is_empty() {
        errors.push(Finding::new(file, "spec.install.spec.deployments", "there is none", "add the operator's"));
    }
    for (index, deployment) in deployments.iter().enumerate() {
        let field = format!("spec.install.spec.deployments[{index}].spec.template.spec");
        pods::judge(file, &field, &deployment["spec"]["template"]["spec"], &mut errors);
    }
    judge_rights(file, csv, &mut errors)?;
    judge_claims(file, csv, &mut errors);
    judge_objects(bundle, csv, &mut errors);
    let log = format!("{} deployments, {} objects in {} files", deployments.len(), bundle.objects().count(), bundle.manifests.len());
    Ok(Verdict::of(log, errors))
}

/// Rights with which somebody could get others.
fn judge_rights(file: &str, csv: &Value, errors: &mut Vec<Finding>) -> anyhow::Result<()> {
    for list in ["permissions", "clusterPermissions"] {
        for right in rights(&rules(csv, list)?) {
            if let Some(why) = why_privileged(&right) {
                let rule = format!("`{right}` {why}");
                errors.push(Finding::new(file, format!("spec.install.spec.{list}"), rule, "do without it"));
            }
        }
    }
    Ok(())
}

fn why_privileged(right: &Right) -> Option<&'static str> {
    let Right { group, resource, verb, .. } = right;
    match (group.as_str(), resource.as_str(), verb.as_str()) {
        (_, _, "escalate" | "bind" | "impersonate" | "*") | (_, "*", _) => Some("grants what its owner does not have"),
        ("", "secrets", "list" | "watch" | "deletecollection") => Some("shows every Secret"),
        ("", "secrets", "create" | "update" | "patch" | "delete") => Some("changes Secrets"),
        ("", "serviceaccounts/token", _) => Some("makes tokens of anybody"),
        ("", "pods/exec" | "pods/attach" | "pods/portforward" | "nodes/proxy", _) => Some("reaches into pods"),
        ("rbac.authorization.k8s.io", _, "create" | "update" | "patch") => Some("grants rights"),
        ("security.openshift.io", _, "create" | "update" | "patch") => Some("changes what pods may do"),
        _ => None,
    }
}

fn judge_claims(file: &str, csv: &Value, errors: &mut Vec<Finding>) {
    let annotations = csv["metadata"]["annotations"].as_object();
    let mut find = |key: &str, rule: String, way_out: &str| {
        errors.push(Finding::new(file, format!("metadata.annotations[{key}]"), rule, way_out));
    };
    let features = annotations.into_iter().flatten().filter_map(|(key, value)| Some((key, key.strip_prefix(FEATURES)?, value)));
    for (key, name, value) in features {
        if !WANTED_FEATURES.contains(&name) && !OTHER_FEATURES.contains(&name) {
            find(key, "nobody reads this key".to_owned(), "write it as in the documentation of OpenShift");
        }
        if !matches!(value.as_str(), Some("true" | "false")) {
            find(key, format!("is {value}"), "write exactly \"true\" or \"false\": the console counts everything else as true");
        }
    }
    for name in WANTED_FEATURES {
        let key = format!("{FEATURES}{name}");
        if annotations.is_none_or(|annotations| !annotations.contains_key(&key)) {
            find(&key, "is missing".to_owned(), "say \"true\" or \"false\"");
        }
    }
    let created = &csv["metadata"]["annotations"]["createdAt"];
    if created.as_str().and_then(Timestamp::parse).is_none() {
        find("createdAt", format!("is {created}"), "write a moment as in RFC 3339, in quotes");
    }
    if csv["spec"]["cleanup"]["enabled"] == true {
        errors.push(Finding::new(file, "spec.cleanup.enabled", "deletes every database with the operator", "take it out"));
    }
    for list in ["customresourcedefinitions/required", "apiservicedefinitions/required", "nativeAPIs"] {
        if csv.pointer(&format!("/spec/{list}")).and_then(Value::as_array).is_some_and(|list| !list.is_empty()) {
            errors.push(Finding::new(file, format!("spec.{}", list.replace('/', ".")), "is not empty", "OLM v1 installs no dependencies"));
        }
    }
}

fn judge_objects(bundle: &Bundle, csv: &Value, errors: &mut Vec<Finding>) {
    for manifest in &bundle.manifests {
        let mut find = |field: &str, rule: String, way_out: &str| errors.push(Finding::new(&manifest.file, field, rule, way_out));
        let name = manifest.file.trim_start_matches("manifests/");
        if name.contains('/') || name.starts_with('.') {
            find("name", "stands in a folder or is hidden".to_owned(), "put it right below manifests/: loaders stop at anything else");
        }
        if manifest.objects.len() != 1 {
            find("documents", format!("there are {}", manifest.objects.len()), "one object a file: of others all but the first are lost");
        }
        for object in &manifest.objects {
            let kind = text(object, "/kind").unwrap_or_default();
            if !KINDS.contains(&kind) {
                find(
                    "kind",
                    format!("`{kind}` cannot be installed everywhere"),
                    "leave it out: OLM v0 or v1 would fail, or a cluster without it",
                );
            }
            if kind == "ServiceAccount" && accounts(csv).any(|account| object["metadata"]["name"] == account) {
                find("metadata.name", "is a ServiceAccount that OLM makes".to_owned(), "leave it out");
            }
            if kind == "CustomResourceDefinition" && text(object, "/spec/conversion/strategy") == Some("Webhook") {
                find(
                    "spec.conversion",
                    "needs a webhook".to_owned(),
                    "serve one version: OLM takes the webhook out while an upgrade waits",
                );
            }
            if let Some(rules) = object["rules"].as_array() {
                judge_role(rules, &mut find);
            }
        }
    }
    if bundle.has("metadata/dependencies.yaml") {
        errors.push(Finding::new("metadata/dependencies.yaml", "dependencies", "OLM v1 refuses the bundle", "take the file out"));
    }
}

/// Roles for users are granted by whoever installs, who must have everything in them.
fn judge_role(rules: &[Value], find: &mut impl FnMut(&str, String, &str)) {
    let parsed: Vec<_> = rules.iter().filter_map(|rule| serde_json::from_value(rule.clone()).ok()).collect();
    for right in rights(&parsed) {
        if let Some(why) = why_privileged(&right) {
            find("rules", format!("`{right}` {why}"), "do without it");
        }
    }
}

fn accounts(csv: &Value) -> impl Iterator<Item = &str> {
    let lists = ["permissions", "clusterPermissions"].into_iter().filter_map(|list| csv["spec"]["install"]["spec"][list].as_array());
    lists.flatten().filter_map(|account| account["serviceAccountName"].as_str())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{Package, only};
    use super::*;

    fn found(package: &Package) -> Finding {
        only(run(&package.bundle()).unwrap().errors)
    }

    #[test]
    fn a_sound_package_passes() {
        assert_eq!(run(&Package::sound().bundle()).unwrap().errors, []);
    }

    #[test]
    fn a_right_that_leads_further_is_found() {
        for (group, resource, verb) in [
            ("", "secrets", "watch"),
            ("", "secrets", "patch"),
            ("", "pods/exec", "create"),
            ("", "serviceaccounts/token", "create"),
            ("rbac.authorization.k8s.io", "roles", "escalate"),
            ("rbac.authorization.k8s.io", "roles", "create"),
            ("", "users", "impersonate"),
        ] {
            let mut package = Package::sound();
            let rule = json!({"apiGroups": [group], "resources": [resource], "verbs": [verb]});
            package.csv()["spec"]["install"]["spec"]["permissions"][0]["rules"].as_array_mut().unwrap().push(rule.clone());
            assert!(found(&package).rule.contains(&format!("{verb} {resource}")));
            let mut package = Package::sound();
            package.objects.push(json!({"kind": "ClusterRole", "metadata": {"name": "edit"}, "rules": [rule]}));
            assert_eq!(found(&package).field, "rules");
        }
    }

    #[test]
    fn claims_that_are_not_exact_are_found() {
        for (key, value, rule) in [
            ("features.operators.openshift.io/fips-compliant", json!("“false”"), "is \"“false”\""),
            ("features.operators.openshift.io/fips-compliant", json!(false), "is false"),
            ("features.operators.openshift.io/fips", json!("true"), "nobody reads this key"),
            ("createdAt", json!("yesterday"), "is \"yesterday\""),
        ] {
            let mut package = Package::sound();
            package.csv()["metadata"]["annotations"][key] = value;
            assert_eq!(found(&package).rule, rule);
        }
        let mut package = Package::sound();
        package.csv()["metadata"]["annotations"].as_object_mut().unwrap().remove("features.operators.openshift.io/proxy-aware");
        assert_eq!(found(&package).rule, "is missing");
    }

    #[test]
    fn what_deletes_databases_or_depends_on_others_is_found() {
        let mut package = Package::sound();
        package.csv()["spec"]["cleanup"] = json!({"enabled": true});
        assert!(found(&package).rule.contains("deletes every database"));
        let mut package = Package::sound();
        package.csv()["spec"]["customresourcedefinitions"]["required"] = json!([{"name": "a.b"}]);
        assert_eq!(found(&package).field, "spec.customresourcedefinitions.required");
        let mut package = Package::sound();
        package.more.insert("metadata/dependencies.yaml".to_owned(), "dependencies: []\n".to_owned());
        assert_eq!(found(&package).file, "metadata/dependencies.yaml");
        let mut package = Package::sound();
        package.csv()["spec"]["install"]["spec"]["deployments"] = json!([]);
        assert!(run(&package.bundle()).unwrap().errors.iter().any(|found| found.rule == "there is none"));
    }

    #[test]
    fn objects_that_cannot_be_installed_everywhere_are_found() {
        for kind in ["PodMonitor", "ServiceMonitor", "Deployment", "ConsoleLink"] {
            let mut package = Package::sound();
            package.objects.push(json!({"kind": kind, "metadata": {"name": "x"}}));
            assert!(found(&package).rule.contains(kind));
        }
        let mut package = Package::sound();
        package.objects.push(json!({"kind": "ServiceAccount", "metadata": {"name": "starrocks-operator"}}));
        assert_eq!(found(&package).rule, "is a ServiceAccount that OLM makes");
        let mut package = Package::sound();
        package.definitions[0]["spec"]["conversion"] = json!({"strategy": "Webhook"});
        assert_eq!(found(&package).field, "spec.conversion");
    }

    #[test]
    fn files_that_loaders_stop_at_are_found() {
        let service = "kind: Service\nmetadata: {name: a}\n";
        for (file, text, rule) in [
            ("manifests/deep/a.yaml", service.to_owned(), "stands in a folder or is hidden"),
            ("manifests/.a.yaml", service.to_owned(), "stands in a folder or is hidden"),
            ("manifests/a.yaml", format!("{service}---\n{service}"), "there are 2"),
        ] {
            let mut package = Package::sound();
            package.more.insert(file.to_owned(), text);
            assert_eq!(found(&package).rule, rule);
        }
    }
}
