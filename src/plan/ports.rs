//! Ports that a configuration file moves under a running cluster: which of them can, what Services offer meanwhile, and who follows whom; restarts nothing itself.
//!
//! A pod tells its own ports (`Pod::ports`), so that each node is asked where it listens. The port under which StarRocks knows a node is not one that a
//! restart can move: the node would be another one to the others.

use k8s_openapi::api::core::v1::Service;

use super::draft::Draft;
use super::objects;
use super::view::{Fleet, View, is_host_of};
use crate::build;
use crate::model::cluster::Ports;
use crate::model::component::{CONFIGURATION_ANNOTATION, QUERY_PORT_VARIABLE};
use crate::model::{Component, ConfigurationWait, Object, ObjectKind, WaitingOn, Workload};

/// Why nodes keep their port.
const KNOWN_BY_IT: &str = "the frontends know each node by its host and this port, and it would join as another node without its tablets";
/// Why frontends keep their journal's port.
const MEMBER_BY_IT: &str = "the frontends know each other by host and this port, and would not let it in again";
/// Why frontends without a volume keep their ports.
const FOUND_BY_IT: &str = "a frontend whose metadata goes with its pod looks for the others at its own ports, finds nobody there, and could found a second cluster. \
                           Give the frontends a volume for their metadata first";

/// A port that a file moves although a running cluster cannot.
pub(super) fn fixed(view: &View<'_>) -> Option<WaitingOn> {
    view.fleets().find_map(|fleet| {
        let workload = fleet.workload.filter(|_| !fleet.pods.is_empty() && fleet.live.is_some())?;
        match workload.ports {
            Ports::Frontend { edit_log, .. } => {
                let journal = journal_port(view, fleet, edit_log).map(|former| ("edit_log_port", former, edit_log, MEMBER_BY_IT));
                journal.or_else(|| lonely_port(fleet, workload)).map(|found| wait(fleet.component, found))
            }
            Ports::Backend { heartbeat, .. } => {
                let former = heartbeat_port(view, fleet, heartbeat)?;
                Some(wait(fleet.component, ("heartbeat_service_port", former, heartbeat, KNOWN_BY_IT)))
            }
        }
    })
}

fn wait(component: Component, (key, former, wanted, why): (&str, u16, u16, &str)) -> WaitingOn {
    WaitingOn::Configuration(ConfigurationWait::PortFixed { component, key: key.to_owned(), former, wanted, why: why.to_owned() })
}

/// The journal's port under which a frontend is a member, if it is another: by the group, and while that is silent by the Service.
fn journal_port(view: &View<'_>, fleet: &Fleet<'_>, wanted: u16) -> Option<u16> {
    let Some(rows) = view.frontend_rows() else {
        let service = view.observed.object(ObjectKind::Service, &fleet.component.service_name(&view.cluster.name))?;
        let ports = service.body.pointer("/spec/ports")?.as_array()?;
        let port = ports.iter().find(|port| port["name"] == "edit-log")?["targetPort"].as_u64()?;
        return u16::try_from(port).ok().filter(|port| *port != wanted);
    };
    let known: Vec<(&str, u16)> = rows.iter().map(|row| (row.host.as_str(), row.edit_log_port)).collect();
    registered_elsewhere(fleet, &known, wanted)
}

/// The port under which a node is registered, if it is another: by the group, and while that is silent by the template.
fn heartbeat_port(view: &View<'_>, fleet: &Fleet<'_>, wanted: u16) -> Option<u16> {
    let Some(rows) = view.node_rows(fleet.component) else {
        return fleet.live_ports().named(fleet.component, "heartbeat-port").filter(|port| *port != wanted);
    };
    let known: Vec<(&str, u16)> = rows.iter().map(|row| (row.host.as_str(), row.heartbeat_port)).collect();
    registered_elsewhere(fleet, &known, wanted)
}

/// The port of the first pod that is registered, and not at the wanted port: what somebody registered anew before is as it is.
fn registered_elsewhere(fleet: &Fleet<'_>, known: &[(&str, u16)], wanted: u16) -> Option<u16> {
    fleet.pods.values().find_map(|pod| {
        let own =
            || known.iter().filter(|(host, port)| *port != 0 && is_host_of(host, &pod.name, pod.ip.as_deref())).map(|(_, port)| *port);
        own().next().filter(|_| own().all(|port| port != wanted))
    })
}

/// A port at which frontends that lose their metadata with their pod would look for each other in vain.
fn lonely_port(fleet: &Fleet<'_>, workload: &Workload) -> Option<(&'static str, u16, u16, &'static str)> {
    let live = fleet.live_ports();
    let moved = |name: &str, wanted: u16| live.named(fleet.component, name).filter(|former| *former != wanted);
    let (query, http) = (workload.query_port(), workload.http_port());
    let found = moved("query-port", query)
        .map(|former| ("query_port", former, query, FOUND_BY_IT))
        .or_else(|| moved("http-port", http).map(|former| ("http_port", former, http, FOUND_BY_IT)));
    found.filter(|_| objects::metadata_is_ephemeral(fleet))
}

/// Whether pods of a component listen elsewhere than its file says, or the next ones would.
fn are_moving(fleet: &Fleet<'_>) -> bool {
    let Some(wanted) = fleet.workload.map(|workload| workload.ports.declared()) else { return false };
    !fleet.live_ports().agrees_with(wanted) || fleet.pods.values().any(|pod| !pod.ports.agrees_with(wanted))
}

/// Whether new nodes have to wait: a frontend without metadata registers itself with the leader at its own port, and a node would register itself at one
/// that cannot be.
pub(super) fn keep_newcomers_out(fleet: &Fleet<'_>, draft: &Draft) -> bool {
    are_refused(draft) || come_after_others(fleet)
}

