//! Rules 4 and 8: releases move in the order StarRocks needs and along the release table, and pods restart only for a cause.

use std::collections::BTreeSet;

use super::case::{Case, image_of, is_useful, live_image_of, release_of};
use crate::build;
use crate::model::component::{APPLIED_TEMPLATE_ANNOTATION, CONFIGURATION_ANNOTATION};
use crate::model::{Component, LiveObject, spec_change};
use crate::release::Version;

/// Rule 4: no node ever runs a release older than a frontend's, and no two releases meet that the table does not join.
pub(super) fn nodes_never_behind_frontends(case: &Case<'_>) -> Vec<String> {
    if case.consents("UnlistedReleases") || case.recovers() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (component, object, live) in case.changed() {
        let (to, from) = (release_of(image_of(object, component)), release_of(live_image_of(live, component)));
        if let Some(to) = to.filter(|to| from != Some(*to)) {
            found.extend(moving(case, component, to));
        }
    }
    for component in Component::STARROCKS {
        let template = release_of(case.live(component).and_then(|live| live_image_of(live, component)));
        if let Some(to) = template.filter(|_| case.restarts(component).into_iter().any(is_useful)) {
            found.extend(moving(case, component, to));
        }
    }
    found
}

fn moving(case: &Case<'_>, component: Component, to: Version) -> Option<String> {
    let table = case.cluster.releases.table();
    let running = case.running(component);
    if running.iter().all(|running| *running == to) {
        return None;
    }
    // Compute nodes of a warehouse keep nothing: only their distance to the frontends counts.
    let keeps = case.cluster.warehouse.is_none();
    if let Some(from) = running.iter().find(|from| keeps && table.hop(from, &to).is_err()) {
        return Some(format!("the {component} would go from {from} to {to}, which the release table does not allow"));
    }
    let others: BTreeSet<Version> = match component {
        Component::Frontend => case.running(Component::Backend).union(&case.running(Component::ComputeNode)).copied().collect(),
        _ => case.running(Component::Frontend),
    };
    if component == Component::Frontend && is_silent(case) {
        return Some(format!("the frontends would go to {to} although the nodes have not said what they run"));
    }
    let behind = |other: &&Version| if component == Component::Frontend { **other < to } else { to < **other };
    if let Some(other) = others.iter().find(behind) {
        return Some(format!("with the {component} at {to} beside {other} a node would be behind a frontend"));
    }
    let apart = |other: &&Version| table.hop(other, &to).is_err() && table.hop(&to, other).is_err();
    others.iter().find(apart).map(|other| format!("{to} of the {component} and {other} are not one hop apart"))
}

/// Whether data nodes exist of which nobody knows what they run.
fn is_silent(case: &Case<'_>) -> bool {
    [Component::Backend, Component::ComputeNode]
        .into_iter()
        .any(|component| case.observed.pods_of(component).next().is_some() && case.nodes(component).is_none())
}

/// Rule 8: another operator release or a restart of the operator alone changes no pod template.
pub(super) fn no_restart_without_cause(case: &Case<'_>) -> Vec<String> {
    let status = &case.observed.status;
    let at_work = status.operation.as_ref();
    let by_change = at_work.is_some_and(|operation| operation.holds_templates != Some(true));
    if by_change || spec_change::is_new(&case.cluster.asked(), status) || case.recovers() {
        return Vec::new();
    }
    let mut found = Vec::new();
    for (component, object, live) in case.changed() {
        let Some(difference) = build::template_differs(object, live) else { continue };
        let release = case.cluster.workload(component).and_then(|workload| workload.claim.release().or(case.cluster.version));
        let asked = release.is_some_and(|release| {
            Component::STARROCKS.into_iter().flat_map(|other| case.running(other)).any(|running| running != release)
        });
        let hash = object.metadata.annotations.as_ref().and_then(|annotations| annotations.get(APPLIED_TEMPLATE_ANNOTATION));
        let repaired = hash.is_some_and(|hash| LiveObject::applied_template_hash(live) == Some(hash.as_str()));
        let agreed = hash.is_some_and(|hash| case.cluster.accepted_templates.contains(hash));
        let unstarted = !case.observed.pods_of(component).any(|pod| pod.ready);
        // Its configuration changed: the mark of that is new in the template.
        let mark =
            object.spec.as_ref().and_then(|spec| spec.template.metadata.as_ref()?.annotations.as_ref()?.get(CONFIGURATION_ANNOTATION));
        let annotations = live.body.pointer("/spec/template/metadata/annotations");
        let marked = annotations.and_then(|annotations| annotations.get(CONFIGURATION_ANNOTATION)?.as_str());
        let configured = at_work.is_some() && mark.is_some() && mark.map(String::as_str) != marked;
        if !asked && !repaired && !agreed && !unstarted && !configured {
            found.push(format!("the {component} would restart although the resource has not changed: {difference}"));
        }
    }
    found
}
