//! Wanted objects against live ones: what is absent, changed or drifted is applied, what is no longer wanted deleted; never what is not ours.

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet, StatefulSetSpec};
use serde_json::Value;

use super::draft::{Draft, Form};
use super::view::{Fleet, View};
use crate::build::{self, Strategy};
use crate::model::component::{APPLIED_ANNOTATION, APPLIED_TEMPLATE_ANNOTATION, CONFIGURATION_ANNOTATION};
use crate::model::spec_change::last_change;
use crate::model::{Cluster, Component, LiveObject, Object, ObjectKey, ObjectKind, Ownership, Request, Step, WaitingOn, Workload};
use crate::release::{Image, Version};

/// Adds the steps that bring objects to what the forms and the resource want.
pub(super) fn run(view: &View<'_>, draft: &mut Draft) {
    let serving = view.serving_frontends();
    let wanted = view.wanted();
    for object in wanted {
        let component = component_of(view.cluster, object);
        if let Some(object) = shaped(view, object, component, draft)
            && may_be_made(view, &object, component, serving, draft)
        {
            apply(view, object, draft);
        }
    }
    delete_unwanted(view, draft);
}

/// The image a workload has at a release: as written if it claims that release, else in the same repository.
pub(super) fn image_at(cluster: &Cluster, workload: &Workload, release: &Version) -> String {
    let claimed = workload.claim.release().or(cluster.version);
    if claimed == Some(*release) { workload.image.to_string() } else { workload.image.with_version(release) }
}

/// Whether pods would be made anew if the template in this image were applied.
pub(super) fn template_differs(view: &View<'_>, fleet: &Fleet<'_>, workload: &Workload, image: &str) -> bool {
    let Some(live) = fleet.live else { return false };
    let desired = wanted_over(view, live, workload, image);
    build::template_differs(&desired, live).is_some()
}

/// What to wait for when the template in this image differs and nobody asked for it; `None` if a user agreed to just this template.
pub(super) fn held(view: &View<'_>, fleet: &Fleet<'_>, workload: &Workload, image: &str) -> Option<WaitingOn> {
    let live = fleet.live?;
    let desired = wanted_over(view, live, workload, image);
    let accept = desired.metadata.annotations.as_ref()?.get(APPLIED_TEMPLATE_ANNOTATION)?.clone();
    let differences = desired.spec.as_ref().map(|spec| build::template_differences(&spec.template, live)).unwrap_or_default();
    held_for(view, workload.component, &differences, accept)
}

fn held_for(view: &View<'_>, component: Component, differences: &[build::Difference], accept: String) -> Option<WaitingOn> {
    /// Paths that are told; `adopt --dry-run` tells all of them with their values.
    const TOLD: usize = 6;
    if differences.is_empty() || view.cluster.accepted_templates.contains(&accept) {
        return None;
    }
    let mut fields: Vec<String> = differences.iter().take(TOLD).map(|difference| difference.path.clone()).collect();
    if differences.len() > TOLD {
        fields.push(format!("and {} more", differences.len() - TOLD));
    }
    Some(WaitingOn::TemplateHeld { component, fields, accept })
}

/// The same for a template that no change of the resource asks for: what was repaired or restarts for its configuration is not held either.
pub(super) fn unasked(view: &View<'_>, fleet: &Fleet<'_>, workload: &Workload, image: &str) -> Option<WaitingOn> {
    let asked = was_drifted(view, fleet, workload, image) || restarts_for_configuration(view, fleet, workload);
    if asked { None } else { held(view, fleet, workload, image) }
}

/// Whether the live template is one that somebody else changed after this operator applied the wanted one.
fn was_drifted(view: &View<'_>, fleet: &Fleet<'_>, workload: &Workload, image: &str) -> bool {
    let Some(live) = fleet.live else { return false };
    let desired = wanted_over(view, live, workload, image);
    let wanted = desired.metadata.annotations.as_ref().and_then(|annotations| annotations.get(APPLIED_TEMPLATE_ANNOTATION));
    wanted.is_some_and(|wanted| live.applied_template_hash() == Some(wanted.as_str()))
}

/// Whether the template has yet to carry the mark for which its pods are to be made anew: their configuration changed.
pub(super) fn restarts_for_configuration(view: &View<'_>, fleet: &Fleet<'_>, workload: &Workload) -> bool {
    let annotations = fleet.live.and_then(|live| live.body.pointer("/spec/template/metadata/annotations"));
    let mark = annotations.and_then(|annotations| annotations.get(CONFIGURATION_ANNOTATION)).and_then(Value::as_str);
    view.observed.status.operation.is_some() && workload.restarted_for.is_some() && workload.restarted_for.as_deref() != mark
}

