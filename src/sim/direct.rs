//! One pass of the operator without a wire: the world's store is read as the caches would, and the world executes the steps itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use serde::Deserialize;
use serde_json::Value;

use super::kube::{DeleteOptions, EventKind, Store};
use super::ledger::Ledger;
use super::voice::{Delay, Voice};
use super::world::World;
use crate::api::{StarRocksCluster, StarRocksClusterStatus};
use crate::model::cluster::{Conventions, LoginSource, ValueSource};
use crate::model::component::FIELD_MANAGER;
use crate::model::{Answer, Cluster, Decision, Observed, Silence, Step};
use crate::observe::{Caches, Entry, Log, Place, Revision, Watched, budgets_matter, logs_wanted, observe, project_budget, reason_in};
use crate::plan::{Violation, check, plan};
use crate::release::Catalog;
use crate::starrocks::{Login, SqlEndpoint, StarRocks};
use crate::validate::{References, validate, wanted_references};

/// An operator that lives inside the world.
pub struct Direct {
    world: Arc<Mutex<World>>,
    voice: Voice,
    caches: Caches,
    /// Up to which revision of the store the caches were fed.
    fed: Mutex<u64>,
    /// What it knows of releases.
    releases: Arc<Catalog>,
    /// What it did.
    pub ledger: Arc<Ledger>,
}

/// What came of a pass.
#[derive(Clone, Debug)]
pub struct Pass {
    /// What the decision was made from.
    pub observed: Observed,
    /// What was decided.
    pub decision: Decision,
    /// What the check found; a decision with findings is not executed.
    pub violations: Vec<Violation>,
    /// Whether the status was written.
    pub status_written: bool,
    /// How many steps were executed.
    pub executed: usize,
}

impl Direct {
    /// An operator for every cluster of a world.
    pub fn new(world: Arc<Mutex<World>>) -> Self {
        let ledger = Ledger::new("direct");
        let voice = Voice::new(Arc::clone(&world), Arc::clone(&ledger), Delay::Never);
        Self { world, voice, caches: Caches::new(), fed: Mutex::new(0), releases: Catalog::embedded(), ledger }
    }

    /// The same operator with other knowledge of releases.
    #[must_use]
    pub fn with_releases(self, releases: Arc<Catalog>) -> Self {
        Self { releases, ..self }
    }

    /// What it knows of releases.
    pub fn releases(&self) -> &Catalog {
        &self.releases
    }

    /// The world.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Observes, decides, checks and executes. With `steps` the operator is lost after that many acts, the status being the first.
    ///
    /// # Errors
    /// When the resource does not exist, is invalid, or the embedded API refuses what the operator writes.
    pub async fn pass(&self, namespace: &str, name: &str, steps: Option<usize>) -> anyhow::Result<Pass> {
        let resource = self.resource(namespace, name)?;
        let cluster = self.prove(&resource)?;
        self.feed()?;
        let login: Result<Login, Silence> = Ok(self.login(&cluster.namespace, &cluster.login));
        let status = resource.status.clone().unwrap_or_default();
        let now = self.world().now();
        let mut observed = observe(&cluster, &self.caches, &self.voice, &login, &status, now).await;
        if budgets_matter(&cluster, &observed) {
            let world = self.world();
            let budgets = world.store.list("PodDisruptionBudget", Some(namespace)).into_iter();
            let known: Result<Vec<_>, _> =
                budgets.map(|budget| serde_json::from_value(budget.clone()).map(|budget| project_budget(&budget))).collect();
            observed.budgets = Answer::Known(known?);
        }
        observed.last_words = self.last_words(&cluster.namespace, &observed);
        let decision = plan(&cluster, &observed);
        let violations = check(&cluster, &observed, &decision);
        let mut pass = Pass { observed, decision, violations, status_written: false, executed: 0 };
        if pass.violations.is_empty() {
            self.execute(&cluster, &mut pass, steps.unwrap_or(usize::MAX)).await?;
        }
        Ok(pass)
    }

