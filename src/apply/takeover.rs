//! An object that the former operator wrote in, the one patch that makes its fields ours out; `None` when nothing is to be moved, never a change of anything but the books.
//!
//! The former operator wrote with ordinary updates. A server-side apply would only share its fields with it, and a field that two own does not
//! go away when one of them leaves it out: `rollingUpdate` would stay on the way to `OnDelete`, where Kubernetes refuses it. So its entries in
//! `managedFields` become part of our apply entry once, before our first apply; the idea is that of `csaupgrade` in client-go.

use serde_json::{Map, Value, json};

use crate::model::component::{FIELD_MANAGER, FORMER_COPY_ANNOTATION, FORMER_FIELD_MANAGER, FORMER_HASH_ANNOTATION};

/// The merge patch that moves the former operator's fields into our apply entry, over exactly this version of the object.
pub(super) fn patch(live: &Value) -> Option<Value> {
    let entries = live.pointer("/metadata/managedFields")?.as_array()?;
    let (former, mut kept): (Vec<&Value>, Vec<&Value>) = entries.iter().partition(|entry| is_formers(entry));
    let marked = live.pointer("/metadata/annotations").is_some_and(|annotations| annotations.get(FORMER_HASH_ANNOTATION).is_some());
    let version = live.pointer("/metadata/resourceVersion");
    if former.is_empty() {
        // Nobody is known to have written its mark, as in an object from a backup: our apply could not take it away.
        let unmarked = json!({"metadata": {"annotations": {FORMER_HASH_ANNOTATION: null}, "resourceVersion": version}});
        return marked.then_some(unmarked);
    }
    let ours = kept.iter().position(|entry| is_ours(entry)).map(|at| kept.remove(at));
    let mut fields = ours.map(|entry| entry["fieldsV1"].clone()).unwrap_or_else(|| json!({}));
    let api_version = live.get("apiVersion").cloned().unwrap_or_default();
    for entry in &former {
        unite(&mut fields, &fields_here(entry, &api_version));
    }
    if marked {
        unite(&mut fields, &json!({"f:metadata": {"f:annotations": {format!("f:{FORMER_HASH_ANNOTATION}"): {}}}}));
    }
    let annotations = fields.pointer_mut("/f:metadata/f:annotations").and_then(Value::as_object_mut);
    if let Some(annotations) = annotations {
        // Nobody's from now on, so it stays: on the way back the former operator's three-way merge begins with it.
        annotations.remove(&format!("f:{FORMER_COPY_ANNOTATION}"));
    }
    let mut entry =
        json!({"manager": FIELD_MANAGER, "operation": "Apply", "apiVersion": api_version, "fieldsType": "FieldsV1", "fieldsV1": fields});
    let times = former.iter().chain(&ours).filter_map(|entry| entry.get("time")?.as_str());
    if let (Some(time), Some(entry)) = (times.max(), entry.as_object_mut()) {
        entry.insert("time".to_owned(), time.into());
    }
    let entries: Vec<Value> = std::iter::once(entry).chain(kept.into_iter().cloned()).collect();
    // A version that is not the newest any more makes this a conflict, and the next pass looks again.
    Some(json!({"metadata": {"managedFields": entries, "resourceVersion": version}}))
}

/// The fields of an entry as paths of this version of the kind. In another version paths of the spec need not mean the same, and only metadata does; but
/// `autoscaling/v2` is `v2beta2` under another name, and the former operator wrote autoscalers that are older than the server in it.
fn fields_here(entry: &Value, api_version: &Value) -> Value {
    let written = entry.get("apiVersion").unwrap_or(&Value::Null);
    if written == api_version || written == "autoscaling/v2beta2" && api_version == "autoscaling/v2" {
        return entry["fieldsV1"].clone();
    }
    entry["fieldsV1"].get("f:metadata").map_or_else(|| json!({}), |metadata| json!({"f:metadata": metadata}))
}

/// Whether an entry of `managedFields` is the former operator's: by its binary's name, or, as that can be renamed, by the annotations that only it writes.
fn is_formers(entry: &Value) -> bool {
    let text = |field: &str| entry.get(field).and_then(Value::as_str).unwrap_or_default();
    let writes = |annotation: &str| {
        let annotations = entry.pointer("/fieldsV1/f:metadata/f:annotations");
        annotations.is_some_and(|annotations| annotations.get(format!("f:{annotation}")).is_some())
    };
    text("operation") == "Update"
        && text("subresource").is_empty()
        && (text("manager") == FORMER_FIELD_MANAGER || writes(FORMER_HASH_ANNOTATION) || writes(FORMER_COPY_ANNOTATION))
}

fn is_ours(entry: &Value) -> bool {
    let text = |field: &str| entry.get(field).and_then(Value::as_str).unwrap_or_default();
    text("manager") == FIELD_MANAGER && text("operation") == "Apply" && text("subresource").is_empty()
}

