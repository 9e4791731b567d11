//! Crash points: an act goes in; the world is copied around each change the operator makes, and from every copy a play with a mishap must come
//! to the same end.

mod always;
mod mishap;

pub use mishap::{Ending, Extent, Mishap};

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::{Value, json};

use super::embedded::{Embedded, OPERATOR_NAMESPACE};
use super::end_state;
use super::kube::Rules;
use super::ledger::{Stage, Tally};
use super::world::World;
use crate::api::StarRocksClusterStatus;

/// Simulated time that an act may take.
const LIMIT: Duration = Duration::from_secs(6 * 3_600);
/// How long a cluster must stay at rest before it is believed.
const REST: Duration = Duration::from_secs(30);
const GLANCE: Duration = Duration::from_secs(1);

/// What every play needs: the CRDs and the operator's rights.
#[derive(Clone, Debug)]
pub struct Props {
    /// CRDs to install.
    pub definitions: Vec<Value>,
    /// Rules of the operator's ClusterRole.
    pub rules: Vec<PolicyRule>,
}

/// What is done to a cluster, and watched.
#[derive(Clone, Debug)]
pub enum Act {
    /// The resource is applied to an empty namespace.
    Create(Value),
    /// `spec.version` is set.
    Version(String),
}

/// An act that was played without a mishap.
pub struct Rehearsal {
    namespace: String,
    name: String,
    generation: i64,
    end: Value,
    points: Vec<Point>,
    marks: Arc<Vec<Mark>>,
    /// What the operator did from the beginning of the act until it rested.
    pub tally: Tally,
    /// How long it took, in simulated time.
    pub lasted: Duration,
    world: Kept,
}

/// A change: the worlds right before and right after it.
struct Point {
    before: Kept,
    after: Kept,
}

/// A world that stands still, for plays on any thread to begin with.
struct Kept(Mutex<World>);

impl Kept {
    const fn new(world: World) -> Self {
        Self(Mutex::new(world))
    }

    fn look(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn copy(&self) -> World {
        self.look().clone()
    }
}

/// By what a play is known to be where the rehearsal was: what was changed, and what remains of the world right after it.
struct Mark {
    what: String,
    state: Value,
}

/// A cluster in a world.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Namespace.
    pub namespace: &'a str,
    /// Name.
    pub name: &'a str,
}

impl Props {
    /// A world with the CRDs and both namespaces, and nothing else.
    ///
    /// # Errors
    /// When a definition is refused.
    pub async fn empty_world(&self, seed: u64, namespace: &str) -> anyhow::Result<World> {
        let embedded = Embedded::start(seed, &self.definitions, self.rules.clone()).await?;
        for name in [OPERATOR_NAMESPACE, namespace] {
            embedded.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})).await?;
        }
        let world = embedded.world().clone();
        Ok(world)
    }

    /// Plays an act without a mishap and keeps a copy of the world after every change.
    ///
    /// # Errors
    /// When the cluster does not come to rest.
    pub async fn rehearse(&self, world: World, subject: Subject<'_>, act: &Act) -> anyhow::Result<Rehearsal> {
        let mut embedded = self.stage(world);
        embedded.start_operator();
        tokio::time::sleep(REST).await;
        let before = embedded.ledger.tally().change_count();
        anyhow::ensure!(before == 0, "the operator made {before} changes before the act");
        let points = witness(&embedded);
        let begin = embedded.clock().now();
        let Subject { namespace, name } = subject;
        let generation = begin_act(&embedded, subject, act).await?;
        settle(&embedded, subject, generation).await.context("without a mishap")?;
        let lasted = embedded.clock().now().since(begin);
        tokio::time::sleep(REST).await;
        embedded.ledger.witness(None);
        let witnessed = std::mem::take(&mut *points.lock().unwrap_or_else(PoisonError::into_inner));
        let mark = |what: String, point: &Point| Mark { what, state: end_state::of(&point.after.look()) };
        let (marks, points) = witnessed.into_iter().map(|(what, point)| (mark(what, &point), point)).unzip();
        let world = embedded.world().clone();
        let end = end_state::of(&world);
        let tally = embedded.ledger.tally();
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        Ok(Rehearsal { namespace, name, generation, end, points, marks: Arc::new(marks), tally, lasted, world: Kept::new(world) })
    }

    pub(super) fn stage(&self, world: World) -> Embedded {
        Embedded::within(world, Rules::cluster_wide(self.rules.clone()))
    }
}

impl Rehearsal {
    /// How many changes the operator made: the points at which it can be lost.
    pub fn points(&self) -> usize {
        self.points.len()
    }

    /// Each change in a few words, with the status that stood right after it.
    pub fn told(&self) -> impl Iterator<Item = (&str, StarRocksClusterStatus)> {
        let changes = self.marks.iter().zip(&self.points);
        changes.map(move |(mark, point)| (mark.what.as_str(), status(&point.after.look(), self.subject())))
    }

    /// The world at the end.
    pub fn world(&self) -> World {
        self.world.copy()
    }

