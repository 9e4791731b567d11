//! An upgrade in, how long it took and how much of that nobody could have saved out: judged by what the world did, never by what the operator chose to wait for.
//!
//! At each moment something is under way or nothing is. Under way is: a node that was taken down and is not yet back, by its kubelet and by the books of
//! the group; a backend that has not yet told a new leader of its tablets; an election; a metadata image that was asked for and is not yet everywhere; the
//! watch over the canary that the resource asks for, counted from the moment at which it was back. One node at a time is a rule, so these add up: their
//! sum is the critical path, of an operator that knows everything at once and takes no time. The rest of the wall time is what the operator added, every
//! round trip included. So that nobody gains by doing things twice, restarts and images are counted against what the way needs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use super::crash::{Props, SUBJECT, has_settled, resource, status};
use super::embedded::Embedded;
use super::starrocks::Component;
use super::story::CONSENTS;
use super::world::World;
use crate::model::Timestamp;
use crate::release::{HopKind, Path, Version};

/// The wall time may be this much of the critical path.
pub const TARGET: f64 = 1.10;
/// How often the world is looked at; what lasts shorter may be missed.
const GLANCE: Duration = Duration::from_millis(100);
/// The frontends' own tables have all their copies after this long (real-fe.md §11.2).
const AGING: Duration = Duration::from_secs(900);
const LIMIT: Duration = Duration::from_secs(6 * 3_600);
/// How long the measured resources ask a canary to be watched: the default.
const SOAK: Duration = Duration::from_secs(30);
/// Shorter times without anything under way are no gaps worth telling.
const GAP: Duration = Duration::from_millis(900);

/// What is measured.
#[derive(Clone, Debug)]
pub struct Case {
    /// Frontends, backends, compute nodes.
    pub size: [u32; 3],
    /// The way.
    pub path: Path,
}

/// What can be under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// A frontend is being replaced.
    Frontends,
    /// A backend is being replaced.
    Backends,
    /// A compute node is being replaced.
    ComputeNodes,
    /// All nodes run, but a backend has not told the leader of its tablets, or nobody leads.
    Reports,
    /// A metadata image is being made and handed round.
    Image,
    /// The canary is watched.
    Soak,
}

/// A time in which nothing was under way.
#[derive(Clone, Debug)]
pub struct Gap {
    /// Since the upgrade was asked for.
    pub at: Duration,
    /// How long.
    pub lasting: Duration,
    /// What was under way before it.
    pub after: Option<Part>,
    /// Phase and message in the status at its end.
    pub doing: String,
}

/// How long an upgrade took.
#[derive(Clone, Debug)]
pub struct Measured {
    /// From the change of the resource until it is Ready with nothing under way.
    pub wall: Duration,
    /// How much of it each part took.
    pub parts: BTreeMap<Part, Duration>,
    /// Pods that were replaced.
    pub restarts: usize,
    /// CREATE IMAGE statements.
    pub images: u64,
    /// Times without anything under way, in order.
    pub gaps: Vec<Gap>,
}

impl Measured {
    /// The sum of what nobody could have saved.
    pub fn critical_path(&self) -> Duration {
        self.parts.values().sum()
    }

    /// Wall time in critical paths.
    pub fn ratio(&self) -> f64 {
        self.wall.as_secs_f64() / self.critical_path().as_secs_f64().max(0.001)
    }
}

impl Case {
    /// Restarts that the way needs: each node once in each hop.
    pub fn restarts(&self) -> usize {
        let nodes: u32 = self.size.iter().sum();
        usize::try_from(nodes).unwrap_or(usize::MAX).saturating_mul(self.path.hops.len())
    }

    /// Images that the way needs: one before each hop to another line, or back, and one after the last hop if the line is another.
    pub fn images(&self) -> u64 {
        let before = self.path.hops.iter().filter(|hop| hop.kind != HopKind::Patch || hop.to < hop.from).count();
        let crossed = self.path.from.line() != self.path.to.line();
        u64::try_from(before).unwrap_or(u64::MAX).saturating_add(u64::from(crossed))
    }