    /// What the logs of broken nodes say.
    fn last_words(&self, namespace: &str, observed: &Observed) -> BTreeMap<String, String> {
        let world = self.world();
        let told = |log: &Log| world.plane.log(&world.starrocks, (namespace, &log.pod), &log.run.container, log.ended);
        let line = |log: Log| Some((log.pod.clone(), reason_in(&told(&log)?)?));
        logs_wanted(observed).into_iter().filter_map(line).collect()
    }

    /// Lets the caches see what the store has seen since the last pass, as watches of a synced operator would.
    fn feed(&self) -> anyhow::Result<()> {
        let world = self.world();
        let mut fed = self.fed.lock().unwrap_or_else(PoisonError::into_inner);
        let now = world.store.revision();
        match world.store.events_since(*fed).ok().filter(|_| *fed > 0) {
            Some(events) => {
                for event in events {
                    let Some(watched) = watched(&event.kind) else { continue };
                    let place = Place { namespace: event.namespace.clone(), name: event.name.clone() };
                    match entry(watched, &event.object)?.filter(|_| event.event != EventKind::Deleted) {
                        Some(entry) => self.caches.put(watched, "", entry),
                        None => drop(self.caches.remove(watched, "", &place, Revision(event.revision))),
                    }
                }
            }
            None => list(&self.caches, &world.store)?,
        }
        *fed = now;
        Ok(())
    }

    fn resource(&self, namespace: &str, name: &str) -> anyhow::Result<StarRocksCluster> {
        let world = self.world();
        let resource = world.store.get("StarRocksCluster", namespace, name).context("the StarRocksCluster is gone")?;
        StarRocksCluster::deserialize(resource).context("the StarRocksCluster cannot be read")
    }

    fn prove(&self, resource: &StarRocksCluster) -> anyhow::Result<Cluster> {
        let namespace = resource.metadata.namespace.clone().unwrap_or_default();
        let world = self.world();
        let config_maps = wanted_references(resource)
            .into_iter()
            .map(|name| {
                let found = world.store.get("ConfigMap", &namespace, &name);
                let data: Option<BTreeMap<String, String>> =
                    found.map(|map| serde_json::from_value(map["data"].clone()).unwrap_or_default());
                (name, data)
            })
            .collect();
        validate(
            resource,
            &References { config_maps, status: resource.status.clone().unwrap_or_default(), releases: Arc::clone(&self.releases) },
            &Conventions::default(),
        )
        .map_err(|faults| anyhow::anyhow!(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))
    }

    fn login(&self, namespace: &str, source: &LoginSource) -> Login {
        let world = self.world();
        let value = |source: &ValueSource| match source {
            ValueSource::Literal(text) => text.clone(),
            ValueSource::Secret { name, key } => {
                let data = world.store.get("Secret", namespace, name).map(|secret| secret["stringData"][key].clone());
                data.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
            }
            ValueSource::ConfigMap { name, key } => {
                let data = world.store.get("ConfigMap", namespace, name).map(|map| map["data"][key].clone());
                data.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
            }
        };
        Login { user: value(&source.user), password: value(&source.password) }
    }

    async fn execute(&self, cluster: &Cluster, pass: &mut Pass, limit: usize) -> anyhow::Result<()> {
        let mut left = limit;
        if pass.decision.status != pass.observed.status {
            if left == 0 {
                return Ok(());
            }
            self.write_status(cluster, &pass.decision.status)?;
            pass.status_written = true;
            left -= 1;
        }
        for step in pass.decision.steps.iter().take(left) {
            self.step(cluster, &pass.observed, step).await?;
            pass.executed += 1;
        }
        Ok(())
    }

    fn write_status(&self, cluster: &Cluster, status: &StarRocksClusterStatus) -> anyhow::Result<()> {
        let mut world = self.world();
        let mut resource = world.store.get("StarRocksCluster", &cluster.namespace, &cluster.name).context("the resource is gone")?.clone();
        resource["status"] = serde_json::to_value(status)?;
        world.store.update_status(resource, FIELD_MANAGER).map_err(refused)?;
        world.settle();
        Ok(())
    }

