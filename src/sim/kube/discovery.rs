//! What the API tells about itself: versions, groups, kinds and verbs, aggregated and plain; reads the registry only.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::registry::{Registry, Resource, Version};

const VERBS: &[&str] = &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// `/version`.
pub(super) fn version() -> Value {
    json!({
        "major": "1", "minor": "36", "gitVersion": "v1.36.0", "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "2026-04-22T00:00:00Z", "goVersion": "go1.25", "compiler": "gc", "platform": "linux/amd64",
    })
}

/// Groups with their versions, the stored version of a kind first; events have a second group.
fn groups(registry: &Registry) -> BTreeMap<String, Vec<String>> {
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for resource in registry.iter() {
        let versions = groups.entry(resource.group.clone()).or_default();
        for version in resource.versions.iter().filter(|version| version.served) {
            if !versions.contains(&version.name) {
                versions.push(version.name.clone());
            }
        }
    }
    groups.insert("events.k8s.io".to_string(), vec!["v1".to_string()]);
    groups
}

struct Entry {
    group: String,
    version: String,
    resource: std::sync::Arc<Resource>,
    kind_version: Version,
}

fn entries(registry: &Registry, group: &str, version: &str) -> Vec<Entry> {
    let mut found = Vec::new();
    for resource in registry.iter() {
        let own = resource.group == group;
        let borrowed = group == "events.k8s.io" && resource.kind == "Event" && resource.group.is_empty();
        if let Some(kind_version) = resource.version(version).filter(|_| own || borrowed) {
            found.push(Entry {
                group: group.to_string(),
                version: version.to_string(),
                resource: resource.clone(),
                kind_version: kind_version.clone(),
            });
        }
    }
    found
}

/// Subresource name, group, version and kind of its body, verbs.
type Subresource = (&'static str, &'static str, &'static str, String, &'static [&'static str]);

fn subresources(entry: &Entry) -> Vec<Subresource> {
    let kind = &entry.resource.kind;
    let mut found: Vec<Subresource> = Vec::new();
    if entry.kind_version.status {
        found.push(("status", "", "", kind.clone(), &["get", "patch", "update"]));
    }
    if entry.kind_version.scale.is_some() {
        found.push(("scale", "autoscaling", "v1", "Scale".to_string(), &["get", "patch", "update"]));
    }
    if kind == "Pod" {
        found.push(("eviction", "policy", "v1", "Eviction".to_string(), &["create"]));
        found.push(("log", "", "", "Pod".to_string(), &["get"]));
    }
    if kind == "ServiceAccount" {
        found.push(("token", "authentication.k8s.io", "v1", "TokenRequest".to_string(), &["create"]));
    }
    found
}

/// `/api` and `/apis` in the aggregated form; `core` selects which.
pub(super) fn aggregated(registry: &Registry, core: bool) -> Value {
    let items: Vec<Value> = groups(registry)
        .into_iter()
        .filter(|(group, _)| group.is_empty() == core)
        .map(|(group, versions)| {
            let versions: Vec<Value> = versions
                .iter()
                .map(|version| {
                    let resources: Vec<Value> = entries(registry, &group, version).iter().map(aggregated_resource).collect();
                    json!({ "version": version, "resources": resources, "freshness": "Current" })
                })
                .collect();
            let metadata =
                if group.is_empty() { json!({ "creationTimestamp": null }) } else { json!({ "name": group, "creationTimestamp": null }) };
            json!({ "metadata": metadata, "versions": versions })
        })
        .collect();
    json!({ "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items })
}

fn scope(resource: &Resource) -> &'static str {
    if resource.namespaced { "Namespaced" } else { "Cluster" }
}

fn aggregated_resource(entry: &Entry) -> Value {
    let resource = &entry.resource;
    let kind = |group: &str, version: &str, kind: &str| json!({ "group": group, "version": version, "kind": kind });
    let below: Vec<Value> = subresources(entry)
        .into_iter()
        .map(|(name, group, version, body, verbs)| {
            let response = if version.is_empty() { kind(&entry.group, &entry.version, &body) } else { kind(group, version, &body) };
            json!({ "subresource": name, "responseKind": response, "verbs": verbs })
        })
        .collect();
    let mut value = json!({
        "resource": resource.plural, "responseKind": kind(&entry.group, &entry.version, &resource.kind), "scope": scope(resource),
        "singularResource": resource.singular, "verbs": VERBS,
    });
    for (field, list) in [("shortNames", &resource.short_names), ("categories", &resource.categories)] {
        if !list.is_empty() {
            value[field] = json!(list);
        }
    }
    if !below.is_empty() {
        value["subresources"] = json!(below);
    }
    value
}

/// `/api` in the plain form.
pub(super) fn core_versions() -> Value {
    json!({ "kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": [{ "clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1" }] })
}

fn group_value(group: &str, versions: &[String]) -> Value {
    let named = |version: &String| json!({ "groupVersion": format!("{group}/{version}"), "version": version });
    json!({ "name": group, "versions": versions.iter().map(named).collect::<Vec<_>>(), "preferredVersion": versions.first().map(named) })
}

/// `/apis` in the plain form.
pub(super) fn group_list(registry: &Registry) -> Value {
    let groups: Vec<Value> =
        groups(registry).iter().filter(|(group, _)| !group.is_empty()).map(|(group, versions)| group_value(group, versions)).collect();
    json!({ "kind": "APIGroupList", "apiVersion": "v1", "groups": groups })
}

/// `/apis/GROUP`.
pub(super) fn group(registry: &Registry, group: &str) -> Option<Value> {
    let versions = groups(registry).remove(group)?;
    let mut value = group_value(group, &versions);
    value["kind"] = json!("APIGroup");
    value["apiVersion"] = json!("v1");
    Some(value)
}

/// `/api/v1` and `/apis/GROUP/VERSION`.
pub(super) fn resources(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    let entries = entries(registry, group, version);
    if entries.is_empty() {
        return None;
    }
    let mut resources = Vec::new();
    for entry in &entries {
        let resource = &entry.resource;
        let mut value = json!({
            "name": resource.plural, "singularName": resource.singular, "namespaced": resource.namespaced, "kind": resource.kind, "verbs": VERBS,
        });
        for (field, list) in [("shortNames", &resource.short_names), ("categories", &resource.categories)] {
            if !list.is_empty() {
                value[field] = json!(list);
            }
        }
        resources.push(value);
        for (name, group, version, body, verbs) in subresources(entry) {
            let mut value = json!({
                "name": format!("{}/{name}", resource.plural), "singularName": "", "namespaced": resource.namespaced, "kind": body, "verbs": verbs,
            });
            if !version.is_empty() {
                value["group"] = json!(group);
                value["version"] = json!(version);
            }
            resources.push(value);
        }
    }
    let group_version = if group.is_empty() { version.to_string() } else { format!("{group}/{version}") };
    Some(json!({ "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources }))
}

/// Every group and version that is served.
pub(super) fn group_versions(registry: &Registry) -> BTreeSet<(String, String)> {
    groups(registry).into_iter().flat_map(|(group, versions)| versions.into_iter().map(move |version| (group.clone(), version))).collect()
}
