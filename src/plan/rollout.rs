//! Which component's template may change and which pods are restarted next; the same engine for a new release and a new resource limit.
//!
//! One component has the turn: the first in order that is not done. Those before it are back on the user's update strategy, those after it
//! keep the template they run. A pod that is of no use to anyone may be replaced out of turn, so that a bad change can be taken back.

use super::budgets;
use super::draft::{Draft, Form};
use super::drain;
use super::health;
use super::objects;
use super::pulls;
use super::quorum;
use super::transfer;
use super::upgrade::nodes;
use super::versions::{Frontier, Leg};
use super::view::{Fleet, View};
use crate::api::OperationPhase;
use crate::model::{Component, Pod, Step, WaitingOn, Workload};

/// How the components are to be rolled.
pub(super) struct Course<'l> {
    pub order: Vec<Component>,
    /// The hop this is about; `None` when the release stays.
    pub leg: Option<&'l Leg>,
    /// Whether a new template may be handed out.
    pub may_begin: bool,
    /// Whether a healthy pod may be restarted.
    pub may_restart: bool,
    /// Whether a component with a pod that is of no use may take its template out of turn.
    pub rescue: bool,
    /// Whether a change of templates at the same release has a cause that users can see.
    pub authorised: bool,
}

/// What the engine found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Progress {
    /// The component at work; `None` when every one is done.
    pub turn: Option<Component>,
    /// Whether templates or pods differ from what is wanted, health aside.
    pub to_do: bool,
    /// Whether they do so in the component at work.
    pub rolls: bool,
    /// The phase of the roll; `None` when nothing is being rolled.
    pub phase: Option<OperationPhase>,
}

/// A component as the engine sees it.
struct Stand<'v, 'a> {
    fleet: &'v Fleet<'a>,
    workload: &'a Workload,
    image: String,
    differs: bool,
    /// The template differs and nobody asked for it.
    held: Option<WaitingOn>,
    outdated: bool,
    absent: bool,
    settled: bool,
    waits: Vec<WaitingOn>,
}

/// Fills in the forms and adds the next restarts: one, or several compute nodes where the policy allows it.
pub(super) fn run(view: &View<'_>, course: &Course<'_>, frontier: &Frontier, draft: &mut Draft) -> Progress {
    let mut stands: Vec<Stand<'_, '_>> = course.order.iter().filter_map(|component| stand(view, course, *component)).collect();
    if course.leg.is_some() && stands.iter().any(|stand| stand.differs && nodes::has_canaries(view, stand.fleet.component)) {
        // Nobody runs the template that is yet to be handed out.
        draft.remember(|operation| operation.canary_passed = None);
    }
    if course.may_restart {
        hold_for_canaries(view, course, &mut stands, draft);
    }
    let turn = stands.iter().position(|stand| !stand.is_done());
    let has_images = has_images(view, course, &stands, frontier, draft);
    for (index, stand) in stands.iter().enumerate() {
        let form = form(course, stand, has_images && turn == Some(index), frontier, view.is_paused());
        draft.forms.insert(stand.fleet.component, form);
    }
    draft.wait_all(stands.iter().filter_map(|stand| stand.held.clone()));
    let to_do = stands.iter().any(|stand| stand.differs || stand.outdated);
    let Some(at) = turn.and_then(|index| stands.get(index)) else {
        return Progress { turn: None, to_do, rolls: false, phase: None };
    };
    for stand in &stands {
        draft.wait_all(stand.waits.iter().cloned());
    }
    if to_do && view.is_paused() {
        draft.wait(WaitingOn::Paused);
    } else if !replace_broken(view, &stands, draft) && !at.differs && at.outdated {
        restart_next(view, course, at, draft);
    }
    let phase = if at.differs && !has_images { None } else { phase(view, course, at, draft) };
    Progress { turn: Some(at.fleet.component), to_do, rolls: at.differs || at.outdated, phase }
}