    async fn step(&self, cluster: &Cluster, observed: &Observed, step: &Step) -> anyhow::Result<()> {
        match step {
            Step::Apply(object) => {
                let mut world = self.world();
                world.store.apply(object.to_json(), FIELD_MANAGER, true, None).map_err(refused)?;
                world.settle();
            }
            Step::Delete { object, uid } => self.delete(object.kind.name(), &cluster.namespace, &object.name, uid)?,
            Step::RestartPod { pod, uid, .. } => self.delete("Pod", &cluster.namespace, pod, uid)?,
            Step::PullImage(pod) => {
                let mut pod = serde_json::to_value(pod)?;
                (pod["apiVersion"], pod["kind"]) = ("v1".into(), "Pod".into());
                let mut world = self.world();
                match world.store.create(pod, FIELD_MANAGER) {
                    Err(error) if error.code != 409 => return Err(refused(error)),
                    Ok(_) | Err(_) => {}
                }
                world.settle();
            }
            Step::EndPull { pod, uid } => self.delete("Pod", &cluster.namespace, pod, uid)?,
            // The model level plays clusters only; warehouses are played on the wire.
            Step::Hold | Step::LetGo { .. } => {}
            // Without that kind, as where nobody has installed it: nothing may depend on it.
            Step::Record(_) => {}
            Step::Execute { frontend, statement } => {
                let Some(pod) = observed.pods.get(frontend) else { return Ok(()) };
                let (port, _) = pod.query_port(cluster.frontend.query_port());
                let at = SqlEndpoint { host: pod.ip.clone().unwrap_or_default(), port };
                let login = self.login(&cluster.namespace, &cluster.login);
                // A refused statement is seen again in the next observation, as on the wire.
                let _ = self.voice.query(&at, &login, &statement.sql()).await;
            }
        }
        Ok(())
    }

    fn delete(&self, kind: &str, namespace: &str, name: &str, uid: &str) -> anyhow::Result<()> {
        let mut world = self.world();
        let options = DeleteOptions { uid: Some(uid.to_owned()), ..DeleteOptions::default() };
        match world.store.delete(kind, namespace, name, options) {
            Err(error) if error.code != 404 && error.code != 409 => return Err(refused(error)),
            Ok(_) | Err(_) => {}
        }
        world.settle();
        Ok(())
    }
}

fn refused(error: super::kube::ApiError) -> anyhow::Error {
    anyhow::anyhow!("the embedded API refused a step: {} {}", error.code, error.message)
}

/// Whether a change of the store since a revision would wake the operator: something that it watches, or a resource of its own kind.
pub fn has_news(store: &Store, since: u64) -> bool {
    let wakes = |kind: &str| kind == "StarRocksCluster" || watched(kind).is_some();
    store.events_since(since).map_or(true, |mut events| events.any(|event| wakes(&event.kind)))
}

fn watched(kind: &str) -> Option<Watched> {
    Watched::ALL.into_iter().find(|watched| watched.name() == kind)
}

/// Fills the caches as the first lists of watches do.
fn list(caches: &Caches, store: &Store) -> anyhow::Result<()> {
    let revision = Revision(store.revision());
    for watched in Watched::ALL {
        let mut entries = Vec::new();
        for object in store.list(watched.name(), None) {
            entries.extend(entry(watched, object)?);
        }
        caches.replace(watched, "", entries, revision);
    }
    Ok(())
}

fn entry(watched: Watched, object: &Value) -> anyhow::Result<Option<Entry>> {
    Ok(match watched {
        Watched::Object(_) => Entry::from_object(object),
        Watched::Pod => Entry::from_pod(&Pod::deserialize(object)?),
        Watched::Claim => Entry::from_claim(&PersistentVolumeClaim::deserialize(object)?),
    })
}