    /// Creates a cluster, lets it age, upgrades it and measures that.
    ///
    /// # Errors
    /// When it does not come to rest, or restarts more pods or makes more images than the way needs.
    pub async fn measure(&self, props: &Props) -> anyhow::Result<Measured> {
        let mut embedded = props.stage(props.empty_world(1, SUBJECT.namespace).await?);
        embedded.start_operator();
        let mut wanted = resource(&self.path.from.to_string(), self.size);
        wanted["spec"]["upgradePolicy"] = json!({"consents": CONSENTS, "canarySoakSeconds": SOAK.as_secs()});
        let applied = embedded.apply(&wanted).await?;
        let generation = applied["metadata"]["generation"].as_i64().unwrap_or_default();
        super::crash::settle(&embedded, SUBJECT, generation).await.context("while the cluster was created")?;
        let [_, backends, _] = self.size;
        embedded.world().seed_tables(SUBJECT.namespace, backends);
        tokio::time::sleep(AGING).await;
        let before = image_statements(&embedded);
        let mut watch = Watch::new(&embedded.world(), embedded.clock().now(), backends);
        let generation = embedded.set_version(SUBJECT.namespace, SUBJECT.name, &self.path.to.to_string()).await?;
        loop {
            tokio::time::sleep(GLANCE).await;
            let world = embedded.world();
            watch.look(&world, embedded.clock().now());
            if is_idle(&world) && has_settled(&status(&world, SUBJECT), generation) {
                break;
            }
            if watch.last.since(watch.begin) > LIMIT {
                bail!("not at rest after {} s: {}", LIMIT.as_secs(), doing(&world));
            }
        }
        let measured = watch.end(image_statements(&embedded) - before);
        let (restarts, images) = (self.restarts(), self.images());
        ensure!(measured.restarts == restarts, "{} pods were replaced where the way needs {restarts}", measured.restarts);
        ensure!(measured.images == images, "{} images were asked for where the way needs {images}", measured.images);
        Ok(measured)
    }
}

/// What was seen so far.
struct Watch {
    begin: Timestamp,
    last: Timestamp,
    /// UID and image of each pod when it was seen last.
    pods: BTreeMap<String, (String, String)>,
    /// Images that have run.
    known: BTreeSet<String>,
    /// What the names of nodes hold that go first in a hop, or first after the frontends.
    canaries: &'static str,
    /// The pod that runs a release first, until it is back; then until when it is watched.
    canary: Option<String>,
    soaking: Option<Timestamp>,
    /// What was under way from the last look on.
    part: Option<Part>,
    before_gap: Option<Part>,
    gap: Option<Timestamp>,
    measured: Measured,
}

impl Watch {
    fn new(world: &World, now: Timestamp, backends: u32) -> Self {
        let canaries = if backends > 0 { "-be-" } else { "-cn-" };
        let pods = pods(world);
        let known = pods.values().map(|(_, image)| image.clone()).collect();
        let measured = Measured { wall: Duration::ZERO, parts: BTreeMap::new(), restarts: 0, images: 0, gaps: Vec::new() };
        Self {
            begin: now,
            last: now,
            pods,
            known,
            canaries,
            canary: None,
            soaking: None,
            part: None,
            before_gap: None,
            gap: None,
            measured,
        }
    }

    fn look(&mut self, world: &World, now: Timestamp) {
        let passed = now.since(self.last);
        self.last = now;
        if let Some(part) = self.part {
            *self.measured.parts.entry(part).or_default() += passed;
        }
        self.note_restarts(world);
        let away = away(world);
        if away.is_none() && self.canary.take().is_some() {
            self.soaking = Some(now + SOAK);
        }
        self.soaking = self.soaking.filter(|until| *until > now);
        let image = || world.starrocks.owes_image(SUBJECT.namespace).then_some(Part::Image);
        let part = away.or_else(image).or_else(|| self.soaking.map(|_| Part::Soak));
        if part.is_none() && self.gap.is_none() {
            (self.gap, self.before_gap) = (Some(now), self.part);
        } else if part.is_some() {
            self.end_gap(world, now);
        }
        self.part = part;
    }

    fn end_gap(&mut self, world: &World, now: Timestamp) {
        let Some(since) = self.gap.take() else { return };
        let lasting = now.since(since);
        if lasting >= GAP {
            self.measured.gaps.push(Gap { at: since.since(self.begin), lasting, after: self.before_gap, doing: doing(world) });
        }
    }

    fn note_restarts(&mut self, world: &World) {
        for (name, (uid, image)) in pods(world) {
            let former = self.pods.insert(name.clone(), (uid.clone(), image.clone()));
            if former.is_some_and(|(former, _)| former != uid) {
                self.measured.restarts += 1;
            }
            if self.known.insert(image) && name.contains(self.canaries) {
                self.canary = Some(name);
            }
        }
    }