/// Has the images pulled that a rollout brings to nodes which run others. Returns whether templates may be handed out as far as these go. A hop has seen to its own
/// before it began, and a template that is taken out of turn waits for nothing.
fn has_images(view: &View<'_>, course: &Course<'_>, stands: &[Stand<'_, '_>], frontier: &Frontier, draft: &mut Draft) -> bool {
    if course.leg.is_some() || !course.may_begin {
        return true;
    }
    let in_turn = |stand: &&Stand<'_, '_>| stand.differs && !(course.rescue && may_take_out_of_turn(course, stand, frontier));
    let images = stands.iter().filter(in_turn).map(|stand| (stand.fleet, stand.workload, stand.image.clone()));
    let pulls = pulls::wanted(view, images);
    pulls::keep(&pulls, draft);
    view.is_paused() || pulls::drive(view, &pulls, draft)
}

/// Where every node of a component is a canary, the component is not done before they have been watched and judged.
fn hold_for_canaries(view: &View<'_>, course: &Course<'_>, stands: &mut [Stand<'_, '_>], draft: &mut Draft) {
    let Some(leg) = course.leg else { return };
    let Some(watched) = stands.iter_mut().find(|stand| nodes::has_canaries(view, stand.fleet.component)) else { return };
    if !watched.absent && watched.is_done() && health::of_all(view).is_empty() {
        watched.waits.extend(nodes::soak_all(view, leg, watched.fleet, draft));
    }
}

/// Forms for a pass in which nothing may be rolled: every component keeps the template it runs.
pub(super) fn hold(view: &View<'_>, draft: &mut Draft) {
    for fleet in view.fleets() {
        let Some(workload) = fleet.workload else { continue };
        let form = if fleet.live.is_none() {
            Form { image: Some(workload.image.to_string()), on_delete: false, replicas: workload.replicas }
        } else {
            let image = fleet.live_image().filter(|image| !objects::template_differs(view, fleet, workload, image));
            let on_delete = fleet.is_on_delete() || fleet.outdated().next().is_some();
            Form { image: image.map(str::to_owned), on_delete, replicas: fleet.live_replicas() }
        };
        draft.forms.insert(fleet.component, form);
    }
}

fn stand<'v, 'a>(view: &'v View<'a>, course: &Course<'_>, component: Component) -> Option<Stand<'v, 'a>> {
    let fleet = view.fleet(component)?;
    let workload = fleet.workload?;
    let image = match course.leg {
        Some(leg) => objects::image_of(view, leg, fleet, workload),
        None => workload.image.to_string(),
    };
    let absent = fleet.live.is_none();
    let differs = !absent && objects::template_differs(view, fleet, workload, &image);
    let held = if differs && !course.authorised { objects::unasked(view, fleet, workload, &image) } else { None };
    Some(Stand {
        differs: differs && held.is_none(),
        held,
        absent,
        outdated: fleet.outdated().next().is_some(),
        settled: !absent && fleet.revision().is_some(),
        waits: if absent { Vec::new() } else { health::of_component(view, component) },
        fleet,
        workload,
        image,
    })
}

impl Stand<'_, '_> {
    fn is_done(&self) -> bool {
        self.absent || self.settled && !self.differs && !self.outdated && self.waits.is_empty()
    }
}

fn form(course: &Course<'_>, stand: &Stand<'_, '_>, mine: bool, frontier: &Frontier, paused: bool) -> Form {
    let replicas = stand.fleet.live_replicas();
    let Some(_) = stand.fleet.live else {
        return Form { image: Some(stand.image.clone()), on_delete: false, replicas: stand.workload.replicas };
    };
    let takes = !stand.differs || course.may_begin && mine || course.rescue && may_take_out_of_turn(course, stand, frontier);
    if stand.held.is_some() || !takes || paused && stand.differs {
        let on_delete = stand.outdated || stand.fleet.is_on_delete() && !stand.settled;
        return Form { image: None, on_delete, replicas };
    }
    let on_delete = if stand.differs || stand.outdated { true } else { !stand.is_done() && stand.fleet.is_on_delete() };
    Form { image: Some(stand.image.clone()), on_delete, replicas }
}

/// A component with a pod that is of no use may take its template early, unless that would carry a release past its turn.
fn may_take_out_of_turn(course: &Course<'_>, stand: &Stand<'_, '_>, frontier: &Frontier) -> bool {
    let broken = stand.fleet.pods.values().any(|pod| health::is_broken(pod));
    let Some(leg) = course.leg else { return broken };
    let running = if stand.fleet.component == Component::Frontend { &frontier.frontends } else { &frontier.nodes };
    broken && running.contains(&leg.release_of(stand.fleet.component))
}

