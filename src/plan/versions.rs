//! What runs and what is asked for go in, the next leg of the way comes out: one hop of the release table, or why there is none.
//!
//! What runs is what nodes report, never a tag. The leg is worked out anew in each pass, from the frontends' side: as long as a frontend
//! is behind, an upgrade's hop is not over; as long as a node is ahead of the frontends, a downgrade's is not.

use std::collections::BTreeSet;

use super::ports;
use super::record::{Voice, one_hop_back, way_back};
use super::view::{Fleet, View, require};
use crate::api::{DeclinedOutcome, Operation, OperationKind, OperationPhase};
use crate::model::spec_change::last_change;
use crate::model::{Component, WaitingOn};
use crate::release::{Claim, Direction, Hop, Path, Refusal, ReleaseTable, Version, parse_version};

/// Where a cluster stands between what runs and what is asked for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Route {
    /// Nothing ran here yet: everything is made as written.
    Fresh,
    /// What runs is what is asked for, or releases do not matter: images are as written.
    Settled,
    /// One hop is to be made.
    Leg(Box<Leg>),
    /// What runs is where a way that was given up ends; what is asked for is another release.
    Arrived,
    /// The images that run are kept.
    Held(WaitingOn),
    /// Too little was answered to tell; the images that run are kept.
    Unsure(WaitingOn),
}

/// One hop and what it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Leg {
    pub hop: Hop,
    /// Where the way ends.
    pub target: Version,
    /// Releases still to be reached, this hop's first.
    pub ahead: Vec<Version>,
    /// The release of the frontends in this leg: the hop's, unless they stay where they are.
    pub frontends_at: Version,
    /// Whether only nodes move, to where the frontends are.
    pub nodes_return: bool,
    /// Whether more than one release runs.
    pub mixed: bool,
    /// Where the resource wants to go instead.
    pub diversion: Option<Diversion>,
}

/// A way that leads elsewhere than the resource asks, because its user said so or a node did not come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Diversion {
    /// The release that the resource asks for.
    pub wanted: Version,
    /// Whether it leads back, not merely less far.
    pub back: bool,
}

impl Leg {
    /// Components in the order in which they are rolled: never a node behind a frontend.
    pub fn order(&self) -> [Component; 3] {
        if self.is_downgrade() && self.moves_frontends() {
            [Component::Frontend, Component::Backend, Component::ComputeNode]
        } else {
            [Component::Backend, Component::ComputeNode, Component::Frontend]
        }
    }

    /// The release of a component once its turn is over.
    pub const fn release_of(&self, component: Component) -> Version {
        if matches!(component, Component::Frontend) { self.frontends_at } else { self.hop.to }
    }

    /// Whether frontends change their release.
    pub fn moves_frontends(&self) -> bool {
        self.frontends_at == self.hop.to && !self.nodes_return
    }

    /// Whether nodes of a component change their release.
    pub fn moves(&self, component: Component) -> bool {
        component != Component::Frontend || self.moves_frontends()
    }

    /// Whether the hop goes to an older release.
    pub fn is_downgrade(&self) -> bool {
        self.hop.direction == Direction::Downgrade
    }
}

/// Releases that run, by side.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Frontier {
    pub frontends: BTreeSet<Version>,
    pub nodes: BTreeSet<Version>,
    /// Something that runs and is no release.
    pub unreadable: Option<(Component, String)>,
    /// What has to be answered before this is the whole truth.
    pub missing: Option<WaitingOn>,
}

impl Frontier {
    pub fn all(&self) -> BTreeSet<Version> {
        self.frontends.union(&self.nodes).copied().collect()
    }
}

enum Target {
    /// Everything at one release.
    Release(Version),
    /// Nodes one hop ahead of the frontends, as in the middle of an upgrade by hand.
    NodesAhead { nodes: Version, frontends: Version },
    /// An image that names no release.
    Unlisted(Component, String),
    /// Releases that cannot be wanted together.
    Apart(String),
}

