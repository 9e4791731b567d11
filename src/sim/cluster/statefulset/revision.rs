//! ControllerRevisions of a StatefulSet: a template goes in, its revision comes out, found again, rolled back to or created; touches no pod.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::desk::{Desk, Refusal};
use super::super::fields::{
    Key, controlled_by, controller_of, controller_reference, label, map, name, namespace, number, selects, set, terminating, text, uid,
};
use super::super::ownership::adopt;

const HASH_LABEL: &str = "controller.kubernetes.io/hash";

/// The revisions between which a StatefulSet stands.
pub(super) struct Revisions {
    pub(super) current: Arc<Value>,
    pub(super) update: Arc<Value>,
    pub(super) collision_count: i64,
    pub(super) history: Vec<Arc<Value>>,
}

/// Lists, adopts and, when the template changed, creates or renumbers revisions.
pub(super) fn resolve(desk: &mut Desk, stateful_set: &Value) -> Result<Revisions, Refusal> {
    let mut history = list(desk, stateful_set);
    let mut collision_count = number(stateful_set, "/status/collisionCount").unwrap_or(0);
    let next = history.last().and_then(|last| number(last, "/revision")).unwrap_or(0) + 1;
    let data = data_of(stateful_set);
    let equal = history.iter().rposition(|revision| revision.get("data") == Some(&data));
    let update = match equal {
        Some(position) if position + 1 == history.len() => history[position].clone(),
        Some(position) => {
            let mut again = Arc::unwrap_or_clone(history.remove(position));
            set(&mut again, &["revision"], json!(next));
            let again = Arc::new(desk.try_update(again)?);
            history.push(again.clone());
            again
        }
        None => {
            let created = Arc::new(create(desk, stateful_set, &data, next, &mut collision_count)?);
            history.push(created.clone());
            created
        }
    };
    let wanted = text(stateful_set, "/status/currentRevision");
    let current = history.iter().find(|revision| name(revision) == wanted).cloned().unwrap_or_else(|| update.clone());
    Ok(Revisions { current, update, collision_count, history })
}

/// The pod template that a revision stands for.
pub(super) fn template_of(revision: &Value) -> Value {
    let mut template = revision.pointer("/data/spec/template").cloned().unwrap_or_else(|| json!({}));
    if let Some(members) = template.as_object_mut() {
        members.remove("$patch");
    }
    template
}

/// Deletes the oldest revisions that neither the set nor a pod uses, beyond `revisionHistoryLimit`.
pub(super) fn truncate(desk: &mut Desk, stateful_set: &Value, revisions: &Revisions, used: &BTreeSet<String>) {
    let limit = usize::try_from(number(stateful_set, "/spec/revisionHistoryLimit").unwrap_or(10)).unwrap_or(0);
    let unused: Vec<&Arc<Value>> = revisions
        .history
        .iter()
        .filter(|revision| {
            name(revision) != name(&revisions.current) && name(revision) != name(&revisions.update) && !used.contains(name(revision))
        })
        .collect();
    let surplus = unused.len().saturating_sub(limit);
    for revision in unused.into_iter().take(surplus) {
        desk.delete(&Key::of(revision), uid(revision));
    }
}

fn list(desk: &mut Desk, stateful_set: &Value) -> Vec<Arc<Value>> {
    let selector = stateful_set.pointer("/spec/selector").unwrap_or(&Value::Null);
    let mut found = desk.list_shared("ControllerRevision", namespace(stateful_set));
    found.retain(|revision| selects(selector, map(revision, "/metadata/labels")));
    let mut revisions = Vec::new();
    for revision in found {
        if controlled_by(&revision, uid(stateful_set)) {
            revisions.push(revision);
        } else if controller_of(&revision).is_none() && !terminating(stateful_set) {
            let mut orphan = Arc::unwrap_or_clone(revision);
            adopt(&mut orphan, stateful_set);
            if let Ok(adopted) = desk.try_update(orphan) {
                revisions.push(Arc::new(adopted));
            }
        }
    }
    revisions.sort_by_key(|revision| {
        (number(revision, "/revision"), text(revision, "/metadata/creationTimestamp").to_owned(), name(revision).to_owned())
    });
    revisions
}

fn data_of(stateful_set: &Value) -> Value {
    let mut template = stateful_set.pointer("/spec/template").cloned().unwrap_or_else(|| json!({}));
    set(&mut template, &["$patch"], json!("replace"));
    let mut data = json!({});
    set(&mut data, &["spec", "template"], template);
    data
}

fn create(desk: &mut Desk, stateful_set: &Value, data: &Value, number: i64, collision_count: &mut i64) -> Result<Value, Refusal> {
    for _ in 0..10 {
        let hash = hash(&data.to_string(), *collision_count);
        let mut revision = json!({
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": {
                "name": format!("{}-{hash}", name(stateful_set)),
                "namespace": namespace(stateful_set),
                "labels": stateful_set.pointer("/spec/template/metadata/labels").cloned().unwrap_or_else(|| json!({})),
                "ownerReferences": [controller_reference(stateful_set)],
            },
            "data": data,
            "revision": number,
        });
        set(&mut revision, &["metadata", "labels", HASH_LABEL], json!(hash));
        if let Some(annotations) = stateful_set.pointer("/metadata/annotations").filter(|value| value.is_object()) {
            set(&mut revision, &["metadata", "annotations"], annotations.clone());
        }
        let key = Key::of(&revision);
        match desk.try_create(revision) {
            Err(Refusal::Exists) => match desk.get(&key) {
                Some(known) if known.get("data") == Some(data) => return Ok(known.clone()),
                _ => *collision_count += 1,
            },
            other => return other,
        }
    }
    Err(Refusal::Exists)
}

/// FNV-1 of the revision's bytes and the collision count, written in the letters that Kubernetes uses for generated names.
fn hash(bytes: &str, collision_count: i64) -> String {
    let mut sum: u32 = 0x811c_9dc5;
    for byte in bytes.bytes().chain(collision_count.to_string().bytes()) {
        sum = sum.wrapping_mul(0x0100_0193) ^ u32::from(byte);
    }
    safe_text(sum)
}

/// A number in the alphabet that makes no words.
pub(in super::super) fn safe_text(number: u32) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    number.to_string().bytes().map(|digit| char::from(LETTERS[usize::from(digit) % LETTERS.len()])).collect()
}

/// The name of the revision from which a pod was made.
pub(super) fn revision_of(pod: &Value) -> &str {
    label(pod, "controller-revision-hash").unwrap_or_default()
}
