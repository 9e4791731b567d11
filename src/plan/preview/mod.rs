//! A cluster as it is to be and what runs of it in, every restart that this leads to out, in order and with estimated times; decides nothing.
//!
//! It walks the same routes as `plan`: the next leg comes from `versions`, templates are compared over the live objects as a pass compares them, and the
//! steps are numbered as `release::outline` numbers them. What a pass learns on the way, such as who leads then, it cannot know.

mod configuration;
mod gates;
mod order;
mod pace;
mod snapshot;

pub use pace::Pace;
pub use snapshot::{as_described, with_reports};

use serde::Serialize;

use self::configuration::Brought;
use self::order::{Turn, turns};
use super::objects;
use super::upgrade::{self, fleet_sizes};
use super::versions::{self, Leg, Route, is_versioned};
use super::view::{Fleet, View, count};
use crate::build;
use crate::model::cluster::RunMode;
use crate::model::{Cluster, Component, Object, Observed, WaitingOn};
use crate::release::{Frame, Image, Phase, Version};

/// What a change leads to.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// The release that runs; absent when releases stay as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Version>,
    /// The release at the end of the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Version>,
    /// Pods that are restarted, in order; one that is restarted in each hop stands here once for each.
    pub restarts: Vec<Restart>,
    /// What else happens to pods, for people: nodes that leave, pods that Kubernetes replaces by itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<String>,
    /// What keeps it from beginning, or stops it on the way, as far as it can be told beforehand.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
    /// Seconds from the beginning to the end, if nothing has to be waited for beside the nodes, images and the watch over canaries. An estimate.
    pub seconds: u64,
    /// What the estimate rests on.
    pub pace: Pace,
}

/// One pod that is restarted.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Restart {
    /// Component.
    pub component: Component,
    /// Name of the pod. Who leads after the first hop is known only then: the leader's name is a guess there.
    pub pod: String,
    /// Hop of the way, from 1; absent when the release stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hop: Option<u32>,
    /// Part of the hop; absent when the release stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Number of the step as `status.operation.step` will count it; absent when the release stays or the way has been begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
    /// Release that it runs afterwards, when that is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Version>,
    /// Fields of the pod template that change, other than by the release.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// Whether it leads and hands its lead over before.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub hands_over: bool,
    /// Estimated seconds from the beginning until it is stopped.
    pub starts_after_seconds: u64,
    /// Estimated seconds until it is healthy again.
    pub seconds: u64,
}

/// Something that keeps a change from going on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Gate {
    /// Stable code.
    pub code: String,
    /// What is waited for, and what to do.
    pub message: String,
}

impl From<&WaitingOn> for Gate {
    fn from(wait: &WaitingOn) -> Self {
        Self { code: wait.code().to_owned(), message: wait.to_string() }
    }
}

impl Restart {
    /// Why, in a few words.
    pub fn reason(&self) -> String {
        let fields = self.fields.join(", ");
        let reason = match (&self.to, fields.is_empty()) {
            (Some(to), true) => format!("to {to}"),
            (Some(to), false) => format!("to {to}; {fields}"),
            (None, true) => "its template changed before".to_owned(),
            (None, false) => fields,
        };
        if self.hands_over { format!("{reason}; it hands its lead over first") } else { reason }
    }
}

/// Says which pods would be restarted if `cluster` were asked for where `observed` runs. Where nothing was asked of StarRocks, what the status says
/// of releases and of the leader counts (see [`with_reports`]).
pub fn preview(cluster: &Cluster, observed: &Observed) -> Preview {
    let observed = with_reports(cluster, observed);
    let view = View::new(cluster, &observed);
    let mut walk = Walk {
        view: &view,
        pace: Pace::of(&view),
        clock: 0,
        restarts: Vec::new(),
        others: Vec::new(),
        gates: Vec::new(),
        together: 0,
        ends: None,
    };
    if cluster.warehouse.is_some() {
        walk.settled();
    } else {
        match versions::route(&view) {
            Route::Fresh | Route::Arrived => {}
            Route::Settled if releases_unknown(&view) => {
                walk.gates.push(Gate::from(&WaitingOn::AnswerPending { what: "the releases that the nodes report".to_owned() }));
            }
            Route::Settled => walk.settled(),
            Route::Leg(leg) => {
                walk.gates = gates::of_leg(&view, &leg);
                walk.way(&leg);
            }
            Route::Held(wait) | Route::Unsure(wait) => walk.gates.push(Gate::from(&wait)),
        }
    }
    let Walk { pace, clock, restarts, mut others, mut gates, ends, .. } = walk;
    others.extend(beside(&view));
    gates.extend(gates::of_any(&view, !restarts.is_empty()));
    let (from, to) = ends.unzip();
    Preview { from, to, restarts, others, gates, seconds: clock, pace }
}

