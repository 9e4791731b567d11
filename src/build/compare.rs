//! What is wanted and what exists in, the first difference that matters out; never applies anything.

use std::fmt;

use serde::Serialize;
use serde_json::{Map, Value};

use super::defaults;
use crate::model::component::{APPLIED_ANNOTATION, APPLIED_TEMPLATE_ANNOTATION};

/// Where two objects differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Path, with list items by name where they have one: `spec.template.spec.containers[fe].image`.
    pub path: String,
    /// What is wanted; null for nothing.
    pub wanted: Value,
    /// What exists; null for nothing.
    pub found: Value,
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, wanted, found } = self;
        match (wanted, found) {
            (Value::Null, found) => write!(formatter, "{path}: {found} is there and not wanted"),
            (wanted, Value::Null) => write!(formatter, "{path}: {wanted} is wanted and not there"),
            (wanted, found) => write!(formatter, "{path}: {wanted} is wanted, {found} is there"),
        }
    }
}

/// How much counts as a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strictness {
    /// What is wanted and absent or other. Zero values (`false`, 0, empty) are the same as absent.
    Lenient,
    /// What is wanted and absent or other.
    Wanted,
    /// Also what is there and not wanted.
    Exact,
}

/// Lists that Kubernetes merges by key, and their keys.
const MERGE_KEYS: [(&str, &[&str]); 12] = [
    ("containers", &["name"]),
    ("initContainers", &["name"]),
    ("volumes", &["name"]),
    ("env", &["name"]),
    ("imagePullSecrets", &["name"]),
    ("claims", &["name"]),
    ("volumeMounts", &["mountPath"]),
    ("hostAliases", &["ip"]),
    ("topologySpreadConstraints", &["topologyKey", "whenUnsatisfiable"]),
    ("ownerReferences", &["uid"]),
    // Of containers and of Services; the number that is there counts.
    ("ports", &["containerPort", "port", "protocol"]),
    ("volumeClaimTemplates", &["metadata.name"]),
];

/// What someone else may write although the list or map around it is ours.
const FOREIGN_ANNOTATIONS: [&str; 1] = ["kubectl.kubernetes.io/restartedAt"];

/// The first field of `desired` that `live` does not have in the same meaning: a change behind the operator's back.
///
/// What `live` has beyond is no drift: defaults of the API server and fields of other managers. The annotations that hold
/// hashes do not count either; whether something was taken out of `desired` since the last apply is what they are for.
pub fn drift(desired: &Value, live: &Value) -> Option<Difference> {
    // A pod template is most of an object, and nearly always stands there as it is wanted: then only the rest has to be compared with care.
    let templates = desired.pointer("/spec/template").zip(live.pointer("/spec/template"));
    let stands = templates.is_some_and(|(wanted, found)| stands_in(wanted, found));
    let differences = if stands { drifts(&without_template(desired), &without_template(live)) } else { drifts(desired, live) };
    differences.into_iter().next()
}

/// Whether a pod template stands in another one letter by letter, which may have more. The deprecated twin of an account's name does not count as live.
pub(super) fn stands_in(wanted: &Value, found: &Value) -> bool {
    wanted.pointer("/spec/serviceAccount").is_none() && is_within(wanted, found)
}

fn is_within(wanted: &Value, found: &Value) -> bool {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            wanted.iter().all(|(key, wanted)| found.get(key).is_some_and(|found| is_within(wanted, found)))
        }
        (Value::Array(wanted), Value::Array(found)) => {
            wanted.len() == found.len() && wanted.iter().zip(found).all(|(wanted, found)| is_within(wanted, found))
        }
        _ => wanted == found,
    }
}

fn without_template(object: &Value) -> Value {
    let but = |value: &Value, left_out: &str| -> Map<String, Value> {
        let fields = value.as_object().into_iter().flatten();
        fields.filter(|(key, _)| *key != left_out).map(|(key, value)| (key.clone(), value.clone())).collect()
    };
    let mut rest = but(object, "spec");
    rest.insert("spec".to_owned(), but(&object["spec"], "template").into());
    rest.into()
}

/// Every such field.
pub fn drifts(desired: &Value, live: &Value) -> Vec<Difference> {
    let mut wanted = defaults::pruned_object(desired.clone());
    if let Some(fields) = wanted.as_object_mut() {
        fields.remove("status");
    }
    if let Some(annotations) = wanted.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.remove(APPLIED_ANNOTATION);
        annotations.remove(APPLIED_TEMPLATE_ANNOTATION);
    }
    let mut found = live.clone();
    // Observed objects come without what identifies them, which is known to agree.
    if let (Some(wanted), Some(found)) = (wanted.as_object_mut(), found.as_object_mut()) {
        for (identity, value) in ["apiVersion", "kind"].iter().filter_map(|key| Some((*key, wanted.get(*key)?.clone()))) {
            found.entry(identity).or_insert(value);
        }
        if let Some(metadata) = wanted.get_mut("metadata").and_then(Value::as_object_mut) {
            let known = found.get("metadata").and_then(Value::as_object);
            for reduced in ["name", "namespace", "ownerReferences"] {
                if known.is_none_or(|known| !known.contains_key(reduced)) {
                    metadata.remove(reduced);
                }
            }
        }
    }
    differences("", &wanted, &defaults::of_object(found), Strictness::Lenient)
}

