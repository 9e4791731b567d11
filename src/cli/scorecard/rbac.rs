//! Test `rbac`: the package grants what the code needs, no more and no less, and across the cluster only what belongs to no namespace.

use std::collections::BTreeSet;
use std::fmt;

use anyhow::Context;
use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::Value;

use super::bundle::Bundle;
use super::verdict::{Finding, Verdict};
use crate::generate::rbac;

/// Kinds of Kubernetes that belong to no namespace, by group and plural, as far as an operator could meet them.
const CLUSTER_SCOPED: [(&str, &str); 15] = [
    ("", "namespaces"),
    ("", "nodes"),
    ("", "persistentvolumes"),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
    ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"),
    ("apiextensions.k8s.io", "customresourcedefinitions"),
    ("authentication.k8s.io", "tokenreviews"),
    ("authorization.k8s.io", "subjectaccessreviews"),
    ("config.openshift.io", "proxies"),
    ("node.k8s.io", "runtimeclasses"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("scheduling.k8s.io", "priorityclasses"),
    ("security.openshift.io", "securitycontextconstraints"),
    ("storage.k8s.io", "storageclasses"),
];

/// One verb on one resource, for one object or for all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Right {
    pub(super) group: String,
    pub(super) resource: String,
    pub(super) verb: String,
    /// Empty: every object.
    pub(super) name: String,
}

impl Right {
    /// The plural without the subresource.
    pub(super) fn plural(&self) -> &str {
        self.resource.split('/').next().unwrap_or_default()
    }
}

impl fmt::Display for Right {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.verb, self.resource)?;
        if !self.group.is_empty() {
            write!(formatter, ".{}", self.group)?;
        }
        if !self.name.is_empty() {
            write!(formatter, " {}", self.name)?;
        }
        Ok(())
    }
}

/// The rules of `permissions` or `clusterPermissions`.
pub(super) fn rules(csv: &Value, list: &str) -> anyhow::Result<Vec<PolicyRule>> {
    let accounts = csv["spec"]["install"]["spec"][list].as_array();
    let rules = accounts.into_iter().flatten().flat_map(|account| account["rules"].as_array().into_iter().flatten());
    rules.map(|rule| serde_json::from_value(rule.clone()).with_context(|| format!("{list} has a rule that is none: {rule}"))).collect()
}

/// Everything that rules grant, one by one.
pub(super) fn rights(rules: &[PolicyRule]) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    let every = vec![String::new()];
    for rule in rules {
        let names = rule.resource_names.as_ref().filter(|names| !names.is_empty()).unwrap_or(&every);
        let (groups, resources) = (rule.api_groups.as_ref().unwrap_or(&every), rule.resources.as_deref().unwrap_or_default());
        for (group, resource) in groups.iter().flat_map(|group| resources.iter().map(move |resource| (group, resource))) {
            for (verb, name) in rule.verbs.iter().flat_map(|verb| names.iter().map(move |name| (verb, name))) {
                rights.insert(Right { group: group.clone(), resource: resource.clone(), verb: verb.clone(), name: name.clone() });
            }
        }
        rights.extend(rule.non_resource_urls.iter().flatten().flat_map(|url| {
            rule.verbs.iter().map(move |verb| Right {
                group: String::new(),
                resource: url.clone(),
                verb: verb.clone(),
                name: String::new(),
            })
        }));
    }
    rights
}

pub(super) fn run(bundle: &Bundle) -> anyhow::Result<Verdict> {
    let (file, csv) = bundle.csv()?;
    let namespaced = rights(&rbac::namespaced_rules());
    // The Lease is in the operator's own namespace, which OLM does not tell from those that it serves.
    let needed: BTreeSet<Right> = namespaced.union(&rights(&rbac::lease_role_rules())).cloned().collect();
    let cluster_wide = rights(&rbac::cluster_role_rules()).difference(&namespaced).cloned().collect();
    let mut errors = Vec::new();
    let mut count = 0;
    for (list, needed) in [("permissions", &needed), ("clusterPermissions", &cluster_wide)] {
        let field = format!("spec.install.spec.{list}");
        let mut find = |rule: String, way_out: &str| errors.push(Finding::new(file, field.clone(), rule, way_out));
        let granted = rights(&rules(csv, list)?);
        count += granted.len();
        for right in granted.difference(needed) {
            if [&right.group, &right.resource, &right.verb].iter().any(|word| word.contains('*')) {
                find(format!("`{right}` has a wildcard"), "name groups, resources and verbs");
            } else if list == "clusterPermissions" && !is_cluster_scoped(right, bundle) {
                find(format!("`{right}` is granted in every namespace"), "move it to permissions: OLM widens them where it must");
            } else {
                find(format!("`{right}` is granted and no code needs it"), "generate the package from src/generate/rbac.rs again");
            }
        }
        for right in needed.difference(&granted) {
            find(format!("`{right}` is needed and not granted"), "generate the package from src/generate/rbac.rs again");
        }
    }
    errors.extend(accounts(csv, file));
    Ok(Verdict::of(format!("{count} rights"), errors))
}

