//! A cluster and its observation go in, the facts that decisions ask for come out (pods by ordinal, rows by pod); never decides.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use k8s_openapi::api::apps::v1::StatefulSet;
use serde_json::Value;

use super::record::Voice;
use crate::model::component::{ordinal, pod_of_host};
use crate::model::ports::DeclaredPorts;
use crate::model::starrocks::{BackendRow, FrontendReport, FrontendRole, FrontendRow};
use crate::model::{
    Answer, Cluster, Component, LiveObject, Object, ObjectKind, Observed, Ownership, Pod, SilenceKind, Timestamp, WaitingOn, Workload,
};
use crate::release::{Claim, Image, Version, parse_reported};

/// What both sides of a decision look at.
pub(super) struct View<'a> {
    pub cluster: &'a Cluster,
    pub observed: &'a Observed,
    fleets: BTreeMap<Component, Fleet<'a>>,
    /// Every wanted object at rest; made when first asked for, once a pass.
    wanted: OnceCell<Vec<Object>>,
}

/// One component's StatefulSet and pods, wanted or not.
pub(super) struct Fleet<'a> {
    pub component: Component,
    /// `None` when the resource has no such section.
    pub workload: Option<&'a Workload>,
    /// The live StatefulSet.
    pub live: Option<&'a LiveObject>,
    /// Pods by ordinal.
    pub pods: BTreeMap<u32, &'a Pod>,
    /// Replicas that an autoscaler decided on and the resource does not say.
    autoscaled: Option<u32>,
}

impl<'a> View<'a> {
    pub fn new(cluster: &'a Cluster, observed: &'a Observed) -> Self {
        let fleets = Component::STARROCKS
            .into_iter()
            .map(|component| {
                let fleet = Fleet {
                    component,
                    workload: cluster.workload(component),
                    live: observed.object(ObjectKind::StatefulSet, &component.workload_name(&cluster.name)),
                    pods: observed.pods_of(component).filter_map(|pod| Some((pod.ordinal.or_else(|| ordinal(&pod.name))?, pod))).collect(),
                    autoscaled: cluster.workload(component).and_then(|workload| autoscaled(cluster, workload, observed)),
                };
                (component, fleet)
            })
            .collect();
        Self { cluster, observed, fleets, wanted: OnceCell::new() }
    }

    pub const fn now(&self) -> Timestamp {
        self.observed.now
    }

    /// Every object that the cluster wants, as it is at rest.
    pub fn wanted(&self) -> &[Object] {
        self.wanted.get_or_init(|| crate::build::follow_proxy_config(crate::build::objects(self.cluster), self.observed))
    }

    /// The StatefulSet of a workload as it is at rest.
    pub fn wanted_set(&self, workload: &Workload) -> Option<&StatefulSet> {
        let name = workload.name(&self.cluster.name);
        self.wanted().iter().find_map(|object| match object {
            Object::StatefulSet(set) if set.metadata.name.as_deref() == Some(name.as_str()) => Some(set.as_ref()),
            _ => None,
        })
    }