    fn subject(&self) -> Subject<'_> {
        Subject { namespace: &self.namespace, name: &self.name }
    }

    /// Waits until the cluster rests and compares its end with that of the rehearsal.
    async fn arrive(&self, embedded: &Embedded) -> anyhow::Result<()> {
        settle(embedded, self.subject(), self.generation).await?;
        tokio::time::sleep(REST).await;
        match end_state::difference(&self.end, &end_state::of(&embedded.world())) {
            Some(difference) => bail!("the end differs: {difference}"),
            None => Ok(()),
        }
    }
}

/// A StarRocksCluster called `kube` in the namespace `prod`, with persistent frontends and backends; a section of 0 nodes is left out.
/// With one backend every table has a single replica, which is consented to.
pub fn resource(version: &str, [frontends, backends, compute_nodes]: [u32; 3]) -> Value {
    let volumes = |component: &str, directory: &str| json!([{"name": format!("{component}-{directory}"), "mountPath": format!("/opt/starrocks/{component}/{directory}"), "storageSize": "10Gi"}]);
    let limits = json!({"cpu": 4, "memory": "8Gi"});
    let mut spec = json!({
        "version": version,
        "starRocksFeSpec": {"replicas": frontends, "limits": limits, "requests": limits, "storageVolumes": volumes("fe", "meta")},
    });
    let mut add = |field: &str, section: Value| spec.as_object_mut().map(|fields| fields.insert(field.to_owned(), section));
    if backends == 1 {
        add("upgradePolicy", json!({"consents": ["SingleReplicaTables"]}));
    }
    if backends > 0 {
        let section = json!({"replicas": backends, "limits": limits, "requests": limits, "storageVolumes": volumes("be", "storage")});
        add("starRocksBeSpec", section);
    }
    if compute_nodes > 0 {
        add("starRocksCnSpec", json!({"replicas": compute_nodes, "limits": limits, "requests": limits}));
    }
    json!({
        "apiVersion": "starrocks.com/v1",
        "kind": "StarRocksCluster",
        "metadata": {"name": SUBJECT.name, "namespace": SUBJECT.namespace},
        "spec": spec,
    })
}

/// The cluster of `resource`.
pub const SUBJECT: Subject<'static> = Subject { namespace: "prod", name: "kube" };

/// Does what the user does; returns the generation of the resource afterwards.
async fn begin_act(embedded: &Embedded, Subject { namespace, name }: Subject<'_>, act: &Act) -> anyhow::Result<i64> {
    match act {
        Act::Create(resource) => Ok(embedded.apply(resource).await?["metadata"]["generation"].as_i64().unwrap_or_default()),
        Act::Version(version) => embedded.set_version(namespace, name, version).await,
    }
}

/// Copies the world before and after every change from now on.
fn witness(embedded: &Embedded) -> Arc<Mutex<Vec<(String, Point)>>> {
    let (world, points) = (embedded.shared_world(), Arc::new(Mutex::new(Vec::new())));
    let kept = Arc::clone(&points);
    let mut former = None;
    embedded.ledger.witness(Some(Box::new(move |stage, what| {
        let copy = world.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match (stage, former.take()) {
            (Stage::Before, _) => former = Some(copy),
            (Stage::After, Some(before)) => {
                let point = Point { before: Kept::new(before), after: Kept::new(copy) };
                kept.lock().unwrap_or_else(PoisonError::into_inner).push((what.to_owned(), point));
            }
            (Stage::After, None) => {}
        }
    })));
    points
}

/// Waits until a cluster is as its resource of this generation describes it.
///
/// # Errors
/// When it is not after six simulated hours.
pub async fn settle(embedded: &Embedded, subject: Subject<'_>, generation: i64) -> anyhow::Result<()> {
    let begin = embedded.clock().now();
    loop {
        tokio::time::sleep(GLANCE).await;
        let status = status(&embedded.world(), subject);
        if has_settled(&status, generation) {
            return Ok(());
        }
        if embedded.clock().now().since(begin) > LIMIT {
            let waits: Vec<String> = status.blocked.iter().map(|blocked| format!("{} {}", blocked.code, blocked.message)).collect();
            bail!("not at rest after {} s; it waits for: {}", LIMIT.as_secs(), waits.join("; "));
        }
    }
}

/// The status of a cluster as it stands in the store.
pub fn status(world: &World, subject: Subject<'_>) -> StarRocksClusterStatus {
    let resource = world.store.get("StarRocksCluster", subject.namespace, subject.name);
    resource.and_then(|resource| serde_json::from_value(resource["status"].clone()).ok()).unwrap_or_default()
}

/// Whether a status says that everything is as a generation of the resource describes it.
pub fn has_settled(status: &StarRocksClusterStatus, generation: i64) -> bool {
    let ready = status.conditions.iter().any(|condition| condition.condition_type == "Ready" && condition.status == "True");
    status.observed_generation == Some(generation) && ready && status.operation.is_none()
}
