//! The status of each component under upstream's names and words; pods are judged as upstream does, nodes as StarRocks reports them.

use std::collections::BTreeMap;

use super::super::draft::Draft;
use super::super::health;
use super::super::view::View;
use super::conditions::hinders;
use crate::api::{CnStatus, ComponentStatus, HorizontalScaler};
use crate::model::component::{COMPONENT_LABEL, OWNER_LABEL};
use crate::model::{Component, LiveObject, ObjectKind, WaitingOn};

/// Phase words of upstream.
pub(super) const RUNNING: &str = "running";
pub(super) const RECONCILING: &str = "reconciling";
pub(super) const FAILED: &str = "failed";

/// Frontends, backends or compute nodes.
pub(super) fn of_workload(view: &View<'_>, component: Component, draft: &Draft) -> Option<ComponentStatus> {
    let fleet = view.fleet(component)?;
    fleet.workload?;
    let mut status = instances(view, component);
    status.service_name = Some(component.service_name(&view.cluster.name));
    status.resource_names = vec![component.workload_name(&view.cluster.name)];
    status.running_versions = running_versions(view, component);
    let mine = |wait: &&WaitingOn| wait.pod().is_some_and(|pod| view.observed.pods.get(pod).is_some_and(|pod| pod.component == component));
    let wait = draft.waiting.iter().filter(|wait| hinders(wait)).find(mine);
    let moving = !fleet.live.is_some_and(LiveObject::status_is_current)
        || fleet.live_replicas() != fleet.wanted_replicas()
        || fleet.outdated().next().is_some()
        || status.running_instances.len() < usize::try_from(fleet.wanted_replicas()).unwrap_or(usize::MAX)
        || wait.is_some();
    status.phase = phase(&status, moving);
    status.reason = if status.phase == RUNNING { None } else { wait.map(ToString::to_string) };
    Some(status)
}

/// Compute nodes, with what the scale subresource and the autoscaler read.
pub(super) fn of_compute_nodes(view: &View<'_>, draft: &Draft) -> Option<CnStatus> {
    let component = of_workload(view, Component::ComputeNode, draft)?;
    let fleet = view.fleet(Component::ComputeNode)?;
    let labels = Component::ComputeNode.pod_labels(&view.cluster.name);
    let label = |key: &str| format!("{key}={}", labels.get(key).map(String::as_str).unwrap_or_default());
    let scaler = fleet
        .workload
        .and_then(|workload| workload.autoscaling.as_ref())
        .map(|_| HorizontalScaler { name: Some(format!("{}-cn-autoscaler", view.cluster.name)), version: Some("v2".to_owned()) });
    Some(CnStatus {
        component,
        hpa_name: None,
        horizontal_scaler: scaler,
        replicas: Some(i32::try_from(fleet.live.map_or(0, |live| live.integer("/status/replicas"))).unwrap_or(0)),
        selector: Some(format!("{},{}", label(COMPONENT_LABEL), label(OWNER_LABEL))),
    })
}

/// The proxy.
pub(super) fn of_proxy(view: &View<'_>) -> Option<ComponentStatus> {
    let proxy = view.cluster.proxy.as_ref()?;
    let mut status = instances(view, Component::FrontendProxy);
    status.service_name = Some(Component::FrontendProxy.service_name(&view.cluster.name));
    status.phase = phase(&status, !proxy_is_ready(view, proxy.replicas));
    Some(status)
}

/// Whether the proxy's Deployment has as many ready pods of its newest spec as wanted.
pub(super) fn proxy_is_ready(view: &View<'_>, wanted: u32) -> bool {
    let live = view.observed.object(ObjectKind::Deployment, &Component::FrontendProxy.workload_name(&view.cluster.name));
    live.is_some_and(|live| {
        live.status_is_current()
            && live.integer("/status/readyReplicas") >= i64::from(wanted)
            && live.integer("/status/updatedReplicas") >= i64::from(wanted)
    })
}

fn phase(status: &ComponentStatus, moving: bool) -> String {
    let word = match (status.failed_instances.is_empty(), status.creating_instances.is_empty() && !moving) {
        (false, _) => FAILED,
        (true, false) => RECONCILING,
        (true, true) => RUNNING,
    };
    word.to_owned()
}

fn instances(view: &View<'_>, component: Component) -> ComponentStatus {
    let mut status = ComponentStatus::default();
    for pod in view.observed.pods_of(component) {
        // The processes of a pod that is told to go may end with any exit code.
        let list = if !pod.deleting && (pod.failed || health::is_broken(pod)) {
            &mut status.failed_instances
        } else if pod.ready && !pod.deleting {
            &mut status.running_instances
        } else {
            &mut status.creating_instances
        };
        list.push(pod.name.clone());
    }
    status
}

/// Nodes by the release they report. While nobody answers, the last known numbers stand.
fn running_versions(view: &View<'_>, component: Component) -> BTreeMap<String, i32> {
    let unheard = || view.observed.pods_of(component).any(|pod| view.reported(component, &pod.name).is_none());
    let silent = match component {
        Component::Frontend => view.frontend_rows().is_none() && unheard(),
        Component::Backend | Component::ComputeNode | Component::FrontendProxy => view.node_rows(component).is_none(),
    };
    if silent {
        let former = &view.observed.status;
        let former = match component {
            Component::Frontend => former.star_rocks_fe_status.as_ref(),
            Component::Backend => former.star_rocks_be_status.as_ref(),
            Component::ComputeNode => former.star_rocks_cn_status.as_ref().map(|status| &status.component),
            Component::FrontendProxy => None,
        };
        return former.map(|status| status.running_versions.clone()).unwrap_or_default();
    }
    let mut versions: BTreeMap<String, i32> = BTreeMap::new();
    for claim in view.observed.pods_of(component).filter_map(|pod| view.reported(component, &pod.name)) {
        *versions.entry(claim.to_string()).or_default() += 1;
    }
    versions
}
