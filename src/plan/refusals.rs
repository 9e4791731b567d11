//! Requests that Kubernetes or StarRocks refused before: told with the way out, left out until they are due again, and with them what rests on them.

use super::draft::Draft;
use super::view::View;
use crate::model::component::COMPONENT_LABEL;
use crate::model::{Component, ConfigurationWait, Object, Refusal, Request, Step, WaitingOn};

/// Takes account of former refusals. The steps are in the order in which they would be taken.
pub(super) fn heed(view: &View<'_>, draft: &mut Draft) {
    let mut left_out: Vec<Step> = Vec::new();
    for step in std::mem::take(&mut draft.steps) {
        let refusal = view.observed.refusals.iter().find(|refusal| refusal.meets(&step));
        if let Some(refusal) = refusal {
            tell(view, refusal, &step, draft);
        }
        if refusal.is_some_and(|refusal| refusal.again > view.now()) || left_out.iter().any(|earlier| step.rests_on(earlier)) {
            left_out.push(step);
        } else {
            draft.steps.push(step);
        }
    }
}

fn tell(view: &View<'_>, refusal: &Refusal, step: &Step, draft: &mut Draft) {
    let words = refusal.words.trim_end_matches('.').to_owned();
    if let Request::Configure(statement) = &refusal.request {
        // The node's lack is told by this one.
        let wait = WaitingOn::Configuration(ConfigurationWait::Refused { statement: statement.clone(), words });
        draft
            .waiting
            .retain(|other| !matches!(other, WaitingOn::Configuration(ConfigurationWait::NotInForce { keys, .. }) if !keys.is_empty()));
        draft.warn(wait.name(), format!("{wait} ({})", wait.code()));
        return draft.wait(wait);
    }
    let wait = WaitingOn::RequestRefused { request: refusal.request.to_string(), words, way_out: way_out(view, refusal, step) };
    draft.warn(wait.name(), format!("{wait} ({})", wait.code()));
    draft.wait(wait);
}

fn way_out(view: &View<'_>, refusal: &Refusal, step: &Step) -> String {
    if refusal.words.contains("exceeded quota") {
        return "Raise the quota, or free what uses it up".to_owned();
    }
    match (refusal.reason.as_str(), step) {
        ("Invalid", Step::Apply(object)) => format!("Correct {}, or free what it asks for", origin(view, object)),
        ("Forbidden", _) => "Give the operator the right, or ask whoever set the policy that forbids it".to_owned(),
        (_, Step::Apply(object)) => format!("Correct {}, or what refuses it", origin(view, object)),
        (_, _) => "Correct what refuses it".to_owned(),
    }
}

/// The part of the resource that an object is made from.
fn origin(view: &View<'_>, object: &Object) -> String {
    let of_warehouse = view.cluster.warehouse.is_some();
    let compute_nodes = if of_warehouse { "spec.template" } else { "spec.starRocksCnSpec" };
    if let Object::HorizontalPodAutoscaler(_) = object {
        return format!("{compute_nodes}.autoScalingPolicy");
    }
    let component = object.label(COMPONENT_LABEL).and_then(Component::from_label);
    let section = match component {
        Some(Component::Frontend) => "spec.starRocksFeSpec",
        Some(Component::Backend) => "spec.starRocksBeSpec",
        Some(Component::ComputeNode) => compute_nodes,
        Some(Component::FrontendProxy) => "spec.starRocksFeProxySpec",
        None => return "the resource".to_owned(),
    };
    if let Object::Service(_) = object { format!("{section}.service") } else { section.to_owned() }
}