/// A way that the release table refuses from what runs, with its own code and way out; `None` when there is a way, or none is needed.
pub fn refused_way(cluster: &Cluster, observed: &Observed) -> Option<WaitingOn> {
    if cluster.warehouse.is_some() {
        return None;
    }
    let observed = with_reports(cluster, observed);
    match versions::route(&View::new(cluster, &observed)) {
        Route::Held(wait @ WaitingOn::UpgradeRefused { .. }) => Some(wait),
        _ => None,
    }
}

/// Whether another release is asked for where none has been reported yet, as before a cluster of the Go operator has been taken over.
fn releases_unknown(view: &View<'_>) -> bool {
    let moves = |fleet: &Fleet<'_>| {
        let wanted = fleet.workload.and_then(|workload| workload.claim.release());
        fleet.live_release().is_some_and(|live| wanted.is_some_and(|wanted| wanted != live))
    };
    versions::frontier(view).all().is_empty() && view.fleets().any(moves)
}

struct Walk<'v, 'a> {
    view: &'v View<'a>,
    pace: Pace,
    /// Seconds since the beginning.
    clock: u64,
    restarts: Vec<Restart>,
    others: Vec<String>,
    gates: Vec<Gate>,
    /// Pods that are restarted at the same time, of the last ones.
    together: u32,
    ends: Option<(Version, Version)>,
}

impl Walk<'_, '_> {
    /// The release stays: only templates that differ, and pods that have not taken theirs yet.
    fn settled(&mut self) {
        for component in [Component::Backend, Component::ComputeNode, Component::Frontend] {
            let Some(fleet) = self.view.fleet(component) else { continue };
            let Some(workload) = fleet.workload else { continue };
            let image = workload.image.to_string();
            let authorised = super::is_authorised(self.view);
            if let Some(held) = objects::unasked(self.view, fleet, workload, &image).filter(|_| !authorised) {
                self.gates.push(Gate::from(&held));
                continue;
            }
            let mut fields = told(differences(self.view, fleet, &image).into_iter());
            match configuration::changed(self.view, workload) {
                Some(Brought::ByRestart(file)) => fields.push(file),
                Some(Brought::Live(words)) => self.others.push(words),
                None => {}
            }
            let all = !fields.is_empty();
            for turn in turns(self.view, component, 1) {
                let outdated = fleet.pods.get(&turn.ordinal).is_some_and(|pod| fleet.is_outdated(pod));
                if all || outdated {
                    self.restart(component, &turn, None, fields.clone());
                }
            }
        }
    }

    /// Hop after hop to the end of the way.
    fn way(&mut self, leg: &Leg) {
        let table = self.view.cluster.releases.table();
        let last = leg.ahead.last().copied().unwrap_or(leg.target);
        self.ends = Some((leg.hop.from, last));
        self.hop(leg, 1, 0);
        let mut before = Frame::of(&leg.hop, &fleet_sizes(self.view)).steps();
        for (number, pair) in (2u32..).zip(leg.ahead.windows(2)) {
            let [from, to] = pair else { continue };
            // A refusal further on is told when the cluster comes there.
            let Ok(hop) = table.hop(from, to) else { break };
            let next = Leg { hop, frontends_at: *to, nodes_return: false, mixed: false, ..leg.clone() };
            self.hop(&next, number, before);
            before = before.saturating_add(Frame::of(&next.hop, &fleet_sizes(self.view)).steps());
        }
        if leg.hop.from.line() != last.line() && !leg.nodes_return {
            self.clock += self.pace.image_seconds;
        }
    }