/// The StatefulSet as the resource describes it, as it can be applied over the live one.
pub(super) fn at_rest_over(view: &View<'_>, live: &LiveObject, workload: &Workload) -> StatefulSet {
    let image = workload.image.to_string();
    build::keep_immutable(wanted_over(view, live, workload, &image), live)
}

/// The StatefulSet in an image, as it can be applied over the live one.
pub(super) fn wanted_over(view: &View<'_>, live: &LiveObject, workload: &Workload, image: &str) -> StatefulSet {
    let at_rest = view.wanted_set(workload).filter(|_| workload.image.to_string() == image);
    let desired =
        at_rest.cloned().unwrap_or_else(|| build::stateful_set_with(view.cluster, workload, &Image::parse(image), Strategy::AsWritten));
    let desired = if build::immutable_difference(&desired, live).is_some() { build::keep_immutable(desired, live) } else { desired };
    build::stateful_set_as_named(desired, live)
}

/// The Deployment as it can be applied over the live one. What the former operator made, and would be made differently, is held as it is until
/// the resource changes: its generation is noted on the object, so that an operator that dies right then forgets nothing.
pub(super) fn deployment_over(view: &View<'_>, desired: Deployment) -> (Deployment, Option<WaitingOn>) {
    let live = view.observed.object(ObjectKind::Deployment, desired.metadata.name.as_deref().unwrap_or_default());
    let Some(live) = live.filter(|live| !is_someone_elses(view, live)) else { return (desired, None) };
    let accept = desired.metadata.annotations.as_ref().and_then(|annotations| annotations.get(APPLIED_ANNOTATION)).cloned();
    let desired = build::deployment_as_named(desired, live);
    let generation = last_change(&view.cluster.asked(), &view.observed.status).generation;
    let new = live.is_to_be_taken_over() || build::held_at(live) == Some(generation);
    let differences = || desired.spec.as_ref().map(|spec| build::template_differences(&spec.template, live)).unwrap_or_default();
    let held = accept.filter(|_| new).and_then(|accept| held_for(view, Component::FrontendProxy, &differences(), accept));
    if held.is_some() { (build::held_deployment(desired, live, generation), held) } else { (desired, None) }
}

/// Whether a frontend's metadata lives and dies with its pod.
pub(super) fn metadata_is_ephemeral(fleet: &Fleet<'_>) -> bool {
    let Some(pod) = fleet.live.and_then(|live| live.body.pointer("/spec/template/spec")) else { return false };
    let list = |pointer: &str| pod.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mounts = list("/containers")
        .filter(|container| text(container, "name") == fleet.component.container())
        .filter_map(|container| container.get("volumeMounts")?.as_array())
        .flatten();
    let meta = mounts.filter(|mount| text(mount, "mountPath").ends_with("/meta")).map(|mount| text(mount, "name")).next_back();
    let Some(meta) = meta else { return false };
    list("/volumes").any(|volume| text(volume, "name") == meta && volume.get("emptyDir").is_some())
}

/// An object as it is to be in this pass: StatefulSets by their form, everything else as built.
fn shaped(view: &View<'_>, object: &Object, component: Option<Component>, draft: &mut Draft) -> Option<Object> {
    if let Object::Deployment(deployment) = object {
        let (deployment, held) = deployment_over(view, deployment.as_ref().clone());
        draft.wait_all(held);
        return Some(Object::Deployment(Box::new(deployment)));
    }
    let Object::StatefulSet(at_rest) = object else { return Some(object.clone()) };
    let component = component?;
    let (fleet, form) = (view.fleet(component)?, draft.forms.get(&component)?.clone());
    let workload = fleet.workload?;
    let is_at_rest =
        !form.on_delete && form.replicas == workload.replicas && form.image.as_deref() == Some(workload.image.to_string().as_str());
    let stateful_set = if is_at_rest { at_rest.as_ref().clone() } else { stateful_set(view, fleet, &form)? };
    if let Some(live) = fleet.live
        && let Some(difference) = build::immutable_difference(&stateful_set, live)
    {
        let object = format!("StatefulSet {}", component.workload_name(&view.cluster.name));
        draft.wait(WaitingOn::ImmutableField { object, field: difference.path });
    }
    let stateful_set = match fleet.live {
        Some(live) => build::stateful_set_as_named(build::keep_immutable(stateful_set, live), live),
        None => stateful_set,
    };
    Some(Object::StatefulSet(Box::new(stateful_set)))
}

