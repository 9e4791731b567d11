//! What is true in the world and what the operator did go in, the first broken promise comes out; believes no status and no report.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use super::direct::Pass;
use super::starrocks::{Component, Truth};
use super::story::Story;
use super::world::World;
use crate::model::component::ordinal;
use crate::model::{FrontendSetting, Step, Timestamp};
use crate::release::Version;

/// What nobody can know yet is no fault: a dead frontend stays Alive this long (real-fe.md §3: 16 s, and a pass that was made before).
const UNKNOWABLE: Duration = Duration::from_secs(30);

/// The judge of one run.
#[derive(Clone)]
pub(super) struct Judge {
    namespace: &'static str,
    /// Pods that the operator deleted and that do not serve again: kind of node, and UID of the deleted one.
    taken: BTreeMap<String, (Component, String)>,
    /// Since when frontends have been seen not serving.
    silent_since: BTreeMap<String, Timestamp>,
    /// Claims of frontends and backends, by name.
    claims: BTreeMap<String, String>,
    /// Objects of somebody else, as they were.
    foreign: Vec<Value>,
    /// How many compute nodes the user allows to be away at the same time, and how many there are to be.
    at_once: usize,
    compute_nodes: usize,
}

/// What a resource asks for at the end of a story.
pub(super) struct Wish {
    /// Release.
    pub(super) version: Version,
    /// Frontends, backends, compute nodes.
    pub(super) counts: [u32; 3],
    /// The spec, as the user wrote it last.
    pub(super) spec: Value,
}

impl Judge {
    pub(super) fn new(namespace: &'static str) -> Self {
        Self {
            namespace,
            taken: BTreeMap::new(),
            silent_since: BTreeMap::new(),
            claims: BTreeMap::new(),
            foreign: Vec::new(),
            at_once: 1,
            compute_nodes: 0,
        }
    }

    /// Lets so many compute nodes be away at the same time, though never all of several.
    pub(super) fn allow_away(&mut self, compute_nodes: u32) {
        self.at_once = usize::try_from(compute_nodes).unwrap_or(1);
    }

    /// Remembers an object that must stay as it is.
    pub(super) fn keep_in_mind(&mut self, foreign: Value) {
        self.foreign.push(foreign);
    }

    /// Looks at the world just before a pass.
    pub(super) fn look(&mut self, world: &World) -> anyhow::Result<Vec<Truth>> {
        let truth = world.starrocks.truth(self.namespace);
        let serves_again = |pod: &str, uid: &str| truth.iter().any(|node| node.pod == pod && node.pod_uid != uid && node.serving);
        // A frontend restarted to hand over the lead and then taken out of the group does not come back.
        let left = |pod: &str| {
            let set = pod.rsplit_once('-').and_then(|(set, _)| world.store.get("StatefulSet", self.namespace, set));
            let replicas = set.and_then(|set| set["spec"]["replicas"].as_u64());
            replicas.zip(ordinal(pod)).is_some_and(|(replicas, ordinal)| u64::from(ordinal) >= replicas)
        };
        self.taken.retain(|pod, (_, uid)| !serves_again(pod, uid) && !left(pod));
        let serving: BTreeSet<&str> = truth.iter().filter(|node| node.serving).map(|node| node.pod.as_str()).collect();
        self.silent_since.retain(|pod, _| !serving.contains(pod.as_str()));
        for pod in world.store.list("Pod", Some(self.namespace)) {
            let name = pod["metadata"]["name"].as_str().unwrap_or_default();
            if !serving.contains(name) {
                self.silent_since.entry(name.to_owned()).or_insert(world.now());
            }
        }
        let sets = world.store.list("StatefulSet", Some(self.namespace)).into_iter();
        let compute = sets.filter(|set| set["metadata"]["name"].as_str().is_some_and(|name| name.ends_with("-cn")));
        self.compute_nodes =
            compute.filter_map(|set| set["spec"]["replicas"].as_u64()).filter_map(|count| usize::try_from(count).ok()).sum();
        judge_order(&truth)?;
        self.judge_claims(world)?;
        Ok(truth)
    }