/// The next leg.
pub(super) fn route(view: &View<'_>) -> Route {
    let frontier = frontier(view);
    if is_fresh(view, &frontier) {
        return Route::Fresh;
    }
    if let Some(wait) = ports::fixed(view) {
        return Route::Held(wait);
    }
    let target = match target(view) {
        Target::Unlisted(component, text) => return unlisted(view, component, text),
        Target::Apart(detail) => return Route::Held(WaitingOn::VersionsApart { detail }),
        target @ (Target::Release(_) | Target::NodesAhead { .. }) => target,
    };
    let (target, diversion) = match heard(view, &frontier, target) {
        Ok(heard) => heard,
        Err(wait) => return Route::Held(wait),
    };
    if let Some((component, text)) = frontier.unreadable.clone() {
        return unlisted(view, component, text);
    }
    if let Some(missing) = frontier.missing.clone() {
        return remembered(view, &target).unwrap_or(Route::Unsure(missing));
    }
    let table = view.cluster.releases.table();
    let routed = match target {
        Target::NodesAhead { nodes, frontends } => nodes_ahead(table, &frontier, nodes, frontends),
        Target::Release(target) => towards(table, &frontier, target),
        Target::Unlisted(..) | Target::Apart(_) => Ok(Route::Settled),
    };
    match routed {
        // What the resource asks for is not what is kept.
        Ok(Route::Settled) if diversion.is_some() => Route::Arrived,
        Ok(Route::Leg(leg)) => Route::Leg(Box::new(Leg { diversion, ..*leg })),
        Ok(route) => route,
        Err(refusal) => Route::Held(refused(&refusal)),
    }
}

/// Where the way ends once it is heard what users say about it, and what became of it before.
fn heard(view: &View<'_>, frontier: &Frontier, target: Target) -> Result<(Target, Option<Diversion>), WaitingOn> {
    let Target::Release(wanted) = target else { return Ok((target, None)) };
    let status = &view.observed.status;
    let asked_at = last_change(&view.cluster.asked(), status).generation;
    let declined = status.declined_upgrade.as_ref();
    if let Some(declined) = declined.filter(|way| way.to == wanted.to_string() && way.generation == asked_at) {
        // What runs may have become what is wanted all the same, by hand say.
        if frontier.all().iter().any(|running| *running != wanted) {
            let rolled_back = declined.outcome == DeclinedOutcome::RolledBack;
            return Err(WaitingOn::UpgradeDeclined { to: declined.to.clone(), rolled_back });
        }
    }
    let leads_there =
        |operation: &&Operation| operation.instead_of.as_ref().or(operation.to.as_ref()).is_some_and(|to| *to == wanted.to_string());
    let Some(operation) = status.operation.as_ref().filter(|operation| is_versioned(operation)).filter(leads_there) else {
        return Ok((target, None));
    };
    let (end, back) = if operation.instead_of.is_some() {
        (operation.to.as_deref().and_then(|to| parse_version(to).ok()), operation.turn_back == Some(true))
    } else if operation.turn_back == Some(true) || Voice::of(view).turns_back() {
        let choose = if Voice::of(view).turns_back() { way_back } else { one_hop_back };
        let back = choose(view.cluster.releases.table(), &frontier.all(), operation)
            .map_err(|refusal| WaitingOn::RollbackRefused { reason: format!("{} ({})", refusal.message(), refusal.code()) })?;
        (back, true)
    } else if Voice::of(view).stops() {
        (stop(frontier, operation, wanted)?, false)
    } else {
        (None, false)
    };
    Ok(match end.filter(|end| *end != wanted) {
        Some(end) => (Target::Release(end), Some(Diversion { wanted, back })),
        None => (target, None),
    })
}

/// The end of a walk that is to go no further: that of the hop that has begun.
fn stop(frontier: &Frontier, operation: &Operation, wanted: Version) -> Result<Option<Version>, WaitingOn> {
    if frontier.all().len() <= 1 && operation.phase < OperationPhase::Canary {
        return Err(WaitingOn::UpgradeDeclined { to: wanted.to_string(), rolled_back: false });
    }
    let index = usize::try_from(operation.hop).ok().and_then(|hop| hop.checked_sub(1));
    Ok(index.and_then(|index| operation.path.get(index)).and_then(|text| parse_version(text).ok()))
}

/// A refusal of the release table as something to wait for.
pub(super) fn refused(refusal: &Refusal) -> WaitingOn {
    WaitingOn::UpgradeRefused { code: refusal.code().to_owned(), reason: refusal.message(), way_out: refusal.way_out() }
}

/// What runs, as far as it was told.
pub(super) fn frontier(view: &View<'_>) -> Frontier {
    let mut frontier = Frontier::default();
    for fleet in view.fleets() {
        for pod in fleet.pods.values() {
            match view.reported(fleet.component, &pod.name) {
                Some(Claim::Release(version)) if fleet.component == Component::Frontend => _ = frontier.frontends.insert(version),
                Some(Claim::Release(version)) => _ = frontier.nodes.insert(version),
                Some(other) => frontier.unreadable = Some((fleet.component, other.to_string())),
                None => {}
            }
        }
    }
    frontier.missing = missing(view);
    frontier
}