/// A StatefulSet in the form of this pass.
fn stateful_set(view: &View<'_>, fleet: &Fleet<'_>, form: &Form) -> Option<StatefulSet> {
    let workload = fleet.workload?;
    let strategy = if form.on_delete { Strategy::OnDelete } else { Strategy::AsWritten };
    let image = form.image.as_deref().map_or_else(|| workload.image.clone(), Image::parse);
    let mut stateful_set = build::stateful_set_with(view.cluster, workload, &image, strategy);
    let spec = stateful_set.spec.as_mut()?;
    let replicas = Some(i32::try_from(form.replicas).unwrap_or(i32::MAX));
    if form.image.is_some() && spec.replicas == replicas {
        return Some(stateful_set);
    }
    spec.replicas = replicas;
    if form.image.is_none() {
        let live = fleet.live?.body.get("spec").cloned()?;
        spec.template = serde_json::from_value::<StatefulSetSpec>(live).ok()?.template;
    }
    Some(build::stamped_stateful_set(stateful_set))
}

/// Frontends come first: what runs beside them is made once one serves, and never from a doubtful beginning.
fn may_be_made(view: &View<'_>, object: &Object, component: Option<Component>, serving: u32, draft: &mut Draft) -> bool {
    let frontends = view.cluster.frontend.replicas;
    let Some(component) = component else { return true };
    let absent = view.observed.object(object.kind(), &object.key().name).is_none();
    let needed = if absent && view.cluster.wait_for_full_rollout { frontends.max(1) } else { 1 };
    match (object, component) {
        // Nodes need the Service that names them; clients have nobody to reach before a node is ready, and an API server hands out
        // addresses one at a time.
        (Object::Service(service), Component::Backend | Component::ComputeNode | Component::FrontendProxy) => {
            let names_nodes = service.metadata.name.as_deref() == Some(component.search_service_name(&view.cluster.name).as_str());
            !absent || is_up(view, component) || names_nodes && serving >= needed
        }
        (Object::StatefulSet(_), Component::Frontend) => match founding_risk(view) {
            Some(risk) => {
                draft.wait(risk);
                false
            }
            None => !absent || has_its_services(view, Component::Frontend),
        },
        (Object::StatefulSet(_) | Object::Deployment(_) | Object::HorizontalPodAutoscaler(_), _) => {
            if serving < needed {
                draft.wait(WaitingOn::FrontendsNotServing { serving, wanted: frontends });
            }
            serving >= needed && (!absent || has_its_services(view, component))
        }
        (Object::Service(_) | Object::ConfigMap(_), _) => true,
    }
}

/// Whether a component has a pod that is ready, or is made and wants none.
fn is_up(view: &View<'_>, component: Component) -> bool {
    let kind = if component == Component::FrontendProxy { ObjectKind::Deployment } else { ObjectKind::StatefulSet };
    let live = view.observed.object(kind, &component.workload_name(&view.cluster.name));
    live.is_some_and(|live| live.integer("/spec/replicas") == 0) || view.observed.pods_of(component).any(|pod| pod.ready)
}

/// Whether the Services by whose names new nodes find each other and the frontends exist, or are made just before the nodes. Without them
/// nodes would only crash, again and again.
fn has_its_services(view: &View<'_>, component: Component) -> bool {
    let cluster = &view.cluster.name;
    let own = (component != Component::FrontendProxy).then(|| component.search_service_name(cluster));
    // The frontends of a warehouse serve, so their Service is there; it is another resource's.
    let frontends = view.cluster.warehouse.is_none().then(|| Component::Frontend.service_name(cluster));
    own.into_iter().chain(frontends).all(|name| match view.observed.object(ObjectKind::Service, &name) {
        Some(live) => !live.deleting && !is_someone_elses(view, live),
        None => {
            let request = Request::Apply(ObjectKey { kind: ObjectKind::Service, name });
            !view.observed.refusals.iter().any(|refusal| refusal.request == request)
        }
    })
}

pub(super) fn is_someone_elses(view: &View<'_>, live: &LiveObject) -> bool {
    match live.ownership {
        Ownership::Ours => false,
        Ownership::Orphan => !carries_our_labels(view, live),
        Ownership::Foreign => true,
    }
}