    /// The fleets of FE, BE and CN.
    pub fn fleets(&self) -> impl Iterator<Item = &Fleet<'a>> {
        self.fleets.values()
    }

    /// One of FE, BE and CN; `None` for the proxy only.
    pub fn fleet(&self, component: Component) -> Option<&Fleet<'a>> {
        self.fleets.get(&component)
    }

    /// Name of the pod with an ordinal.
    pub fn pod_name(&self, component: Component, ordinal: u32) -> String {
        format!("{}-{ordinal}", component.workload_name(&self.cluster.name))
    }

    /// SHOW FRONTENDS, when answered.
    pub fn frontend_rows(&self) -> Option<&'a [FrontendRow]> {
        self.observed.group.frontends.known().map(Vec::as_slice)
    }

    /// SHOW BACKENDS or SHOW COMPUTE NODES, when answered.
    pub fn node_rows(&self, component: Component) -> Option<&'a [BackendRow]> {
        self.node_answer(component).known().map(Vec::as_slice)
    }

    /// The answer in which nodes of a component are listed.
    pub const fn node_answer(&self, component: Component) -> &'a Answer<Vec<BackendRow>> {
        match component {
            Component::ComputeNode => &self.observed.group.compute_nodes,
            Component::Backend | Component::Frontend | Component::FrontendProxy => &self.observed.group.backends,
        }
    }

    /// The row of a pod among the frontends.
    pub fn frontend_row(&self, pod: &str) -> Option<&'a FrontendRow> {
        let address = self.address(pod);
        self.frontend_rows()?.iter().find(|row| is_host_of(&row.host, pod, address))
    }

    /// The row of a pod among backends or compute nodes.
    pub fn node_row(&self, component: Component, pod: &str) -> Option<&'a BackendRow> {
        let address = self.address(pod);
        self.node_rows(component)?.iter().find(|row| is_host_of(&row.host, pod, address))
    }

    /// The one row that says LEADER; `None` while there is none or more than one.
    pub fn leader_row(&self) -> Option<&'a FrontendRow> {
        let mut leaders = self.frontend_rows()?.iter().filter(|row| row.role == FrontendRole::Leader);
        let leader = leaders.next()?;
        leaders.next().is_none().then_some(leader)
    }

    /// The pod that leads.
    pub fn leader(&self) -> Option<&'a Pod> {
        let host = &self.leader_row()?.host;
        self.observed.pods_of(Component::Frontend).find(|pod| is_host_of(host, &pod.name, pod.ip.as_deref()))
    }

    /// What a frontend says of itself.
    pub fn report(&self, pod: &str) -> Option<&'a FrontendReport> {
        self.observed.frontends.get(pod)
    }

    /// Whether a frontend was heard saying that it serves.
    pub fn serves(&self, pod: &str) -> bool {
        self.report(pod).is_some_and(|report| report.serving.known() == Some(&true))
    }

    /// Frontends that serve as far as anyone can tell: ready, and not heard denying it.
    pub fn serving_frontends(&self) -> u32 {
        let serving = self
            .observed
            .pods_of(Component::Frontend)
            .filter(|pod| pod.ready && !pod.deleting && self.report(&pod.name).is_none_or(|report| report.serving.known() != Some(&false)));
        u32::try_from(serving.count()).unwrap_or(u32::MAX)
    }

    /// Ordinals in a range under which Kubernetes has a pod or StarRocks a node.
    pub fn known_ordinals(&self, fleet: &Fleet<'a>, range: Range<u32>) -> BTreeSet<u32> {
        let rows: Vec<&str> = match fleet.component {
            Component::Frontend => self.frontend_rows().into_iter().flatten().map(|row| row.host.as_str()).collect(),
            other => self.node_rows(other).into_iter().flatten().map(|row| row.host.as_str()).collect(),
        };
        let workload = format!("{}-", fleet.component.workload_name(&self.cluster.name));
        let of_rows = rows.into_iter().filter_map(|host| pod_of_host(host).strip_prefix(&workload)?.parse().ok());
        fleet.pods.keys().copied().chain(of_rows).filter(|ordinal| range.contains(ordinal)).collect()
    }

    /// The release a node reports: by its own word, or by its row; `None` if it never reported anything.
    pub fn reported(&self, component: Component, pod: &str) -> Option<Claim> {
        let text = match component {
            Component::Frontend => {
                let own = self.report(pod).and_then(|report| report.version.known()).map(String::as_str);
                own.or_else(|| self.frontend_row(pod).map(|row| row.version.as_str()))?
            }
            Component::Backend | Component::ComputeNode => self.node_row(component, pod)?.version.as_str(),
            Component::FrontendProxy => return None,
        };
        (!text.is_empty() && text != "NULL").then(|| parse_reported(text))
    }

    /// Whether the user holds every rollout, in the resource or in the StarRocksUpgrade of the operation.
    pub fn is_paused(&self) -> bool {
        self.cluster.policy.paused || Voice::of(self).pauses()
    }

    /// What to wait for when rollouts may begin at certain times only, and not now.
    pub fn closed_window(&self) -> Option<WaitingOn> {
        let windows = &self.cluster.policy.windows;
        if windows.is_empty() || windows.iter().any(|window| window.open_until(self.now()).is_some()) {
            return None;
        }
        Some(WaitingOn::WindowClosed { opens: windows.iter().filter_map(|window| window.opens_next(self.now())).min() })
    }

    /// Whether a risk was accepted by name.
    pub fn consents(&self, consent: &str) -> bool {
        self.cluster.consents_to(consent)
    }

    fn address(&self, pod: &str) -> Option<&'a str> {
        self.observed.pods.get(pod).and_then(|pod| pod.ip.as_deref())
    }
}

