//! What makes a pod the n-th of its StatefulSet: name, labels, host name, claims; builds and compares, writes nothing.

use serde_json::{Value, json};

use super::super::fields::{Key, items, label, name, namespace, set, text};
use super::super::ownership::pod_from_template;

/// Builds pod `ordinal` from a template, at a revision.
pub(super) fn pod(stateful_set: &Value, template: &Value, revision: &str, ordinal: i64) -> Value {
    let mut pod = pod_from_template(stateful_set, template);
    set(&mut pod, &["metadata", "name"], json!(pod_name(stateful_set, ordinal)));
    set(&mut pod, &["metadata", "labels", "controller-revision-hash"], json!(revision));
    put_identity(stateful_set, &mut pod);
    put_storage(stateful_set, &mut pod);
    let pod_name = name(&pod).to_owned();
    set(&mut pod, &["spec", "hostname"], json!(pod_name));
    set(&mut pod, &["spec", "subdomain"], json!(text(stateful_set, "/spec/serviceName")));
    pod
}

pub(super) fn pod_name(stateful_set: &Value, ordinal: i64) -> String {
    format!("{}-{ordinal}", name(stateful_set))
}

/// The ordinal in a pod's name, if the name is one that this set gives.
pub(super) fn ordinal(stateful_set: &Value, pod: &Value) -> Option<i64> {
    let digits = name(pod).strip_prefix(name(stateful_set))?.strip_prefix('-')?;
    let canonical = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if canonical { digits.parse().ok() } else { None }
}

/// Labels that only the set's controller sets; user changes to them are put back.
pub(super) fn put_identity(stateful_set: &Value, pod: &mut Value) {
    let pod_name = name(pod).to_owned();
    let index = ordinal(stateful_set, pod).unwrap_or(0);
    set(pod, &["metadata", "labels", "statefulset.kubernetes.io/pod-name"], json!(pod_name));
    set(pod, &["metadata", "labels", "apps.kubernetes.io/pod-index"], json!(index.to_string()));
}

pub(super) fn identity_matches(pod: &Value) -> bool {
    label(pod, "statefulset.kubernetes.io/pod-name") == Some(name(pod))
}

/// Keys of a pod's claims with the templates they come from.
pub(super) fn claim_keys<'a>(stateful_set: &'a Value, pod_name: &str) -> Vec<(Key, &'a Value)> {
    items(stateful_set, "/spec/volumeClaimTemplates")
        .iter()
        .map(|template| {
            let claim = format!("{}-{pod_name}", name(template));
            (Key::new("PersistentVolumeClaim", namespace(stateful_set), &claim), template)
        })
        .collect()
}

/// A claim as the set's template asks for it.
pub(super) fn claim(stateful_set: &Value, key: &Key, template: &Value) -> Value {
    let mut claim = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": template.get("metadata").cloned().unwrap_or_else(|| json!({})),
        "spec": template.get("spec").cloned().unwrap_or_else(|| json!({})),
    });
    set(&mut claim, &["metadata", "name"], json!(key.name));
    set(&mut claim, &["metadata", "namespace"], json!(key.namespace));
    if let Some(labels) = stateful_set.pointer("/spec/selector/matchLabels").and_then(Value::as_object) {
        for (label, value) in labels {
            set(&mut claim, &["metadata", "labels", label], value.clone());
        }
    }
    claim
}

/// Puts the claims in the place of template volumes with the same name; claims come first.
fn put_storage(stateful_set: &Value, pod: &mut Value) {
    let pod_name = name(pod).to_owned();
    let templates = items(stateful_set, "/spec/volumeClaimTemplates");
    if templates.is_empty() {
        return;
    }
    let mut volumes: Vec<Value> = templates
        .iter()
        .map(|template| json!({"name": name(template), "persistentVolumeClaim": {"claimName": format!("{}-{pod_name}", name(template))}}))
        .collect();
    let others =
        items(pod, "/spec/volumes").iter().filter(|volume| !templates.iter().any(|template| name(template) == text(volume, "/name")));
    volumes.extend(others.cloned().collect::<Vec<_>>());
    set(pod, &["spec", "volumes"], json!(volumes));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_replace_template_volumes_of_the_same_name() {
        let stateful_set = json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": "be", "namespace": "a", "uid": "u"},
            "spec": {
                "serviceName": "be-search", "selector": {"matchLabels": {"app": "be"}},
                "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {}}],
            },
        });
        let template = json!({"metadata": {"labels": {"app": "be"}}, "spec": {"volumes": [
            {"name": "log", "emptyDir": {}}, {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]}});
        let pod = pod(&stateful_set, &template, "be-1", 2);
        assert_eq!(name(&pod), "be-2");
        assert_eq!(text(&pod, "/spec/volumes/0/persistentVolumeClaim/claimName"), "data-be-2");
        assert_eq!(items(&pod, "/spec/volumes").len(), 2);
        assert_eq!(label(&pod, "apps.kubernetes.io/pod-index"), Some("2"));
        assert_eq!(text(&pod, "/spec/subdomain"), "be-search");
        assert_eq!(ordinal(&stateful_set, &pod), Some(2));
        assert_eq!(ordinal(&stateful_set, &json!({"metadata": {"name": "be-x-2"}})), None);
    }
}
