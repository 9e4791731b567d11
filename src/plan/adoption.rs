//! A cluster or warehouse and what exists of it in, what taking it over would do to each object out; asks nothing of StarRocks and decides nothing.

use k8s_openapi::api::core::v1::PodTemplateSpec;
use serde::Serialize;
use serde_json::{Value, json};

use super::view::View;
use super::{objects, warehouse};
use crate::build::{self, Difference};
use crate::model::component::APPLIED_ANNOTATION;
use crate::model::warehouse::RESOURCE_FINALIZER;
use crate::model::{Cluster, Component, LiveObject, Object, ObjectKey, ObjectKind, Observed, Ownership, WaitingOn};

/// What happens to an object, or to a resource as the most of what happens to its objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// Nothing is written.
    Unchanged,
    /// Labels, annotations, owners and the books of who owns which field; nothing that a pod, an address or a volume depends on.
    MetadataOnly,
    /// The object changes or comes into being, and no pod that runs is touched.
    InPlace,
    /// Pods would be restarted or taken away. Pod templates are held until the resource changes; another image or number of replicas is not.
    WouldRestartPods,
    /// It stays as it is, and somebody has to mend something first.
    CannotBeTakenOver,
}

/// One object.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectChange {
    /// Kind.
    pub kind: ObjectKind,
    /// Name.
    pub name: String,
    /// What happens to it.
    pub change: Change,
    /// Where what is live differs from what is intended.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<Difference>,
    /// What happens later and why, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// What stands in the way.
    #[serde(skip)]
    pub blocked: Option<WaitingOn>,
}

/// A cluster or a warehouse.
#[derive(Clone, Debug, PartialEq)]
pub struct Adoption {
    /// The most of what happens to its objects.
    pub verdict: Change,
    /// What stands in the way of all of them.
    pub blocked: Option<WaitingOn>,
    /// What happens beside its objects, for people.
    pub note: Option<String>,
    /// Its objects, those that are wanted first.
    pub objects: Vec<ObjectChange>,
}

/// Says what taking over would do.
pub fn adoption(cluster: &Cluster, observed: &Observed) -> Adoption {
    let view = View::new(cluster, observed);
    let blocked = cluster.warehouse.as_ref().and_then(|_| warehouse::misfit(&view));
    if blocked.is_some() {
        return Adoption { verdict: Change::CannotBeTakenOver, blocked, note: None, objects: Vec::new() };
    }
    let mut objects: Vec<ObjectChange> = view.wanted().iter().map(|object| of_wanted(&view, object)).collect();
    objects.extend(unwanted(&view));
    let note = of_warehouse(&view);
    // A finalizer is written to the resource.
    let least = if note.is_some() { Change::MetadataOnly } else { Change::Unchanged };
    let verdict = objects.iter().map(|object| object.change).max().unwrap_or(Change::Unchanged).max(least);
    Adoption { verdict, blocked: None, note, objects }
}

/// What becomes of the resource of a warehouse that this operator does not hold yet.
fn of_warehouse(view: &View<'_>) -> Option<String> {
    let held = view.observed.warehouse.as_ref().is_some_and(|report| report.held);
    let made = view.fleet(Component::ComputeNode).is_some_and(|fleet| fleet.live.is_some());
    let note = if made {
        format!("the resource gets the finalizer {RESOURCE_FINALIZER}, so that its warehouse is dropped for sure with it")
    } else {
        "no compute node exists: whether the frontends have warehouses, and none of this name yet, is asked before any is made".to_owned()
    };
    (view.cluster.warehouse.is_some() && !held).then_some(note)
}

impl ObjectChange {
    fn new(key: ObjectKey, change: Change) -> Self {
        Self { kind: key.kind, name: key.name, change, differences: Vec::new(), note: None, blocked: None }
    }

    fn blocked(key: ObjectKey, wait: WaitingOn) -> Self {
        Self { blocked: Some(wait), ..Self::new(key, Change::CannotBeTakenOver) }
    }

    fn noted(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }
}

fn of_wanted(view: &View<'_>, object: &Object) -> ObjectChange {
    let key = object.key();
    let Some(live) = view.observed.object(key.kind, &key.name) else {
        return ObjectChange::new(key, Change::InPlace).noted("is made anew: it does not exist");
    };
    let label = format!("{} {}", key.kind.name(), key.name);
    if live.deleting {
        return ObjectChange::blocked(key, WaitingOn::ObjectTerminating { object: label });
    }
    if objects::is_someone_elses(view, live) {
        return ObjectChange::blocked(key, WaitingOn::ForeignObject { object: label });
    }
    match object {
        Object::StatefulSet(_) => of_stateful_set(view, object, live, label),
        Object::Deployment(deployment) => {
            let (held, _) = objects::deployment_over(view, deployment.as_ref().clone());
            let wanted = build::deployment_as_named(deployment.as_ref().clone(), live);
            let template = wanted.spec.as_ref().map(|spec| &spec.template);
            judged(&Object::Deployment(Box::new(held)), live, template)
        }
        Object::ConfigMap(_) | Object::Service(_) | Object::HorizontalPodAutoscaler(_) => judged(object, live, None),
    }
}