/// The union of two trees of field paths.
fn unite(fields: &mut Value, others: &Value) {
    let Some(others) = others.as_object() else { return };
    if !fields.is_object() {
        *fields = Value::Object(Map::new());
    }
    let Some(fields) = fields.as_object_mut() else { return };
    for (step, below) in others {
        unite(fields.entry(step.clone()).or_insert_with(|| json!({})), below);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(managed: Value) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "a-fe", "resourceVersion": "7", "managedFields": managed}})
    }

    #[test]
    fn the_former_operators_updates_become_our_apply_and_everybody_elses_stay() {
        let managed = json!([
            {"manager": "sroperator", "operation": "Update", "apiVersion": "apps/v1", "time": "2026-01-01T00:00:00Z", "fieldsType": "FieldsV1",
             "fieldsV1": {"f:metadata": {"f:annotations": {".": {}, "f:app.starrocks.components/hash": {}, "f:starrocks.kubernetes.operator/last-applied-configuration": {}}},
                          "f:spec": {"f:replicas": {}}}},
            {"manager": "sroperator", "operation": "Update", "apiVersion": "apps/v1", "time": "2026-01-02T00:00:00Z", "fieldsType": "FieldsV1",
             "fieldsV1": {"f:spec": {"f:serviceName": {}}}},
            {"manager": "kubectl-edit", "operation": "Update", "apiVersion": "apps/v1", "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:paused": {}}}},
            {"manager": "kube-controller-manager", "operation": "Update", "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
             "fieldsV1": {"f:status": {"f:replicas": {}}}, "subresource": "status"},
        ]);
        let patch = patch(&live(managed)).expect("a patch");
        let entries = patch["metadata"]["managedFields"].as_array().expect("entries");
        assert_eq!(
            entries.iter().map(|entry| entry["manager"].as_str().unwrap()).collect::<Vec<_>>(),
            ["starrocks-operator", "kubectl-edit", "kube-controller-manager"]
        );
        let ours = &entries[0];
        assert_eq!((ours["operation"].as_str(), ours["time"].as_str()), (Some("Apply"), Some("2026-01-02T00:00:00Z")));
        assert_eq!(ours["fieldsV1"]["f:spec"], json!({"f:replicas": {}, "f:serviceName": {}}));
        // The hash is ours and goes with our next apply; the copy is nobody's and stays.
        assert_eq!(ours["fieldsV1"]["f:metadata"]["f:annotations"], json!({".": {}, "f:app.starrocks.components/hash": {}}));
        assert_eq!(patch["metadata"]["resourceVersion"], "7");
    }

    #[test]
    fn a_renamed_binary_is_known_by_its_annotations_and_joins_what_is_ours() {
        let managed = json!([
            {"manager": "starrocks-operator", "operation": "Apply", "apiVersion": "apps/v1", "fieldsV1": {"f:spec": {"f:template": {}}}},
            {"manager": "manager", "operation": "Update", "apiVersion": "apps/v1", "fieldsV1": {"f:metadata": {"f:annotations": {"f:app.starrocks.components/hash": {}}}}},
            {"manager": "sroperator", "operation": "Update", "apiVersion": "apps/v1beta1", "fieldsV1": {"f:spec": {"f:old": {}}}},
        ]);
        let patch = patch(&live(managed)).expect("a patch");
        let entries = patch["metadata"]["managedFields"].as_array().expect("entries");
        assert_eq!(entries.len(), 1);
        let fields = json!({"f:spec": {"f:template": {}}, "f:metadata": {"f:annotations": {"f:app.starrocks.components/hash": {}}}});
        assert_eq!(entries[0]["fieldsV1"], fields);
    }

    #[test]
    fn an_autoscaler_that_was_written_in_an_older_version_of_its_kind_becomes_ours_as_a_whole() {
        let of = |version: &str, spec: Value| {
            json!({"manager": "sroperator", "operation": "Update", "apiVersion": version,
                "fieldsV1": {"f:metadata": {"f:labels": {"f:a": {}}}, "f:spec": spec}})
        };
        let mut live = live(json!([
            of("autoscaling/v2beta2", json!({"f:metrics": {}})),
            of("autoscaling/v1", json!({"f:targetCPUUtilizationPercentage": {}}))
        ]));
        live["apiVersion"] = json!("autoscaling/v2");
        let patch = patch(&live).expect("a patch");
        let entries = patch["metadata"]["managedFields"].as_array().expect("entries");
        assert_eq!((entries.len(), &entries[0]["apiVersion"]), (1, &json!("autoscaling/v2")));
        // What `v1` calls otherwise is nobody's, and its metadata is ours like the rest.
        assert_eq!(entries[0]["fieldsV1"], json!({"f:metadata": {"f:labels": {"f:a": {}}}, "f:spec": {"f:metrics": {}}}));
    }

    #[test]
    fn nothing_is_moved_twice() {
        let managed = json!([{"manager": "starrocks-operator", "operation": "Apply", "apiVersion": "apps/v1", "fieldsV1": {}}]);
        assert_eq!(patch(&live(managed)), None);
        assert_eq!(patch(&json!({"metadata": {}})), None);
    }

    #[test]
    fn a_mark_that_nobody_is_known_to_have_written_goes_as_well() {
        let mut live = live(json!([]));
        live["metadata"]["annotations"] = json!({"app.starrocks.components/hash": "123"});
        assert_eq!(patch(&live).expect("a patch")["metadata"]["annotations"], json!({"app.starrocks.components/hash": null}));
    }
}
