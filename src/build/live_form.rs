//! A wanted workload and its live one in, the wanted one with what is no more than spelling kept as it is live out; never hides a difference that pods would feel.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, StatefulSet};
use k8s_openapi::api::core::v1::{Container, PodTemplateSpec, Volume};
use serde_json::Value;

use super::annotate::{stamped, stamped_stateful_set};
use super::stateful_set::template_differences;
use crate::model::component::{CONFIGURATION_ANNOTATION, HELD_ANNOTATION};
use crate::model::{LiveObject, Object};

/// The StatefulSet with volumes named as in the live one, if nothing else in the pod template differs; as it is otherwise.
pub fn stateful_set_as_named(desired: StatefulSet, live: &LiveObject) -> StatefulSet {
    let mut desired = as_marked(desired, live);
    let named = desired.spec.as_ref().and_then(|spec| as_named(&spec.template, live));
    match (named, desired.spec.as_mut()) {
        (Some(template), Some(spec)) => {
            spec.template = template;
            stamped_stateful_set(desired)
        }
        _ => desired,
    }
}

/// The same for a Deployment.
pub fn deployment_as_named(mut desired: Deployment, live: &LiveObject) -> Deployment {
    let named = desired.spec.as_ref().and_then(|spec| as_named(&spec.template, live));
    match (named, desired.spec.as_mut()) {
        (Some(template), Some(spec)) => {
            spec.template = template;
            stamped_deployment(desired)
        }
        _ => desired,
    }
}

/// The StatefulSet with the mark of the last restart for a configuration that the live one carries, if nobody remembers one: a mark is replaced and never
/// taken away, so a status was lost, and pods must not be made anew for that.
fn as_marked(mut desired: StatefulSet, live: &LiveObject) -> StatefulSet {
    let mark = live
        .body
        .pointer("/spec/template/metadata/annotations")
        .and_then(|annotations| annotations.get(CONFIGURATION_ANNOTATION)?.as_str());
    let template = desired.spec.as_mut().and_then(|spec| spec.template.metadata.as_mut());
    let (Some(mark), Some(template)) = (mark, template) else { return desired };
    let annotations = template.annotations.get_or_insert_default();
    if annotations.contains_key(CONFIGURATION_ANNOTATION) {
        return desired;
    }
    annotations.insert(CONFIGURATION_ANNOTATION.to_owned(), mark.to_owned());
    stamped_stateful_set(desired)
}

/// The Deployment with the pod template that it has live, marked with the generation of the resource at which that was decided.
pub fn held_deployment(mut desired: Deployment, live: &LiveObject, generation: i64) -> Deployment {
    let spec = live.body.get("spec").cloned().and_then(|spec| serde_json::from_value::<DeploymentSpec>(spec).ok());
    if let (Some(live), Some(spec)) = (spec, desired.spec.as_mut()) {
        spec.template = live.template;
    }
    desired.metadata.annotations.get_or_insert_default().insert(HELD_ANNOTATION.to_owned(), generation.to_string());
    stamped_deployment(desired)
}

fn stamped_deployment(deployment: Deployment) -> Deployment {
    match stamped(Object::Deployment(Box::new(deployment.clone()))) {
        Object::Deployment(stamped) => *stamped,
        Object::ConfigMap(_) | Object::Service(_) | Object::StatefulSet(_) | Object::HorizontalPodAutoscaler(_) => deployment,
    }
}

/// The template with the live names of ConfigMap and Secret volumes, if with them it is the live one. Older releases of the former operator,
/// and newer ones with `--volume-name-with-hash=false`, name such a volume after its source alone: nothing that a process in a pod could see.
fn as_named(desired: &PodTemplateSpec, live: &LiveObject) -> Option<PodTemplateSpec> {
    let found = live.body.pointer("/spec/template")?;
    if named_alike(desired, found) {
        return None;
    }
    let found: PodTemplateSpec = serde_json::from_value(found.clone()).ok()?;
    let names = renames(desired, &found);
    if names.is_empty() {
        return None;
    }
    let mut template = desired.clone();
    let pod = template.spec.as_mut()?;
    let rename = |name: &mut String| {
        if let Some(live) = names.get(name) {
            name.clone_from(live);
        }
    };
    pod.volumes.iter_mut().flatten().for_each(|volume| rename(&mut volume.name));
    let containers = pod.containers.iter_mut().chain(pod.init_containers.iter_mut().flatten());
    containers.flat_map(|container| container.volume_mounts.iter_mut().flatten()).for_each(|mount| rename(&mut mount.name));
    template_differences(&template, live).is_empty().then_some(template)
}

/// Whether every live volume from a ConfigMap or Secret has a name that is wanted, as nearly always; then there is nothing to rename.
fn named_alike(desired: &PodTemplateSpec, found: &Value) -> bool {
    let wanted = sources(desired);
    let names: BTreeSet<&str> = wanted.values().map(String::as_str).collect();
    let volumes = found.pointer("/spec/volumes").and_then(Value::as_array).into_iter().flatten();
    let of_source = volumes.filter(|volume| volume.get("configMap").is_some() || volume.get("secret").is_some());
    of_source.map(|volume| volume.get("name").and_then(Value::as_str)).all(|name| name.is_some_and(|name| names.contains(name)))
}

/// Live names by wanted ones, of volumes with the same source mounted at the same place under another name.
fn renames(desired: &PodTemplateSpec, found: &PodTemplateSpec) -> BTreeMap<String, String> {
    let (wanted, found) = (sources(desired), sources(found));
    let names: BTreeSet<&String> = wanted.values().collect();
    let other = |(place, name): (&Place, &String)| {
        let live = found.get(place).filter(|live| *live != name && !names.contains(live))?;
        Some((name.clone(), live.clone()))
    };
    wanted.iter().filter_map(other).collect()
}

/// What is mounted: kind and name of the source, path, part.
type Place = (&'static str, String, String, String);

fn sources(template: &PodTemplateSpec) -> BTreeMap<Place, String> {
    let Some(pod) = &template.spec else { return BTreeMap::new() };
    let volumes: BTreeMap<&str, (&'static str, String)> =
        pod.volumes.iter().flatten().filter_map(|volume| Some((volume.name.as_str(), source(volume)?))).collect();
    let mounts = |container: &Container| container.volume_mounts.clone().unwrap_or_default();
    let place = |mount: k8s_openapi::api::core::v1::VolumeMount| {
        let (kind, source) = volumes.get(mount.name.as_str())?.clone();
        Some(((kind, source, mount.mount_path, mount.sub_path.unwrap_or_default()), mount.name))
    };
    pod.containers.iter().flat_map(mounts).filter_map(place).collect()
}

fn source(volume: &Volume) -> Option<(&'static str, String)> {
    let of_map = volume.config_map.as_ref().map(|map| ("ConfigMap", map.name.clone()));
    of_map.or_else(|| Some(("Secret", volume.secret.as_ref()?.secret_name.clone()?)))
}

/// The generation of the resource at which a Deployment's pod template was held back.
pub fn held_at(live: &LiveObject) -> Option<i64> {
    live.body.pointer("/metadata/annotations")?.get(HELD_ANNOTATION).and_then(Value::as_str)?.parse().ok()
}
