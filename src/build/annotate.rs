//! An object in, the hash of its meaning and the object with that hash as annotation out; never a hash of how it is written.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::defaults;
use crate::model::Object;
use crate::model::component::{APPLIED_ANNOTATION, APPLIED_TEMPLATE_ANNOTATION};
use crate::model::digest::digest;

/// The hash of an object's meaning: equal for objects that Kubernetes would store alike, so that another version of the
/// operator that writes out a default changes nothing. The annotations that hold hashes do not count.
pub fn hash(object: &Object) -> String {
    digest(&meaning(object.to_json()))
}

/// An object without the annotations that hold hashes, pruned and with its defaults.
fn meaning(mut json: Value) -> Value {
    if let Some(annotations) = json.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.remove(APPLIED_ANNOTATION);
        annotations.remove(APPLIED_TEMPLATE_ANNOTATION);
    }
    defaults::of_object(&json)
}

/// The object with its hash as annotation.
pub fn stamped(object: Object) -> Object {
    if let Object::StatefulSet(object) = object {
        return Object::StatefulSet(Box::new(stamped_stateful_set(*object)));
    }
    let applied = hash(&object);
    match object {
        Object::StatefulSet(object) => Object::StatefulSet(object),
        Object::ConfigMap(mut object) => {
            annotate(&mut object.metadata, APPLIED_ANNOTATION, applied);
            Object::ConfigMap(object)
        }
        Object::Service(mut object) => {
            annotate(&mut object.metadata, APPLIED_ANNOTATION, applied);
            Object::Service(object)
        }
        Object::Deployment(mut object) => {
            annotate(&mut object.metadata, APPLIED_ANNOTATION, applied);
            Object::Deployment(object)
        }
        Object::HorizontalPodAutoscaler(mut object) => {
            annotate(&mut object.metadata, APPLIED_ANNOTATION, applied);
            Object::HorizontalPodAutoscaler(object)
        }
    }
}

/// A StatefulSet with its hashes as annotations, that of the whole and that of the pod template; needed again after every change to it.
pub fn stamped_stateful_set(mut stateful_set: StatefulSet) -> StatefulSet {
    // Serialising these types cannot fail: they hold no maps with keys that are not text.
    let meaning = meaning(serde_json::to_value(&stateful_set).unwrap_or_default());
    let template = digest(meaning.pointer("/spec/template").unwrap_or(&Value::Null));
    annotate(&mut stateful_set.metadata, APPLIED_ANNOTATION, digest(&meaning));
    annotate(&mut stateful_set.metadata, APPLIED_TEMPLATE_ANNOTATION, template);
    stateful_set
}

fn annotate(metadata: &mut ObjectMeta, name: &str, value: String) {
    metadata.annotations.get_or_insert_with(BTreeMap::new).insert(name.to_owned(), value);
}
