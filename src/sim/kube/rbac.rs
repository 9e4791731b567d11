//! Who may do what: rules of roles and a request in, yes or no out; remembers which permissions were ever used.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::Value;

use super::error::ApiError;
use super::gate::RequestInfo;
use super::identity;
use super::store::Store;

/// One permission in its smallest form, as a rule spells it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// API group, empty for core.
    pub group: String,
    /// Resource, with `/subresource` if there is one.
    pub resource: String,
    /// Verb.
    pub verb: String,
}

impl std::fmt::Display for Permission {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let dot = if self.group.is_empty() { "" } else { "." };
        write!(formatter, "{} {}{dot}{}", self.verb, self.resource, self.group)
    }
}

/// The rules that a user has, everywhere (`None`) or in one namespace.
#[derive(Debug, Default)]
pub struct Rules {
    grants: Vec<(Option<String>, PolicyRule)>,
    used: Mutex<BTreeSet<Permission>>,
}

fn covers(list: &[String], wanted: &str) -> bool {
    list.iter().any(|item| item == "*" || item == wanted)
}

fn covers_option(list: Option<&Vec<String>>, wanted: &str) -> bool {
    list.is_some_and(|list| covers(list, wanted))
}

impl Rules {
    /// The rules of a ClusterRole that is bound cluster-wide.
    pub fn cluster_wide(rules: Vec<PolicyRule>) -> Self {
        Self { grants: rules.into_iter().map(|rule| (None, rule)).collect(), used: Mutex::default() }
    }

    /// Adds rules that hold in one namespace only, as a RoleBinding grants them.
    #[must_use]
    pub fn with_namespace(mut self, namespace: &str, rules: Vec<PolicyRule>) -> Self {
        self.grants.extend(rules.into_iter().map(|rule| (Some(namespace.to_string()), rule)));
        self
    }

    /// The rules that the role bindings in a store give to a user, as they are now.
    pub fn bound(store: &Store, user: &str) -> Self {
        let mut grants = Vec::new();
        for kind in ["ClusterRoleBinding", "RoleBinding"] {
            for binding in store.list_shared(kind, None) {
                if !binding["subjects"].as_array().into_iter().flatten().any(|subject| identity::is_meant(subject, user)) {
                    continue;
                }
                let text = |pointer: &str| binding.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
                let namespace = text("/metadata/namespace");
                let role_namespace = if text("/roleRef/kind") == "Role" { namespace } else { "" };
                let role = store.get(text("/roleRef/kind"), role_namespace, text("/roleRef/name"));
                let rules: Vec<PolicyRule> = role.and_then(|role| serde_json::from_value(role["rules"].clone()).ok()).unwrap_or_default();
                let reach = (kind == "RoleBinding").then(|| namespace.to_string());
                grants.extend(rules.into_iter().map(|rule| (reach.clone(), rule)));
            }
        }
        Self { grants, used: Mutex::default() }
    }

    /// Whether a request would be allowed.
    pub fn grants(&self, request: &RequestInfo) -> bool {
        self.grants.iter().any(|(namespace, rule)| {
            namespace.as_ref().is_none_or(|namespace| *namespace == request.namespace) && rule_allows(rule, request)
        })
    }

    /// Whether a request is allowed; an allowed one marks its permission as used.
    pub fn allows(&self, request: &RequestInfo) -> bool {
        let allowed = self.grants(request);
        if allowed && !request.resource.is_empty() {
            let permission = Permission { group: request.group.clone(), resource: resource_of(request), verb: request.verb.clone() };
            self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(permission);
        }
        allowed
    }

    /// Permissions that were used so far.
    pub fn used(&self) -> BTreeSet<Permission> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Permissions that are granted but were never used; rules with wildcards are left out since they have no smallest form.
    pub fn unused(&self) -> BTreeSet<Permission> {
        let used = self.used();
        let mut granted = BTreeSet::new();
        for (_, rule) in &self.grants {
            for group in rule.api_groups.iter().flatten() {
                for resource in rule.resources.iter().flatten() {
                    for verb in &rule.verbs {
                        granted.insert(Permission { group: group.clone(), resource: resource.clone(), verb: verb.clone() });
                    }
                }
            }
        }
        granted.retain(|permission| {
            let wild = [&permission.group, &permission.resource, &permission.verb].into_iter().any(|text| text.contains('*'));
            !wild && !used.contains(permission)
        });
        granted
    }
}

fn resource_of(request: &RequestInfo) -> String {
    if request.subresource.is_empty() { request.resource.clone() } else { format!("{}/{}", request.resource, request.subresource) }
}

fn rule_allows(rule: &PolicyRule, request: &RequestInfo) -> bool {
    if !covers(&rule.verbs, &request.verb) {
        return false;
    }
    if request.resource.is_empty() {
        let matches = |url: &String| url == &request.path || url.strip_suffix('*').is_some_and(|prefix| request.path.starts_with(prefix));
        return rule.non_resource_urls.iter().flatten().any(matches);
    }
    let resource = resource_of(request);
    let any_of_subresource =
        !request.subresource.is_empty() && covers_option(rule.resources.as_ref(), &format!("*/{}", request.subresource));
    let named = rule.resource_names.as_ref().is_none_or(|names| names.is_empty() || names.contains(&request.name));
    covers_option(rule.api_groups.as_ref(), &request.group)
        && (covers_option(rule.resources.as_ref(), &resource) || any_of_subresource)
        && named
}

/// The 403 of a request that no rule allows, in the authorizer's words.
pub fn forbidden(request: &RequestInfo) -> ApiError {
    let RequestInfo { verb, group, namespace, user, .. } = request;
    if request.resource.is_empty() {
        let message = format!("forbidden: User \"{user}\" cannot {verb} path \"{}\"", request.path);
        return ApiError { message, ..ApiError::forbidden("", "", "", "") };
    }
    let place = if namespace.is_empty() { "at the cluster scope".to_string() } else { format!("in the namespace \"{namespace}\"") };
    let why = format!("User \"{user}\" cannot {verb} resource \"{}\" in API group \"{group}\" {place}", resource_of(request));
    ApiError::forbidden(group, &request.resource, &request.name, &why)
}