/// Whether new nodes come once those that are there have moved; nothing that the move waits for may wait for them.
pub(super) fn come_after_others(fleet: &Fleet<'_>) -> bool {
    fleet.component == Component::Frontend && are_moving(fleet)
}

/// Whether the file has a port that cannot be.
pub(super) fn are_refused(draft: &Draft) -> bool {
    draft.waiting.iter().any(|wait| matches!(wait, WaitingOn::Configuration(ConfigurationWait::PortFixed { .. })))
}

/// A Service as it is to be in this pass. While pods are on their way to other ports it offers both, and is as wanted once the last one has come, and
/// nobody is left who was told the former ones.
pub(super) fn service(view: &View<'_>, wanted: &Service, fleet: &Fleet<'_>, draft: &Draft) -> Service {
    let live = view.observed.object(ObjectKind::Service, wanted.metadata.name.as_deref().unwrap_or_default());
    let Some(live) = live.filter(|live| !objects::is_someone_elses(view, live)) else { return wanted.clone() };
    if are_refused(draft) {
        build::service_of_fixed_ports(wanted, live)
    } else if are_moving(fleet) || offers_other_ports(view, fleet.component) && is_awaited(view, fleet, draft) {
        build::service_of_moving_ports(wanted, live, fleet.component)
    } else {
        build::service_of_moved_ports(wanted, live)
    }
}

fn offers_other_ports(view: &View<'_>, component: Component) -> bool {
    let name = component.service_name(&view.cluster.name);
    let wanted = view.wanted().iter().find_map(|object| match object {
        Object::Service(service) if service.metadata.name.as_deref() == Some(name.as_str()) => Some(service.as_ref()),
        _ => None,
    });
    let live = view.observed.object(ObjectKind::Service, &name);
    wanted.zip(live).is_some_and(|(wanted, live)| build::service_ports_differ(wanted, live))
}

/// Whether somebody is still to come who needs the former ports: a process whose change of the file is not in force (no pod declares the port of Arrow
/// Flight), or nodes that were told the former port of the frontends.
fn is_awaited(view: &View<'_>, fleet: &Fleet<'_>, draft: &Draft) -> bool {
    let mut changes = draft.configuration.iter().flatten();
    let changes = changes.any(|entry| entry.component == fleet.component.label() && entry.change.is_some());
    changes || fleet.component == Component::Frontend && view.fleets().any(|nodes| were_told_otherwise(view, nodes))
}

fn were_told_otherwise(view: &View<'_>, nodes: &Fleet<'_>) -> bool {
    let Some(workload) = nodes.workload.filter(|workload| workload.component != Component::Frontend && nodes.live.is_some()) else {
        return false;
    };
    let container = view.wanted_set(workload).and_then(|set| {
        let containers = &set.spec.as_ref()?.template.spec.as_ref()?.containers;
        containers.iter().find(|container| container.name == nodes.component.container())
    });
    let variables = container.and_then(|container| container.env.as_ref()).into_iter().flatten();
    let wanted = variables.into_iter().find(|variable| variable.name == QUERY_PORT_VARIABLE).and_then(|variable| variable.value.as_deref());
    let told = nodes.live_container().and_then(|container| container.get("env")?.as_array()).into_iter().flatten();
    let told = told.into_iter().find(|variable| variable["name"] == QUERY_PORT_VARIABLE).and_then(|variable| variable["value"].as_str());
    nodes.outdated().next().is_some() || wanted != told
}

/// Whether all that differs in a template are ports that are on their way: those of a file for which the pods are being restarted already, and which has
/// changed once more; or the one at which nodes ask the frontends, which are being brought to it.
pub(super) fn are_on_their_way(view: &View<'_>, fleet: &Fleet<'_>, workload: &Workload, image: &str) -> bool {
    let (Some(live), true) = (fleet.live, view.observed.status.operation.is_some()) else { return false };
    let desired = objects::wanted_over(view, live, workload, image);
    let differences = desired.spec.as_ref().map(|spec| build::template_differences(&spec.template, live)).unwrap_or_default();
    let variable = format!("env[{QUERY_PORT_VARIABLE}]");
    let told = |difference: &build::Difference| fleet.component != Component::Frontend && difference.path.contains(&variable);
    let own = |difference: &build::Difference| difference.path.contains(".ports") || difference.path.ends_with("Probe.httpGet.port");
    if differences.is_empty() || !differences.iter().all(|difference| told(difference) || own(difference)) {
        return false;
    }
    restarts_for_its_file(view, fleet, workload) || differences.iter().all(told) && frontends_are_let(view)
}

/// Whether a change of the file is on record, and the template carries the mark of one.
fn restarts_for_its_file(view: &View<'_>, fleet: &Fleet<'_>, workload: &Workload) -> bool {
    let annotations = fleet.live.and_then(|live| live.body.pointer("/spec/template/metadata/annotations"));
    let mark = annotations.and_then(|annotations| annotations.get(CONFIGURATION_ANNOTATION)?.as_str());
    let mut entries = view.observed.status.configuration.iter();
    let under_way = entries.any(|entry| entry.component == fleet.component.label() && entry.change.is_some());
    under_way && mark.is_some() && mark == workload.restarted_for.as_deref()
}

/// Whether the frontends have the template with their new port, or may take it.
fn frontends_are_let(view: &View<'_>) -> bool {
    let Some(fleet) = view.fleet(Component::Frontend) else { return false };
    let Some(workload) = fleet.workload else { return false };
    let image = workload.image.to_string();
    !objects::template_differs(view, fleet, workload, &image) || objects::unasked(view, fleet, workload, &image).is_none()
}