/// Replaces a pod that is of no use and made from a former template. Returns whether it did.
fn replace_broken(view: &View<'_>, stands: &[Stand<'_, '_>], draft: &mut Draft) -> bool {
    let candidates =
        stands.iter().filter(|stand| !stand.differs).flat_map(|stand| stand.fleet.outdated().filter(|pod| health::is_broken(pod)));
    for pod in candidates {
        if let Some(risk) = second_cluster_risk(view, pod) {
            draft.wait(risk);
            continue;
        }
        draft.steps.push(restart(pod, "it cannot start and its template has been replaced"));
        return true;
    }
    false
}

fn restart_next(view: &View<'_>, course: &Course<'_>, at: &Stand<'_, '_>, draft: &mut Draft) {
    if !course.may_restart || !at.settled {
        return;
    }
    let tolerant = view.consents("SkipHealthGates");
    let waits = health::of_all(view).into_iter().filter(|wait| !(tolerant && is_tolerable(view, wait)));
    let waits: Vec<WaitingOn> = waits.chain(health::of_group(view)).chain(health::of_replicas(view)).collect();
    if !waits.is_empty() {
        return draft.wait_all(waits);
    }
    let objections = objections(view, course, at.fleet.component);
    if !objections.is_empty() {
        return draft.wait_all(objections);
    }
    if let Some(wait) = nodes::soak(view, course.leg, at.fleet, draft) {
        return draft.wait(wait);
    }
    let pods = next(view, course.leg, at.fleet);
    if pods.is_empty() {
        return draft.wait(WaitingOn::LeaderElection);
    }
    if let Some(wait) = pods.iter().find_map(|pod| may_restart(view, course, pod).err()) {
        return draft.wait(wait);
    }
    if let Some(wait) = pods.iter().find_map(|pod| transfer::wait(view, at.fleet, pod, draft)) {
        return draft.wait(wait);
    }
    let waits = drain::waits(view, &pods, draft);
    if !waits.is_empty() {
        return draft.wait_all(waits);
    }
    nodes::note_followers(view, course.leg, at.fleet, draft);
    let reason = match course.leg {
        Some(leg) => format!("to run {}", leg.release_of(at.fleet.component)),
        None => "to take its new pod template".to_owned(),
    };
    draft.steps.extend(pods.into_iter().map(|pod| restart(pod, &reason)));
}

/// What PodDisruptionBudgets have against the next restart. A hop asked them in its preflight.
fn objections(view: &View<'_>, course: &Course<'_>, component: Component) -> Vec<WaitingOn> {
    if course.leg.is_some() || view.observed.is_amid_hop() {
        return Vec::new();
    }
    budgets::against(view, |each| each == component)
}

/// What the consent to skip health gates covers: a node that has been lost for good, never one that is just coming back.
fn is_tolerable(view: &View<'_>, wait: &WaitingOn) -> bool {
    let lost = |pod: &str| {
        view.observed.pods.get(pod).is_some_and(|pod| view.now().since(health::started(pod)) > view.cluster.policy.node_timeout)
    };
    match wait {
        WaitingOn::TabletsNotReported { pod } | WaitingOn::NodeNotAlive { pod, .. } | WaitingOn::NodeStalled { pod, .. } => {
            lost(pod) && view.observed.pods.get(pod).is_some_and(|pod| pod.component != Component::Frontend)
        }
        _ => false,
    }
}

fn may_restart(view: &View<'_>, course: &Course<'_>, pod: &Pod) -> Result<(), WaitingOn> {
    if pod.component != Component::Frontend {
        return Ok(());
    }
    // A change of release was consented to in preflight; with the same release a lone frontend restarts as it does under upstream.
    let accepted = course.leg.is_none() || view.consents("SingleFrontendOutage");
    quorum::allows_restart(view, pod, accepted)?;
    second_cluster_risk(view, pod).map_or(Ok(()), Err)
}