    /// Judges what a pass did to a world that was as `truth` says.
    pub(super) fn judge(&mut self, truth: &[Truth], pass: &Pass, majority: Option<usize>, now: Timestamp) -> anyhow::Result<()> {
        for step in pass.decision.steps.iter().take(pass.executed) {
            let Step::RestartPod { pod, uid, .. } = step else { continue };
            let Some(node) = truth.iter().find(|node| node.pod == *pod && node.pod_uid == *uid) else { continue };
            if node.serving {
                self.judge_taking(node, truth, majority, now)?;
            }
            self.taken.insert(pod.clone(), (node.component, uid.clone()));
        }
        Ok(())
    }

    fn judge_taking(&self, node: &Truth, truth: &[Truth], majority: Option<usize>, now: Timestamp) -> anyhow::Result<()> {
        let other = self.taken.iter().find(|(pod, (component, _))| **pod != node.pod && *component == node.component);
        if let Some((other, _)) = other.filter(|_| node.component != Component::ComputeNode) {
            bail!("{} is taken down while {other}, taken down before, does not serve again", node.pod);
        }
        if node.component == Component::ComputeNode {
            let away = self.taken.iter().filter(|(pod, (component, _))| **pod != node.pod && *component == node.component).count();
            let allowed = self.at_once.min(self.compute_nodes.saturating_sub(1)).max(1);
            ensure!(away < allowed, "{} is taken down while {away} compute nodes are away, and {allowed} may be", node.pod);
        }
        let Some(majority) = majority.filter(|majority| node.component == Component::Frontend && *majority > 1) else { return Ok(()) };
        let counts = |other: &&Truth| {
            let fresh = self.silent_since.get(&other.pod).is_some_and(|since| now.since(*since) < UNKNOWABLE);
            other.component == Component::Frontend && other.pod != node.pod && (other.serving || fresh)
        };
        let others = truth.iter().filter(counts).count();
        // Two frontends cannot do without either; their outage was consented to.
        ensure!(
            others >= majority || majority == 2 && truth.iter().filter(|node| node.component == Component::Frontend).count() == 2,
            "{} is taken down although only {others} other frontends serve and {majority} are a majority",
            node.pod
        );
        Ok(())
    }

    /// Claims of frontends and backends are never deleted.
    fn judge_claims(&mut self, world: &World) -> anyhow::Result<()> {
        let mut found = BTreeMap::new();
        for claim in world.store.list("PersistentVolumeClaim", Some(self.namespace)) {
            let text = |pointer: &str| claim.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
            ensure!(claim["metadata"]["deletionTimestamp"].is_null(), "claim {} is being deleted", text("/metadata/name"));
            found.insert(text("/metadata/name"), text("/metadata/uid"));
        }
        for (name, uid) in &self.claims {
            ensure!(found.get(name) == Some(uid), "claim {name} is gone");
        }
        self.claims = found;
        Ok(())
    }

    /// Judges a cluster that says that it has arrived.
    pub(super) fn judge_the_end(&self, world: &World, story: &Story, wish: &Wish) -> anyhow::Result<()> {
        let truth = world.starrocks.truth(self.namespace);
        let kinds = [Component::Frontend, Component::Backend, Component::ComputeNode];
        for (kind, count) in kinds.into_iter().zip(wish.counts) {
            let nodes = truth.iter().filter(|node| node.component == kind).count();
            ensure!(nodes == usize::try_from(count)?, "{nodes} nodes of kind {kind:?} run, {count} are wanted");
        }
        for node in &truth {
            ensure!(node.serving, "{} does not serve at the end", node.pod);
            ensure!(node.release.to_string() == wish.version.to_string(), "{} runs {} at the end", node.pod, node.release);
        }
        let registered = world.starrocks.registered_nodes(self.namespace);
        let nodes = usize::try_from(wish.counts[1] + wish.counts[2])?;
        ensure!(registered.len() == nodes, "{nodes} nodes are wanted and {} registered: {}", registered.len(), registered.join(", "));
        self.judge_books(world, story)?;
        self.judge_possessions(world, wish)
    }