/// Frontends that are about to be made while frontend 0 has lost its volume and others have not: it would found a new, empty cluster.
fn founding_risk(view: &View<'_>) -> Option<WaitingOn> {
    let fleet = view.fleet(Component::Frontend)?;
    let zero = view.pod_name(Component::Frontend, 0);
    if fleet.live_replicas() > 0 || fleet.pods.contains_key(&0) {
        return None;
    }
    let prefix = format!("-{}-", Component::Frontend.workload_name(&view.cluster.name));
    let of_frontends = || view.observed.claims.keys().filter(|claim| claim.contains(&prefix) && claim.contains("meta"));
    let others = of_frontends().any(|claim| !claim.ends_with(&format!("-{zero}")));
    let own = of_frontends().any(|claim| claim.ends_with(&format!("-{zero}")));
    (others && !own).then_some(WaitingOn::SecondClusterRisk { pod: zero })
}

fn apply(view: &View<'_>, object: Object, draft: &mut Draft) {
    let key = object.key();
    let Some(live) = view.observed.object(key.kind, &key.name) else {
        return draft.steps.push(Step::Apply(object));
    };
    if live.deleting {
        return draft.wait(WaitingOn::ObjectTerminating { object: label(&key) });
    }
    if is_someone_elses(view, live) {
        return draft.wait(WaitingOn::ForeignObject { object: label(&key) });
    }
    let mut json = object.to_json();
    let hash = json.pointer("/metadata/annotations").and_then(|annotations| annotations.get(APPLIED_ANNOTATION)).and_then(Value::as_str);
    let same_hash = live.applied_hash() == hash;
    // Claim templates cannot be changed and are as they are by construction.
    if let Some(spec) = json.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove("volumeClaimTemplates");
    }
    if live.ownership == Ownership::Orphan || !same_hash || live.is_to_be_taken_over() || build::drift(&json, &live.body).is_some() {
        draft.steps.push(Step::Apply(object));
    }
}

/// Deletes what this cluster owns and no longer wants. Frontends stay whatever happens, and claims are not even looked at.
fn delete_unwanted(view: &View<'_>, draft: &mut Draft) {
    let unwanted = unwanted(view).map(|(object, live)| Step::Delete { object, uid: live.uid.clone() });
    draft.steps.extend(unwanted);
}

/// What this cluster owns and no longer wants, without what is the frontends'.
pub(super) fn unwanted<'v>(view: &'v View<'_>) -> impl Iterator<Item = (ObjectKey, &'v LiveObject)> {
    let objects = view.observed.objects.iter().flat_map(|(kind, objects)| objects.iter().map(move |(name, live)| (*kind, name, live)));
    objects.filter_map(|(kind, name, live)| {
        let key = ObjectKey { kind, name: name.clone() };
        let labels = live.body.pointer("/metadata/labels");
        let component = labels.and_then(|labels| labels.get(crate::model::component::COMPONENT_LABEL)).and_then(Value::as_str);
        let of_frontends = component == Some(Component::Frontend.label()) || is_frontends_own(view.cluster, name);
        let stays =
            live.ownership != Ownership::Ours || live.deleting || of_frontends || kind == ObjectKind::Service && names_pods(view, name);
        (!stays && !view.wanted().iter().any(|object| object.key() == key)).then_some((key, live))
    })
}

/// Whether pods have their names from this Service: older releases of the former operator called it differently, and a StatefulSet keeps the one it has.
fn names_pods(view: &View<'_>, service: &str) -> bool {
    let lives = view.fleets().filter(|fleet| fleet.workload.is_some()).filter_map(|fleet| fleet.live);
    lives.into_iter().any(|live| live.text("/spec/serviceName") == service)
}

fn is_frontends_own(cluster: &Cluster, name: &str) -> bool {
    let frontends = Component::Frontend;
    [frontends.workload_name(&cluster.name), frontends.service_name(&cluster.name), frontends.search_service_name(&cluster.name)]
        .iter()
        .any(|own| own == name)
}

fn carries_our_labels(view: &View<'_>, live: &LiveObject) -> bool {
    let label = |name: &str| live.body.pointer("/metadata/labels").and_then(|labels| labels.get(name)).and_then(Value::as_str);
    label(crate::model::component::OWNER_LABEL) == Some(view.cluster.name.as_str())
}

fn component_of(cluster: &Cluster, object: &Object) -> Option<Component> {
    let name = object.key().name;
    let all = [Component::Frontend, Component::Backend, Component::ComputeNode, Component::FrontendProxy];
    all.into_iter().find(|component| {
        let workload = component.workload_name(&cluster.name);
        name == workload
            || name == component.service_name(&cluster.name)
            || name == component.search_service_name(&cluster.name)
            || object.kind() == ObjectKind::HorizontalPodAutoscaler && *component == Component::ComputeNode
    })
}

fn label(key: &ObjectKey) -> String {
    format!("{} {}", key.kind.name(), key.name)
}
