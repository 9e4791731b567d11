//! Crash points: a play goes in; the world is copied after each change the operator makes, and every copy must come to the same end under a new one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, bail};
use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::{Value, json};

use super::embedded::{Embedded, OPERATOR_NAMESPACE};
use super::end_state;
use super::kube::Rules;
use super::ledger::Tally;
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
    /// What the operator did from the beginning of the act until it rested.
    pub tally: Tally,
    /// How long it took, in simulated time.
    pub lasted: Duration,
    /// The world at the end.
    pub world: World,
}

/// A moment right after a change.
struct Point {
    what: String,
    world: World,
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
        let mut embedded = Embedded::within(world, Rules::cluster_wide(self.rules.clone()));
        embedded.start_operator();
        tokio::time::sleep(REST).await;
        let before = embedded.ledger.tally().change_count();
        anyhow::ensure!(before == 0, "the operator made {before} changes before the act");
        let points = witness(&embedded);
        let begin = embedded.clock().now();
        let Subject { namespace, name } = subject;
        let generation = match act {
            Act::Create(resource) => embedded.apply(resource).await?["metadata"]["generation"].as_i64().unwrap_or_default(),
            Act::Version(version) => embedded.set_version(namespace, name, version).await?,
        };
        settle(&embedded, subject, generation).await.context("without a mishap")?;
        let lasted = embedded.clock().now().since(begin);
        tokio::time::sleep(REST).await;
        embedded.ledger.witness(None);
        let points = std::mem::take(&mut *points.lock().unwrap_or_else(PoisonError::into_inner));
        let world = embedded.world().clone();
        let end = end_state::of(&world);
        let tally = embedded.ledger.tally();
        Ok(Rehearsal { namespace: namespace.to_owned(), name: name.to_owned(), generation, end, points, tally, lasted, world })
    }

    /// Goes on after the `number`-th change (from 0) as if the operator had died right after it.
    ///
    /// # Errors
    /// When the cluster does not come to rest, or not at the same end.
    pub async fn crash(&self, rehearsal: &Rehearsal, number: usize) -> anyhow::Result<()> {
        let Some(point) = rehearsal.points.get(number) else { bail!("there is no change number {number}") };
        let told = || format!("after change {} of {} ({})", number + 1, rehearsal.points.len(), point.what);
        let mut embedded = Embedded::within(point.world.clone(), Rules::cluster_wide(self.rules.clone()));
        embedded.start_operator();
        let subject = Subject { namespace: &rehearsal.namespace, name: &rehearsal.name };
        settle(&embedded, subject, rehearsal.generation).await.with_context(told)?;
        tokio::time::sleep(REST).await;
        let end = end_state::of(&embedded.world());
        if let Some(difference) = end_state::difference(&rehearsal.end, &end) {
            bail!("{}: the end differs: {difference}", told());
        }
        Ok(())
    }

    /// Plays an act in which the operator is lost after every single change, one after another, each time over a broken connection.
    /// Returns how often it was lost.
    ///
    /// # Errors
    /// When the cluster does not come to rest, or not at the rehearsed end.
    pub async fn lose_always(&self, world: World, act: &Act, rehearsal: &Rehearsal) -> anyhow::Result<u64> {
        let mut embedded = Embedded::within(world, Rules::cluster_wide(self.rules.clone()));
        let subject = Subject { namespace: &rehearsal.namespace, name: &rehearsal.name };
        let generation = match act {
            Act::Create(resource) => embedded.apply(resource).await?["metadata"]["generation"].as_i64().unwrap_or_default(),
            Act::Version(version) => embedded.set_version(subject.namespace, subject.name, version).await?,
        };
        let mut lost = 0;
        loop {
            embedded.start_operator();
            embedded.ledger.cut_after(Some(1));
            let ledger = Arc::clone(&embedded.ledger);
            tokio::select! {
                () = ledger.cut() => lost += 1,
                rested = async {
                    settle(&embedded, subject, generation).await?;
                    tokio::time::sleep(REST).await;
                    anyhow::Ok(())
                } => {
                    rested.with_context(|| format!("having lost the operator {lost} times"))?;
                    break;
                }
            }
            anyhow::ensure!(lost < 10_000, "the operator never gets further");
        }
        let end = end_state::of(&embedded.world());
        match end_state::difference(&rehearsal.end, &end) {
            Some(difference) => bail!("having lost the operator {lost} times the end differs: {difference}"),
            None => Ok(lost),
        }
    }
}

impl Rehearsal {
    /// How many changes the operator made: the points at which it can be lost.
    pub fn points(&self) -> usize {
        self.points.len()
    }

    /// Each change in a few words, with the status that stood right after it.
    pub fn told(&self) -> impl Iterator<Item = (&str, StarRocksClusterStatus)> {
        let subject = Subject { namespace: &self.namespace, name: &self.name };
        self.points.iter().map(move |point| (point.what.as_str(), status(&point.world, subject)))
    }
}

/// A StarRocksCluster called `kube` in the namespace `prod`, with persistent frontends and backends; a section of 0 nodes is left out.
pub fn resource(version: &str, [frontends, backends, compute_nodes]: [u32; 3]) -> Value {
    let volumes = |component: &str, directory: &str| json!([{"name": format!("{component}-{directory}"), "mountPath": format!("/opt/starrocks/{component}/{directory}"), "storageSize": "10Gi"}]);
    let limits = json!({"cpu": 4, "memory": "8Gi"});
    let mut spec = json!({
        "version": version,
        "starRocksFeSpec": {"replicas": frontends, "limits": limits, "requests": limits, "storageVolumes": volumes("fe", "meta")},
    });
    let mut add = |field: &str, section: Value| spec.as_object_mut().map(|fields| fields.insert(field.to_owned(), section));
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

fn witness(embedded: &Embedded) -> Arc<Mutex<Vec<Point>>> {
    let (world, points) = (embedded.shared_world(), Arc::new(Mutex::new(Vec::new())));
    let kept = Arc::clone(&points);
    embedded.ledger.witness(Some(Box::new(move |what| {
        let world = world.lock().unwrap_or_else(PoisonError::into_inner).clone();
        kept.lock().unwrap_or_else(PoisonError::into_inner).push(Point { what: what.to_owned(), world });
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