    fn hop(&mut self, leg: &Leg, number: u32, steps_before: u32) {
        let nodes = fleet_sizes(self.view);
        let frame = Frame::of(&leg.hop, &nodes);
        let begun = number == 1 && leg.mixed;
        if frame.image().is_some() && !begun {
            self.clock += self.pace.image_seconds;
        }
        let fresh = self.view.observed.status.operation.as_ref().is_none_or(|operation| !is_versioned(operation));
        let mut step = steps_before.saturating_add(frame.first_node());
        let canaries = if nodes.backends > 0 { Component::Backend } else { Component::ComputeNode };
        for component in leg.order() {
            let Some(fleet) = self.view.fleet(component) else { continue };
            let to = leg.release_of(component);
            let other_fields = if number == 1 { fields_beside_release(self.view, fleet, to) } else { Vec::new() };
            let turns = turns(self.view, component, number);
            let watched = upgrade::nodes::canaries(self.view, Some(leg)).min(turns.len());
            let last_canary = u32::try_from(watched.saturating_sub(1)).unwrap_or(0);
            for turn in turns {
                let phase = phase(component, &turn, nodes.backends);
                let there = number == 1 && other_fields.is_empty() && self.runs(component, &turn.pod, to);
                if !there {
                    let place =
                        Place { hop: number, phase, step: (fresh && !begun).then_some(step), to, transfer: leg.hop.leader_transfer };
                    self.restart(component, &turn, Some(place), other_fields.clone());
                    if component == canaries && turn.index == last_canary {
                        self.clock += self.pace.canary_soak_seconds;
                        self.together = 0;
                    }
                }
                step = step.saturating_add(1);
            }
        }
    }

    fn runs(&self, component: Component, pod: &str, release: Version) -> bool {
        self.view.reported(component, pod).and_then(|claim| claim.release()) == Some(release)
    }

    fn restart(&mut self, component: Component, turn: &Turn, place: Option<Place>, fields: Vec<String>) {
        let seconds = self.pace.of_node(component);
        let moves = place.as_ref().filter(|place| place.hop > 1 || !self.runs(component, &turn.pod, place.to)).map(|place| place.to);
        let hop = place.as_ref().map(|place| place.hop);
        let before = self.restarts.last().filter(|before| (before.component, before.hop) == (component, hop));
        // Compute nodes may go several at a time; whatever goes first has begun the clock.
        let beside =
            before.map(|before| before.starts_after_seconds).filter(|_| self.together > 0 && self.together < self.at_once(component));
        self.together = if beside.is_some() { self.together + 1 } else { 1 };
        let starts_after_seconds = beside.unwrap_or(self.clock);
        let hands_over = turn.leads && self.hands_over(&turn.pod, place.as_ref());
        self.restarts.push(Restart {
            component,
            pod: turn.pod.clone(),
            hop,
            phase: place.as_ref().map(|place| place.phase),
            step: place.as_ref().and_then(|place| place.step),
            to: moves,
            fields,
            hands_over,
            starts_after_seconds,
            seconds,
        });
        self.clock = self.clock.max(starts_after_seconds + seconds);
    }

    /// Whether the leader is asked to hand its lead over: not in shared-data, and not where the others are no majority.
    fn hands_over(&self, leader: &str, place: Option<&Place>) -> bool {
        let cluster = self.view.cluster;
        let reported = || self.view.reported(Component::Frontend, leader)?.release();
        let known = place.map_or_else(
            || reported().is_some_and(|release| cluster.releases.table().has_leader_transfer(&release)),
            |place| place.transfer,
        );
        let enough = self.view.fleet(Component::Frontend).is_some_and(|fleet| fleet.live_replicas() > 2);
        known && enough && cluster.run_mode == RunMode::SharedNothing
    }

    /// How many nodes of a component are restarted at the same time.
    fn at_once(&self, component: Component) -> u32 {
        let fleet = self.view.fleet(component).filter(|_| component == Component::ComputeNode);
        fleet.map_or(1, |fleet| self.view.cluster.policy.compute_nodes_at_once.away(fleet.live_replicas()).max(1))
    }
}