    /// The scheduler as it was, one founding, and no data out of reach but by mishaps.
    fn judge_books(&self, world: &World, story: &Story) -> anyhow::Result<()> {
        let audit = world.starrocks.metrics(world.now());
        for (pod, settings) in &audit.settings_now {
            for setting in FrontendSetting::SCHEDULER {
                let frozen = settings.get(setting.key()).is_some_and(|value| value == setting.frozen());
                ensure!(!frozen, "{} is still frozen on {pod} after the end", setting.key());
            }
        }
        ensure!(audit.bootstraps.len() == 1, "{} clusters were founded: {:?}", audit.bootstraps.len(), audit.bootstraps);
        if story.happenings.iter().any(|(_, happening)| happening.takes_nodes()) {
            return Ok(());
        }
        if story.backends >= 3 {
            let first = world.starrocks.health_log().iter().find(|sample| sample.below_two > 0);
            ensure!(first.is_none(), "tablets had fewer than two copies for {} ms without any mishap: {first:?}", audit.below_two_ms);
        } else if story.backends == 2 {
            ensure!(audit.unreadable_ms == 0, "tablets could not be read for {} ms without any mishap", audit.unreadable_ms);
        }
        ensure!(
            story.frontends < 3 || audit.quorum_lost_ms == 0,
            "there was no majority for {} ms without any mishap",
            audit.quorum_lost_ms
        );
        Ok(())
    }

    /// The spec is the user's, and what belongs to somebody else is as it was.
    fn judge_possessions(&self, world: &World, wish: &Wish) -> anyhow::Result<()> {
        let mut resources = world.store.list("StarRocksCluster", Some(self.namespace)).into_iter();
        let resource = resources.next().context("the resource is gone")?;
        ensure!(resource["spec"] == wish.spec, "the spec was written: {} instead of {}", resource["spec"], wish.spec);
        for object in &self.foreign {
            let (kind, name) = (object["kind"].as_str().unwrap_or_default(), object["metadata"]["name"].as_str().unwrap_or_default());
            let now = world.store.get(kind, self.namespace, name);
            ensure!(now == Some(object), "{kind} {name} of somebody else was touched");
        }
        Ok(())
    }
}

/// No frontend is ever newer than a backend or compute node: those go first on the way up and last on the way down.
fn judge_order(truth: &[Truth]) -> anyhow::Result<()> {
    let of = |frontend: bool| truth.iter().filter(move |node| (node.component == Component::Frontend) == frontend);
    let newest: Option<&Truth> = of(true).max_by_key(|node| node.release);
    let oldest: Option<&Truth> = of(false).min_by_key(|node| node.release);
    if let (Some(newest), Some(oldest)) = (newest, oldest) {
        let fits = newest.release <= oldest.release;
        ensure!(fits, "{} runs {} while {} runs {}", newest.pod, newest.release, oldest.pod, oldest.release);
    }
    Ok(())
}

/// Where two values differ, as text.
pub(super) fn differences(before: &Value, after: &Value) -> Vec<String> {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            let at = |fields: &serde_json::Map<String, Value>, key: &str| fields.get(key).cloned().unwrap_or_default();
            let below = |key: &str| differences(&at(old, key), &at(new, key));
            keys.into_iter().flat_map(|key| below(key).into_iter().map(move |text| format!("{key}.{text}"))).collect()
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            let pairs = old.iter().zip(new).enumerate();
            pairs.flat_map(|(index, (old, new))| differences(old, new).into_iter().map(move |text| format!("{index}.{text}"))).collect()
        }
        _ if before == after => Vec::new(),
        _ => vec![format!(" {before} -> {after}")],
    }
}
