//! Which pods belong to a controller: adopts matching orphans, releases those that no longer match; deletes nothing.

use std::sync::Arc;

use serde_json::{Value, json};

use super::desk::Desk;
use super::fields::{Key, controlled_by, controller_of, controller_reference, items, name, namespace, selects, set, terminating, uid};

/// Objects of `kind` controlled by `owner` after adopting orphans that match its selector (and `fits`) and releasing those that stopped matching.
pub(super) fn claim(desk: &mut Desk, owner: &Value, kind: &str, fits: impl Fn(&Value) -> bool) -> Vec<Arc<Value>> {
    let selector = owner.pointer("/spec/selector").cloned().unwrap_or(Value::Null);
    let owner_uid = uid(owner).to_owned();
    let mut candidates = desk.list_shared(kind, namespace(owner));
    candidates.retain(|object| controlled_by(object, &owner_uid) || controller_of(object).is_none());
    let mut claimed = Vec::new();
    for object in candidates {
        let matches = selects(&selector, object.pointer("/metadata/labels").and_then(Value::as_object)) && fits(&object);
        let owned = controlled_by(&object, &owner_uid);
        match (owned, matches) {
            (true, true) => claimed.push(object),
            (true, false) => {
                let mut released = Arc::unwrap_or_clone(object);
                release(&mut released, &owner_uid);
                desk.update(released);
            }
            (false, true) if !terminating(owner) && !terminating(&object) => {
                let mut adopted = Arc::unwrap_or_clone(object);
                adopt(&mut adopted, owner);
                if let Ok(adopted) = desk.try_update(adopted) {
                    claimed.push(Arc::new(adopted));
                }
            }
            (false, _) => {}
        }
    }
    claimed
}

/// Makes `owner` the controller of `object`.
pub(super) fn adopt(object: &mut Value, owner: &Value) {
    let mut references = items(object, "/metadata/ownerReferences").to_vec();
    references.push(controller_reference(owner));
    set(object, &["metadata", "ownerReferences"], json!(references));
}

fn release(object: &mut Value, owner_uid: &str) {
    let mut references = items(object, "/metadata/ownerReferences").to_vec();
    references.retain(|reference| super::fields::text(reference, "/uid") != owner_uid);
    set(object, &["metadata", "ownerReferences"], json!(references));
}

/// A pod from a controller's template, with its owner but without name.
pub(super) fn pod_from_template(owner: &Value, template: &Value) -> Value {
    let mut metadata = json!({
        "generateName": format!("{}-", name(owner)),
        "namespace": namespace(owner),
        "ownerReferences": [controller_reference(owner)],
    });
    for part in ["labels", "annotations", "finalizers"] {
        if let Some(value) = template.pointer(&format!("/metadata/{part}")).filter(|value| !value.is_null()) {
            set(&mut metadata, &[part], value.clone());
        }
    }
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": template.get("spec").cloned().unwrap_or_else(|| json!({})),
    })
}

/// The key of the controller of an object, if it has one of that kind.
pub(super) fn controller_key(object: &Value, kind: &str) -> Option<Key> {
    let reference = controller_of(object)?;
    (super::fields::text(reference, "/kind") == kind).then(|| Key::new(kind, namespace(object), super::fields::text(reference, "/name")))
}