/// The first answer without which a node could run something unseen. A node that no answer lists has not joined and runs nothing.
fn missing(view: &View<'_>) -> Option<WaitingOn> {
    let group = &view.observed.group;
    let unseen = |fleet: &Fleet<'_>| fleet.pods.values().any(|pod| view.reported(fleet.component, &pod.name).is_none());
    if view.fleet(Component::Frontend).is_some_and(unseen)
        && let Err(wait) = require(&group.frontends, "SHOW FRONTENDS")
    {
        return Some(wait);
    }
    [Component::Backend, Component::ComputeNode].into_iter().find_map(|component| {
        let any = view.fleet(component).is_some_and(|fleet| !fleet.pods.is_empty());
        if any { require(view.node_answer(component), "the versions of the nodes").err() } else { None }
    })
}

/// Nothing is known to have run under this resource: no report, no memory, no frontend that was ever ready.
fn is_fresh(view: &View<'_>, frontier: &Frontier) -> bool {
    let Some(frontends) = view.fleet(Component::Frontend) else { return true };
    let Some(live) = frontends.live else { return frontier.frontends.is_empty() };
    let status = &view.observed.status;
    let remembered = status.version.is_some()
        || status.last_upgrade.is_some()
        || status.operation.as_ref().is_some_and(|operation| operation.from.is_some())
        || status.star_rocks_fe_status.as_ref().is_some_and(|frontends| !frontends.running_versions.is_empty());
    frontier.all().is_empty()
        && frontier.unreadable.is_none()
        && !remembered
        && live.applied_hash().is_some()
        && !frontends.pods.values().any(|pod| pod.ready)
        && view.frontend_rows().is_none_or(<[_]>::is_empty)
}

fn target(view: &View<'_>) -> Target {
    let mut nodes = BTreeSet::new();
    let mut frontends = None;
    for workload in view.cluster.workloads() {
        match (workload.claim.release().or(view.cluster.version), workload.component) {
            (None, component) => return Target::Unlisted(component, workload.claim.to_string()),
            (Some(version), Component::Frontend) => frontends = Some(version),
            (Some(version), _) => _ = nodes.insert(version),
        }
    }
    let Some(frontends) = frontends else { return Target::Apart("the frontends name no release".to_owned()) };
    let mut nodes = nodes.into_iter();
    match (nodes.next(), nodes.next()) {
        (None, _) => Target::Release(frontends),
        (Some(node), None) if node == frontends => Target::Release(frontends),
        (Some(node), None) if node > frontends && view.cluster.releases.table().hop(&frontends, &node).is_ok() => {
            Target::NodesAhead { nodes: node, frontends }
        }
        (Some(node), None) => {
            Target::Apart(format!("the frontends are to run {frontends} and the nodes {node}, which are not one upgrade hop apart"))
        }
        (Some(one), Some(other)) => Target::Apart(format!("backends and compute nodes are to run {one} and {other}")),
    }
}

/// An image or a report that is no release: same images as now need no order, others need consent.
fn unlisted(view: &View<'_>, component: Component, text: String) -> Route {
    let same = view.fleets().all(|fleet| match (fleet.live_image(), fleet.workload) {
        (Some(live), Some(workload)) => live == workload.image.to_string(),
        (None, _) | (_, None) => true,
    });
    if same || view.consents("UnlistedReleases") {
        return Route::Settled;
    }
    Route::Held(WaitingOn::VersionUnknown { component, text })
}

fn towards(table: &ReleaseTable, frontier: &Frontier, target: Version) -> Result<Route, Refusal> {
    let frontends: Vec<Version> = frontier.frontends.iter().copied().collect();
    match frontends.as_slice() {
        [] => Ok(Route::Settled),
        [at] => from_one(table, frontier, *at, target),
        [behind, ahead] => from_two(table, *behind, *ahead, target),
        _ => Ok(Route::Held(WaitingOn::VersionsApart { detail: format!("the frontends run {}", list(&frontends)) })),
    }
}