impl<'a> Fleet<'a> {
    /// Replicas of the live StatefulSet, 0 when there is none.
    pub fn live_replicas(&self) -> u32 {
        self.live.map_or(0, |live| u32::try_from(live.body.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1)).unwrap_or(0))
    }

    /// Replicas the resource asks for, or its autoscaler where the resource leaves them to it.
    pub fn wanted_replicas(&self) -> u32 {
        self.autoscaled.unwrap_or_else(|| self.workload.map_or(0, |workload| workload.replicas))
    }

    /// The revision every pod should have; `None` until the StatefulSet's controller has seen its newest spec.
    pub fn revision(&self) -> Option<&'a str> {
        self.live?.update_revision()
    }

    /// Whether a pod is known to be made from a former template.
    pub fn is_outdated(&self, pod: &Pod) -> bool {
        self.revision().is_some_and(|revision| pod.revision != revision)
    }

    /// Pods made from a former template, highest ordinal first.
    pub fn outdated(&self) -> impl Iterator<Item = &'a Pod> + '_ {
        self.pods.values().rev().copied().filter(|pod| self.is_outdated(pod))
    }

    /// Image of the main container in the live template.
    pub fn live_image(&self) -> Option<&'a str> {
        self.live_container()?.get("image")?.as_str()
    }

    /// Ports that the main container declares in the live template.
    pub fn live_ports(&self) -> DeclaredPorts {
        let declared = self.live_container().and_then(|container| container.get("ports")?.as_array());
        let named = |port: &'a Value| Some((port.get("name")?.as_str()?, port.get("containerPort")?.as_i64()?));
        DeclaredPorts::read(self.component, declared.into_iter().flatten().filter_map(named))
    }

    /// The main container in the live template.
    pub fn live_container(&self) -> Option<&'a Value> {
        let containers = self.live?.body.pointer("/spec/template/spec/containers")?.as_array()?;
        containers.iter().find(|container| container.get("name").and_then(Value::as_str) == Some(self.component.container()))
    }

    /// The release that the live template claims.
    pub fn live_release(&self) -> Option<Version> {
        Image::parse(self.live_image()?).claim().release()
    }

    /// Whether the live StatefulSet leaves the order of restarts to us.
    pub fn is_on_delete(&self) -> bool {
        self.live.is_some_and(|live| live.text("/spec/updateStrategy/type") == "OnDelete")
    }

    /// Ordinals of the pods the live StatefulSet is to have, in order: of all that exist, and of the first that do not. Anybody can write any number into
    /// a StatefulSet, and a pass must not cost what it says.
    pub fn ordinals(&self) -> BTreeSet<u32> {
        const ABSENT: usize = 100;
        let wanted = 0..self.live_replicas();
        let absent = wanted.clone().filter(|ordinal| !self.pods.contains_key(ordinal)).take(ABSENT);
        absent.chain(self.pods.range(wanted).map(|(ordinal, _)| *ordinal)).collect()
    }
}

/// What the schema fills in for `replicas` where a resource is put as a whole without them.
const FILLED_IN: u32 = 1;

/// The number that the autoscaler decided on last, where the resource has only what its schema fills in: whoever puts a resource as a whole and leaves the
/// replicas to the autoscaler would otherwise take the nodes away until it looks again.
fn autoscaled(cluster: &Cluster, workload: &Workload, observed: &Observed) -> Option<u32> {
    let policy = workload.autoscaling.as_ref().filter(|_| workload.replicas == FILLED_IN)?;
    let live = observed.object(ObjectKind::HorizontalPodAutoscaler, &workload.component.autoscaler_name(&cluster.name))?;
    // One that cannot decide has no say: its last word may be of any age.
    let conditions = live.body.pointer("/status/conditions").and_then(Value::as_array);
    let is_idle = |condition: &Value| condition["type"] == "ScalingActive" && condition["status"] == "False";
    if live.ownership != Ownership::Ours || live.deleting || conditions.into_iter().flatten().any(is_idle) {
        return None;
    }
    let decided = live.body.pointer("/status/desiredReplicas").and_then(Value::as_i64)?.min(policy.max_replicas.into());
    u32::try_from(decided)
        .ok()
        .filter(|decided| *decided > FILLED_IN && decided >= &u32::try_from(policy.min_replicas.unwrap_or(1)).unwrap_or(1))
}

/// Whether a registered host is the address of a pod.
pub(super) fn is_host_of(host: &str, pod: &str, address: Option<&str>) -> bool {
    pod_of_host(host) == pod || address == Some(host)
}

/// The value of an answer, or what its absence means to somebody who needs it.
pub(super) fn require<'a, T>(answer: &'a Answer<T>, what: &str) -> Result<&'a T, WaitingOn> {
    match answer {
        Answer::Known(value) => Ok(value),
        Answer::NotAsked => Err(WaitingOn::AnswerPending { what: what.to_owned() }),
        Answer::Failed(silence) => Err(match silence.kind {
            SilenceKind::Election => WaitingOn::LeaderElection,
            SilenceKind::Denied => WaitingOn::CredentialsRefused { detail: silence.message.clone() },
            SilenceKind::Refused | SilenceKind::TimedOut => WaitingOn::FrontendsSilent { detail: format!("{what}: {}", silence.message) },
            // Somebody answered, though not what was asked.
            SilenceKind::NoBackend | SilenceKind::Rejected | SilenceKind::Unreadable => {
                WaitingOn::AnswerPending { what: format!("{what} ({})", silence.message) }
            }
        }),
    }
}

/// A short sum of a count of things that fits every reader.
pub(super) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