/// Where in the way a restart stands.
struct Place {
    hop: u32,
    phase: Phase,
    step: Option<u32>,
    to: Version,
    /// Whether a leader can hand its lead over.
    transfer: bool,
}

/// The part of a hop as `release::outline` calls it.
const fn phase(component: Component, turn: &Turn, backends: u32) -> Phase {
    match component {
        Component::Backend if turn.index == 0 => Phase::Canary,
        Component::Backend => Phase::Backends,
        Component::ComputeNode if turn.index == 0 && backends == 0 => Phase::Canary,
        Component::ComputeNode => Phase::ComputeNodes,
        Component::Frontend | Component::FrontendProxy if turn.leads => Phase::Leader,
        Component::Frontend | Component::FrontendProxy => Phase::Followers,
    }
}

/// Fields of the pod template that change other than by a release: what differs at the release that the live template has. A main image in the same
/// repository is the release's doing.
fn fields_beside_release(view: &View<'_>, fleet: &Fleet<'_>, to: Version) -> Vec<String> {
    let Some(workload) = fleet.workload else { return Vec::new() };
    let image = objects::image_at(view.cluster, workload, &fleet.live_release().unwrap_or(to));
    let main = format!("spec.template.spec.containers[{}].image", fleet.component.container());
    let moved = |difference: &build::Difference| {
        let found = difference.found.as_str().map(|found| Image::parse(found).repository);
        difference.path != main || found != Some(Image::parse(&image).repository)
    };
    told(differences(view, fleet, &image).into_iter().filter(moved))
}

/// Where the pod template in this image differs from the live one.
fn differences(view: &View<'_>, fleet: &Fleet<'_>, image: &str) -> Vec<build::Difference> {
    let (Some(live), Some(workload)) = (fleet.live, fleet.workload) else { return Vec::new() };
    let wanted = objects::wanted_over(view, live, workload, image);
    wanted.spec.as_ref().map(|spec| build::template_differences(&spec.template, live)).unwrap_or_default()
}

/// Paths as users know them, without what is the same in all of them.
fn told(differences: impl Iterator<Item = build::Difference>) -> Vec<String> {
    let path = |difference: build::Difference| {
        let path = difference.path.trim_start_matches("spec.template.");
        path.strip_prefix("spec.").unwrap_or(path).to_owned()
    };
    differences.map(path).collect()
}

/// Pods that are named when they leave.
const LEAVING_TOLD: usize = 20;

/// What happens to pods beside restarts in order.
fn beside(view: &View<'_>) -> Vec<String> {
    let mut others = Vec::new();
    for fleet in view.fleets() {
        let (live, wanted) = (fleet.live_replicas(), fleet.wanted_replicas());
        if fleet.live.is_none() || fleet.workload.is_none() || live <= wanted {
            continue;
        }
        let mut leaving: Vec<String> =
            (wanted..live).rev().take(LEAVING_TOLD).map(|ordinal| view.pod_name(fleet.component, ordinal)).collect();
        if live - wanted > count(LEAVING_TOLD) {
            leaving.push(format!("and {} more", live - wanted - count(LEAVING_TOLD)));
        }
        others.push(format!("scaled in from {live} to {wanted}: {} will leave, with all gates", leaving.join(", ")));
    }
    for object in view.wanted() {
        let Object::Deployment(deployment) = object else { continue };
        let name = deployment.metadata.name.clone().unwrap_or_default();
        let Some(live) = view.observed.object(crate::model::ObjectKind::Deployment, &name) else { continue };
        let wanted = build::deployment_as_named(deployment.as_ref().clone(), live);
        let differences = wanted.spec.as_ref().map(|spec| build::template_differences(&spec.template, live)).unwrap_or_default();
        if let Some(first) = differences.first() {
            let path = first.path.trim_start_matches("spec.template.");
            others.push(format!("Deployment {name}: Kubernetes replaces its pods at once, for {path}"));
        }
    }
    others
}