/// Every frontend runs `at`.
fn from_one(table: &ReleaseTable, frontier: &Frontier, at: Version, target: Version) -> Result<Route, Refusal> {
    let astray = |wanted: Version| frontier.nodes.iter().rev().copied().find(move |node| *node != wanted);
    if target <= at {
        // Nodes that are ahead of the frontends come back before the frontends go further down.
        let stray = if target == at { astray(at) } else { astray(at).filter(|node| *node > at) };
        if let Some(stray) = stray {
            let path = if target == at { Vec::new() } else { stops(&table.path(&at, &target)?) };
            return Ok(leg(table.hop(&stray, &at)?, target, path, Scope::Return, true));
        }
        if target == at {
            return Ok(Route::Settled);
        }
    }
    let path = table.path(&at, &target)?;
    let Some(hop) = path.hops.first().cloned() else { return Ok(Route::Settled) };
    for node in frontier.nodes.iter().filter(|node| **node != at && **node != hop.to) {
        table.hop(node, &hop.to)?;
    }
    let mixed = frontier.all().len() > 1;
    let after = stops(&path).split_off(1);
    Ok(leg(hop, target, after, Scope::Whole, mixed))
}

/// The frontends are in the middle of a hop.
fn from_two(table: &ReleaseTable, behind: Version, ahead: Version, target: Version) -> Result<Route, Refusal> {
    let (hop, end) = if target <= behind { (table.hop(&ahead, &behind)?, behind) } else { (table.hop(&behind, &ahead)?, ahead) };
    // A way on from there that the table refuses is told once the frontends agree again.
    let after = table.path(&end, &target).map(|path| stops(&path)).unwrap_or_default();
    Ok(leg(hop, target, after, Scope::Whole, true))
}

fn nodes_ahead(table: &ReleaseTable, frontier: &Frontier, nodes: Version, frontends: Version) -> Result<Route, Refusal> {
    if frontier.frontends.iter().any(|version| *version != frontends) {
        let detail = format!(
            "the frontends run {} and cannot be told apart from the nodes yet",
            list(&frontier.frontends.iter().copied().collect::<Vec<_>>())
        );
        return Ok(Route::Held(WaitingOn::VersionsApart { detail }));
    }
    let Some(from) = frontier.nodes.iter().copied().find(|node| *node != nodes) else { return Ok(Route::Settled) };
    Ok(leg(table.hop(&from, &nodes)?, nodes, Vec::new(), Scope::Ahead(frontends), true))
}

/// With answers missing the leg is the one that was being made, if it still leads where the resource wants to go.
fn remembered(view: &View<'_>, target: &Target) -> Option<Route> {
    let operation = view.observed.status.operation.as_ref()?;
    let Target::Release(target) = target else { return None };
    // Before its first node is touched nothing of a hop has begun, and nothing is lost by waiting for the answers.
    if !is_versioned(operation) || operation.phase < OperationPhase::Canary || operation.to.as_deref() != Some(target.to_string().as_str())
    {
        return None;
    }
    let index = usize::try_from(operation.hop).ok()?.checked_sub(1)?;
    let stop = |index: usize| operation.path.get(index).and_then(|text| parse_version(text).ok());
    let from = if index == 0 { parse_version(operation.from.as_deref()?).ok()? } else { stop(index - 1)? };
    let hop = view.cluster.releases.table().hop(&from, &stop(index)?).ok()?;
    let after = (index + 1..operation.path.len()).filter_map(stop).collect();
    Some(leg(hop, *target, after, Scope::Whole, true))
}

/// Whether an operation changes the release.
pub(super) const fn is_versioned(operation: &Operation) -> bool {
    matches!(operation.kind, OperationKind::Upgrade | OperationKind::Downgrade)
}

/// Which nodes a leg moves.
#[derive(Clone, Copy)]
enum Scope {
    /// All.
    Whole,
    /// Data nodes, to where the frontends are.
    Return,
    /// Data nodes, one hop ahead of the frontends.
    Ahead(Version),
}

fn leg(hop: Hop, target: Version, after: Vec<Version>, scope: Scope, mixed: bool) -> Route {
    let frontends_at = if let Scope::Ahead(frontends) = scope { frontends } else { hop.to };
    let ahead = std::iter::once(hop.to).chain(after).collect();
    Route::Leg(Box::new(Leg { hop, target, ahead, frontends_at, nodes_return: matches!(scope, Scope::Return), mixed, diversion: None }))
}

fn stops(path: &Path) -> Vec<Version> {
    path.hops.iter().map(|hop| hop.to).collect()
}

fn list(versions: &[Version]) -> String {
    versions.iter().map(Version::to_string).collect::<Vec<_>>().join(", ")
}