    fn end(mut self, images: u64) -> Measured {
        // What follows the last thing under way until Ready is the operator's as well.
        if let Some(since) = self.gap.take() {
            let (at, lasting) = (since.since(self.begin), self.last.since(since));
            self.measured.gaps.push(Gap { at, lasting, after: self.before_gap, doing: "Ready".to_owned() });
        }
        self.measured.wall = self.last.since(self.begin);
        self.measured.images = images;
        self.measured
    }
}

/// Names of StarRocks' pods with UID and image.
fn pods(world: &World) -> BTreeMap<String, (String, String)> {
    let text = |pod: &Value, pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let listed = world.store.list("Pod", Some(SUBJECT.namespace)).into_iter();
    listed.map(|pod| (text(pod, "/metadata/name"), (text(pod, "/metadata/uid"), text(pod, "/spec/containers/0/image")))).collect()
}

/// Which kind of node is not back, as the kubelets and the frontends' books have it.
fn away(world: &World) -> Option<Part> {
    let sets = [("fe", Part::Frontends), ("be", Part::Backends), ("cn", Part::ComputeNodes)];
    let known = world.starrocks.known(SUBJECT.namespace);
    for (component, part) in sets {
        let set = format!("{}-{component}", SUBJECT.name);
        let Some(object) = world.store.get("StatefulSet", SUBJECT.namespace, &set) else { continue };
        for ordinal in 0..object["spec"]["replicas"].as_u64().unwrap_or(0) {
            let name = format!("{set}-{ordinal}");
            let ready = world.store.get("Pod", SUBJECT.namespace, &name).is_some_and(is_ready);
            if !ready || !known.iter().any(|node| node.pod == name && node.alive) {
                return Some(part);
            }
        }
    }
    let untold = known.iter().any(|node| node.component == Component::Backend && !node.reported);
    (untold || !world.starrocks.is_led(SUBJECT.namespace)).then_some(Part::Reports)
}

fn is_ready(pod: &Value) -> bool {
    let ready = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
    pod["metadata"]["deletionTimestamp"].is_null() && pod["status"]["conditions"].as_array().is_some_and(|all| all.iter().any(ready))
}

fn operation(world: &World) -> &Value {
    static NONE: Value = Value::Null;
    let resource = world.store.get("StarRocksCluster", SUBJECT.namespace, SUBJECT.name);
    resource.and_then(|resource| resource.pointer("/status/operation")).unwrap_or(&NONE)
}

fn is_idle(world: &World) -> bool {
    operation(world).is_null()
}

fn doing(world: &World) -> String {
    let operation = operation(world);
    let text = |field: &str| operation[field].as_str().unwrap_or_default();
    format!("hop {}, {}: {}", operation["hop"], text("phase"), text("message"))
}

fn image_statements(embedded: &Embedded) -> u64 {
    let tally = embedded.ledger.tally();
    tally.statements.iter().filter(|(words, _)| words.contains("CREATE IMAGE")).map(|(_, count)| count).sum()
}

impl fmt::Display for Part {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Frontends => "frontends",
            Self::Backends => "backends",
            Self::ComputeNodes => "compute nodes",
            Self::Reports => "tablet reports and elections",
            Self::Image => "images",
            Self::Soak => "canary watch",
        })
    }
}

impl fmt::Display for Case {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [frontends, backends, compute_nodes] = self.size;
        write!(out, "{frontends} FE, {backends} BE, {compute_nodes} CN, {}", self.path)
    }
}

impl fmt::Display for Measured {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<String> = self.parts.iter().map(|(part, time)| format!("{part} {:.0} s", time.as_secs_f64())).collect();
        let (wall, path) = (self.wall.as_secs_f64(), self.critical_path().as_secs_f64());
        write!(out, "{wall:.0} s of wall time, {path:.0} s of critical path, ratio {:.3}", self.ratio())?;
        write!(out, "\n  {} restarts and {} images: {}", self.restarts, self.images, parts.join(", "))
    }
}

/// A case between two releases.
///
/// # Errors
/// When the release table knows no way.
pub fn case(size: [u32; 3], from: Version, to: Version) -> anyhow::Result<Case> {
    Ok(Case { size, path: crate::release::ReleaseTable::embedded().path(&from, &to)? })
}