fn is_cluster_scoped(right: &Right, bundle: &Bundle) -> bool {
    let plural = right.plural();
    let defined = bundle.definition(&format!("{plural}.{}", right.group));
    defined.is_some_and(|(_, definition)| definition["spec"]["scope"] == "Cluster")
        || CLUSTER_SCOPED.contains(&(right.group.as_str(), plural))
}

/// Rights of an account that no deployment uses are nobody's.
fn accounts(csv: &Value, file: &str) -> Vec<Finding> {
    let install = &csv["spec"]["install"]["spec"];
    let deployments = install["deployments"].as_array();
    let used: BTreeSet<&str> = deployments
        .into_iter()
        .flatten()
        .map(|deployment| deployment["spec"]["template"]["spec"]["serviceAccountName"].as_str().unwrap_or("default"))
        .collect();
    let mut findings = Vec::new();
    for list in ["permissions", "clusterPermissions"] {
        for (index, account) in install[list].as_array().into_iter().flatten().enumerate() {
            let name = account["serviceAccountName"].as_str().unwrap_or_default();
            if !used.contains(name) {
                findings.push(Finding::new(
                    file,
                    format!("spec.install.spec.{list}[{index}].serviceAccountName"),
                    format!("no deployment runs as `{name}`"),
                    "use the serviceAccountName of the deployment",
                ));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::testing::{Package, only};
    use super::*;

    fn with(list: &str, rule: Value) -> Finding {
        let mut package = Package::sound();
        package.csv()["spec"]["install"]["spec"][list][0]["rules"].as_array_mut().unwrap().push(rule);
        only(run(&package.bundle()).unwrap().errors)
    }

    #[test]
    fn a_sound_package_passes() {
        assert_eq!(run(&Package::sound().bundle()).unwrap().errors, []);
    }

    #[test]
    fn a_right_too_many_is_found() {
        let finding = with("permissions", json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}));
        assert_eq!(finding.rule, "`list secrets` is granted and no code needs it");
        let finding = with("permissions", json!({"apiGroups": ["apps"], "resources": ["*"], "verbs": ["get"]}));
        assert!(finding.rule.ends_with("has a wildcard"), "{finding}");
        let finding = with("clusterPermissions", json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}));
        assert_eq!(finding.rule, "`list pods` is granted in every namespace");
        let finding = with("clusterPermissions", json!({"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}));
        assert_eq!(finding.rule, "`list nodes` is granted and no code needs it");
        let finding = with("clusterPermissions", json!({"nonResourceURLs": ["/metrics"], "verbs": ["get"]}));
        assert!(finding.rule.contains("get /metrics"), "{finding}");
    }

    #[test]
    fn a_right_too_few_is_found() {
        let mut package = Package::sound();
        let rules = package.csv().pointer_mut("/spec/install/spec/permissions/0/rules").unwrap().as_array_mut().unwrap();
        let pods = rules.iter_mut().find(|rule| rule["resources"] == json!(["pods"])).unwrap();
        pods["verbs"] = json!(["create", "list", "watch"]);
        assert_eq!(only(run(&package.bundle()).unwrap().errors).rule, "`delete pods` is needed and not granted");
    }

    #[test]
    fn rights_of_somebody_else_are_found() {
        let mut package = Package::sound();
        package.csv()["spec"]["install"]["spec"]["permissions"][0]["serviceAccountName"] = json!("other");
        assert_eq!(only(run(&package.bundle()).unwrap().errors).rule, "no deployment runs as `other`");
    }
}