fn of_stateful_set(view: &View<'_>, object: &Object, live: &LiveObject, label: String) -> ObjectChange {
    let key = object.key();
    let component = Component::STARROCKS.into_iter().find(|component| component.workload_name(&view.cluster.name) == key.name);
    let workload = component.and_then(|component| view.cluster.workload(component));
    let Some(workload) = workload else { return judged(object, live, None) };
    if let Some(difference) = view.wanted_set(workload).and_then(|wanted| build::immutable_difference(wanted, live)) {
        let blocked = WaitingOn::ImmutableField { object: label, field: difference.path.clone() };
        return ObjectChange { differences: vec![difference], ..ObjectChange::blocked(key, blocked) };
    }
    let mut wanted = objects::at_rest_over(view, live, workload);
    let replicas = view.fleet(workload.component).map(|fleet| i32::try_from(fleet.wanted_replicas()).unwrap_or(i32::MAX));
    if let Some(spec) = wanted.spec.as_mut().filter(|spec| spec.replicas != replicas) {
        // An autoscaler's number.
        spec.replicas = replicas;
        wanted = build::stamped_stateful_set(wanted);
    }
    let template = wanted.spec.as_ref().map(|spec| spec.template.clone());
    let change = judged(&Object::StatefulSet(Box::new(wanted)), live, template.as_ref());
    let live_image = view.fleet(workload.component).and_then(|fleet| fleet.live_image());
    if live_image.is_some_and(|image| image != workload.image.to_string()) {
        let image = &workload.image;
        return change
            .noted(format!("another image is asked for, {image}: if it is another release, the way there begins at once, with all gates"));
    }
    change
}

/// An object as it would be applied, against the live one; `template` is the pod template that is wanted in the end.
fn judged(object: &Object, live: &LiveObject, template: Option<&PodTemplateSpec>) -> ObjectChange {
    let key = object.key();
    let restarts = template.map(|template| build::template_differences(template, live)).unwrap_or_default();
    let mut wanted = object.to_json();
    if let Some(spec) = wanted.get_mut("spec").and_then(Value::as_object_mut) {
        // Claim templates were compared before and cannot change; the pod template has just been compared, more strictly.
        spec.remove("volumeClaimTemplates");
        if template.is_some() {
            spec.remove("template");
        }
    }
    let replicas = |json: &Value| json.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    let fewer = template.is_some() && replicas(&wanted) < replicas(&live.body);
    let others = build::drifts(&wanted, &live.body);
    let only_metadata = others.iter().all(|difference| difference.path.starts_with("metadata."));
    let stamp = object.annotation(APPLIED_ANNOTATION);
    let change = match () {
        () if !restarts.is_empty() || fewer => Change::WouldRestartPods,
        () if !only_metadata => Change::InPlace,
        () if !others.is_empty() || live.ownership == Ownership::Orphan || live.is_to_be_taken_over() => Change::MetadataOnly,
        // Something was taken out since the last apply.
        () if live.applied_hash() != stamp => Change::InPlace,
        () => Change::Unchanged,
    };
    let note = match () {
        () if !restarts.is_empty() => {
            Some("the pod template is held (SR-2403) until the resource changes; then pods are replaced one by one")
        }
        () if fewer => Some("scaled in as the resource says, with all gates"),
        () if key.kind == ObjectKind::ConfigMap && !only_metadata && live.is_to_be_taken_over() => {
            Some("nginx reads it when its pods are next started; they are not restarted for it")
        }
        () => None,
    };
    ObjectChange {
        differences: restarts.into_iter().chain(others).collect(),
        note: note.map(str::to_owned),
        ..ObjectChange::new(key, change)
    }
}

/// What the resource does not describe any more, as far as it is deleted.
fn unwanted(view: &View<'_>) -> Vec<ObjectChange> {
    let gone = objects::unwanted(view).map(|(key, _)| {
        let change =
            if matches!(key.kind, ObjectKind::StatefulSet | ObjectKind::Deployment) { Change::WouldRestartPods } else { Change::InPlace };
        let difference = Difference { path: String::new(), wanted: Value::Null, found: json!(key.name) };
        ObjectChange { differences: vec![difference], ..ObjectChange::new(key, change) }
            .noted("is deleted: the resource has no such section")
    });
    gone.collect()
}