/// The first difference between two values that have been pruned.
pub(super) fn difference(path: &str, wanted: &Value, found: &Value, strictness: Strictness) -> Option<Difference> {
    differences(path, wanted, found, strictness).into_iter().next()
}

/// Every difference between two values that have been pruned.
pub(super) fn differences(path: &str, wanted: &Value, found: &Value, strictness: Strictness) -> Vec<Difference> {
    let mut all = Vec::new();
    collect(path, wanted, found, strictness, &mut all);
    all
}

fn collect(path: &str, wanted: &Value, found: &Value, strictness: Strictness, all: &mut Vec<Difference>) {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            for (key, wanted) in wanted {
                let path = join(path, key);
                match found.get(key) {
                    Some(found) => collect(&path, wanted, found, strictness, all),
                    None if strictness == Strictness::Lenient && is_zero(wanted) => {}
                    None => all.push(Difference { path, wanted: wanted.clone(), found: Value::Null }),
                }
            }
            let is_foreign = |key: &str| FOREIGN_ANNOTATIONS.contains(&key);
            // A map that holds nothing but what is foreign is the same as none.
            let is_extra = |key: &String, value: &Value| {
                !wanted.contains_key(key)
                    && !is_foreign(key)
                    && !value.as_object().is_some_and(|map| !map.is_empty() && map.keys().all(|key| is_foreign(key)))
            };
            let extras = found.iter().filter(|(key, value)| strictness == Strictness::Exact && is_extra(key, value));
            all.extend(extras.map(|(key, found)| Difference { path: join(path, key), wanted: Value::Null, found: found.clone() }));
        }
        (Value::Array(wanted), Value::Array(found)) => lists(path, wanted, found, strictness, all),
        (Value::Number(number), Value::String(text)) | (Value::String(text), Value::Number(number))
            if strictness == Strictness::Lenient && number.to_string() == *text => {}
        _ if wanted == found => {}
        _ => all.push(Difference { path: path.to_owned(), wanted: wanted.clone(), found: found.clone() }),
    }
}

fn lists(path: &str, wanted: &[Value], found: &[Value], strictness: Strictness, all: &mut Vec<Difference>) {
    let whole = || Difference { path: path.to_owned(), wanted: wanted.to_vec().into(), found: found.to_vec().into() };
    let name = path.rsplit(['.', ']']).next().unwrap_or(path);
    let Some((_, keys)) = MERGE_KEYS.iter().find(|(list, _)| *list == name) else {
        if wanted.len() != found.len() {
            return all.push(whole());
        }
        for (index, (wanted, found)) in wanted.iter().zip(found).enumerate() {
            collect(&format!("{path}[{index}]"), wanted, found, strictness, all);
        }
        return;
    };
    let mut last = None;
    for wanted in wanted {
        let key = key_of(wanted, keys);
        let path = format!("{path}[{key}]");
        let Some(index) = found.iter().position(|found| key_of(found, keys) == key) else {
            all.push(Difference { path, wanted: wanted.clone(), found: Value::Null });
            continue;
        };
        if let Some(found) = found.get(index) {
            collect(&path, wanted, found, strictness, all);
        }
        // Applying keeps the wanted order, and order is part of a pod template.
        if last.is_some_and(|last| index <= last) {
            return all.push(whole());
        }
        last = Some(index);
    }
    if strictness == Strictness::Exact {
        let extras = found.iter().filter(|found| !wanted.iter().any(|wanted| key_of(wanted, keys) == key_of(found, keys)));
        let extra =
            |extra: &Value| Difference { path: format!("{path}[{}]", key_of(extra, keys)), wanted: Value::Null, found: extra.clone() };
        all.extend(extras.map(extra));
    }
}

/// The key of a list item as text. The protocol of a port counts as TCP when absent.
fn key_of(item: &Value, keys: &[&str]) -> String {
    let part = |key: &&str| {
        let value = item.pointer(&format!("/{}", key.replace('.', "/")));
        match (value, *key) {
            (Some(Value::String(text)), "protocol") if text == "TCP" => None,
            (Some(Value::String(text)), _) => Some(text.clone()),
            (Some(other), _) => Some(other.to_string()),
            (None, _) => None,
        }
    };
    keys.iter().filter_map(part).collect::<Vec<_>>().join("/")
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_zero),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_template_that_stands_as_wanted_hides_nothing_of_the_rest_and_no_other_is_passed_over() {
        let object = |replicas: u32, image: &str, more: &Value| {
            let mut container = json!({"name": "fe", "image": image, "resources": {"limits": {"memory": "4096Mi"}}});
            container.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({"kind": "StatefulSet", "spec": {"replicas": replicas, "template": {"spec": {"containers": [container]}}}})
        };
        let (wanted, filled_in) = (object(3, "fe:4.0.1", &json!({})), json!({"imagePullPolicy": "IfNotPresent", "stdin": false}));
        let cases = [
            (object(3, "fe:4.0.1", &filled_in), None),
            (object(2, "fe:4.0.1", &filled_in), Some("spec.replicas")),
            (object(3, "fe:3.5.1", &filled_in), Some("spec.template.spec.containers[fe].image")),
            (object(3, "fe:4.0.1", &json!({"resources": {"limits": {"memory": "4Gi"}}})), None),
        ];
        for (live, path) in cases {
            assert_eq!(drift(&wanted, &live).map(|difference| difference.path).as_deref(), path);
            assert_eq!(drift(&wanted, &live), drifts(&wanted, &live).into_iter().next());
        }
    }
}