/// A frontend that would lose its metadata with its pod and find nobody to ask could found a second cluster.
pub(super) fn second_cluster_risk(view: &View<'_>, pod: &Pod) -> Option<WaitingOn> {
    if pod.component != Component::Frontend || !view.fleet(Component::Frontend).is_some_and(objects::metadata_is_ephemeral) {
        return None;
    }
    let never_ran = pod.started.is_none() && view.frontend_row(&pod.name).is_none();
    let others_answer = quorum::without(view, &pod.name).is_some_and(quorum::Votes::survive);
    (!never_ran && !others_answer).then(|| WaitingOn::SecondClusterRisk { pod: pod.name.clone() })
}

/// The next pods: highest ordinal first, the leader last, one at a time but for compute nodes. None while nobody knows who leads.
fn next<'a>(view: &View<'a>, leg: Option<&Leg>, fleet: &Fleet<'a>) -> Vec<&'a Pod> {
    match fleet.component {
        Component::ComputeNode => fleet.outdated().take(at_once(view, leg, fleet)).collect(),
        Component::Backend | Component::FrontendProxy => fleet.outdated().take(1).collect(),
        Component::Frontend => {
            let Some(leader) = view.leader() else { return Vec::new() };
            fleet.outdated().find(|pod| pod.name != leader.name).or_else(|| fleet.outdated().next()).into_iter().collect()
        }
    }
}

/// How many compute nodes are restarted together, by the policy and by PodDisruptionBudgets that were looked at. One that is away for good and was consented to
/// counts as well; one is always let go.
fn at_once(view: &View<'_>, leg: Option<&Leg>, fleet: &Fleet<'_>) -> usize {
    let allowed = view.cluster.policy.compute_nodes_at_once.away(fleet.live_replicas());
    let away = health::of_component(view, fleet.component).len();
    let allowed = usize::try_from(allowed).unwrap_or(1).saturating_sub(away).min(budgets::room(view, fleet.component));
    nodes::canaries_to_go(view, leg, fleet).map_or(allowed, |canaries| allowed.min(canaries)).max(1)
}

/// Where the roll stands. A component whose nodes have all moved is only coming back, which is no phase of its own: backends report
/// their tablets anew to each new leader.
fn phase(view: &View<'_>, course: &Course<'_>, at: &Stand<'_, '_>, draft: &Draft) -> Option<OperationPhase> {
    if !at.differs && !at.outdated {
        return None;
    }
    let ordered = |pod: &Pod| draft.steps.iter().any(|step| matches!(step, Step::RestartPod { pod: name, .. } if *name == pod.name));
    let still_to_go = |pod: &&&Pod| at.differs || at.fleet.is_outdated(pod) && !pod.deleting && !ordered(pod);
    let to_go = at.fleet.pods.values().filter(still_to_go).count();
    let first = at.fleet.pods.len().saturating_sub(to_go) <= nodes::canaries(view, course.leg)
        || nodes::are_on_trial(view, course.leg, at.fleet.component, draft);
    Some(match at.fleet.component {
        Component::Backend if first => OperationPhase::Canary,
        Component::Backend => OperationPhase::Backends,
        Component::ComputeNode if first && view.cluster.backend.is_none() => OperationPhase::Canary,
        Component::ComputeNode => OperationPhase::ComputeNodes,
        Component::Frontend | Component::FrontendProxy => {
            // Its own restart moves leadership away from the last one: it is the leader's turn when nobody else is left.
            if to_go == 0 || at.fleet.pods.len() == 1 { OperationPhase::Leader } else { OperationPhase::Followers }
        }
    })
}

/// Whether a phase comes before another on the way of a leg.
pub(super) fn is_behind(leg: &Leg, phase: &OperationPhase, other: &OperationPhase) -> bool {
    let place = |phase: &OperationPhase| {
        let component = match phase {
            OperationPhase::Canary | OperationPhase::Backends => Component::Backend,
            OperationPhase::ComputeNodes => Component::ComputeNode,
            OperationPhase::Followers | OperationPhase::Leader => Component::Frontend,
            _ => return None,
        };
        leg.order().iter().position(|each| *each == component).map(|at| (at, phase.clone()))
    };
    place(phase) < place(other)
}

fn restart(pod: &Pod, reason: &str) -> Step {
    Step::RestartPod { pod: pod.name.clone(), uid: pod.uid.clone(), reason: reason.to_owned() }
}
