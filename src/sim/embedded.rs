//! An embedded cluster on the wire: a world behind an HTTP API and the real operator as a client of it, which can be lost and started again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context;
use k8s_openapi::api::rbac::v1::PolicyRule;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::kube::{ApiServer, ApiService, Rules};
use super::ledger::Ledger;
use super::pace;
use super::voice::{Delay, Voice};
use super::world::World;
use crate::clock::Clock;
use crate::controllers::{self, Scope, Settings};
use crate::telemetry::Telemetry;

/// Namespace in which the operator runs.
pub const OPERATOR_NAMESPACE: &str = "starrocks";
/// The service account whose rights the operator has.
const OPERATOR_USER: &str = "system:serviceaccount:starrocks:starrocks";

/// A world with an API and an operator. Needs a current-thread runtime with a paused clock, and lives until it is dropped.
pub struct Embedded {
    world: Arc<Mutex<World>>,
    server: ApiServer<World>,
    /// What the operator does.
    pub ledger: Arc<Ledger>,
    clock: Clock,
    rules: Arc<Rules>,
    operator: Option<Operator>,
    driver: JoinHandle<()>,
}

/// An operator process. Dropped, it goes on; it is lost or stopped by name.
pub struct Operator {
    task: JoinHandle<()>,
    shutdown: CancellationToken,
    /// What it tells about itself.
    pub telemetry: Telemetry,
}

impl Operator {
    /// Kills it where it stands.
    pub fn lose(self) {
        self.task.abort();
    }

    /// Stops it in good order and waits for its end.
    pub async fn stop(self) {
        self.shutdown.cancel();
        // An aborted or panicked task has ended as well.
        let _ = self.task.await;
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.task.is_finished()
    }
}

impl Embedded {
    /// Starts a world. `definitions` are the CRDs to install, `rules` the operator's rights.
    ///
    /// # Errors
    /// When a definition is refused.
    pub async fn start(seed: u64, definitions: &[Value], rules: Vec<PolicyRule>) -> anyhow::Result<Self> {
        let embedded = Self::within(World::new(seed), Rules::cluster_wide(rules));
        for definition in definitions {
            embedded.apply(definition).await?;
        }
        Ok(embedded)
    }

    /// Goes on in a world, such as a copy of another one; nothing of an operator is in it but what one wrote.
    pub fn within(world: World, rules: Rules) -> Self {
        let clock = Clock::tokio(world.now());
        let world = Arc::new(Mutex::new(world));
        let ledger = Ledger::new(OPERATOR_USER);
        let server = ApiServer::with_gatekeeper(Arc::clone(&world), ledger.clone());
        let driver = tokio::spawn(pace::drive(Arc::clone(&world), server.clone(), clock));
        Self { world, server, ledger, clock, rules: Arc::new(rules), operator: None, driver }
    }

    /// The world, for looking and for faults.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The API server, for faults of its own.
    pub const fn server(&self) -> &ApiServer<World> {
        &self.server
    }

    /// The world itself, for those who look at it later.
    pub(super) fn shared_world(&self) -> Arc<Mutex<World>> {
        Arc::clone(&self.world)
    }

    /// The clock that the world and the operator share.
    pub const fn clock(&self) -> Clock {
        self.clock
    }

    /// The API service, for serving it on a socket.
    pub fn service(&self) -> ApiService<World> {
        self.server.admin()
    }

    /// The rights of the operator, with what was used of them so far.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// A client that may do everything.
    pub fn client(&self) -> kube::Client {
        self.server.admin_client()
    }

    /// A client of somebody with these rights and no others.
    pub fn client_as(&self, user: &str, rules: Rules) -> kube::Client {
        kube::Client::new(self.server.user(user, Arc::new(rules)), OPERATOR_NAMESPACE)
    }

    /// Server-side apply of a document of any kind.
    ///
    /// # Errors
    /// When the document has no kind or name, or the API refuses it.
    pub async fn apply(&self, document: &Value) -> anyhow::Result<Value> {
        let object: DynamicObject = serde_json::from_value(document.clone()).context("the document is no Kubernetes object")?;
        let name = object.metadata.name.clone().context("the document has no metadata.name")?;
        let api = self.api(&object)?;
        let parameters = PatchParams::apply("kubectl").force();
        let applied = api.patch(&name, &parameters, &Patch::Apply(&object)).await.with_context(|| format!("applying {name}"))?;
        Ok(serde_json::to_value(applied)?)
    }

    fn api(&self, object: &DynamicObject) -> anyhow::Result<Api<DynamicObject>> {
        let kinds = object.types.as_ref().context("the document has no apiVersion and kind")?;
        let kind = GroupVersionKind::try_from(kinds)?;
        let resource = ApiResource::from_gvk(&kind);
        Ok(match &object.metadata.namespace {
            Some(namespace) => Api::namespaced_with(self.client(), namespace, &resource),
            None => Api::all_with(self.client(), &resource),
        })
    }

    /// JSON merge patch of a StarRocksCluster; returns its generation afterwards.
    ///
    /// # Errors
    /// When the API refuses it.
    pub async fn patch_cluster(&self, namespace: &str, name: &str, patch: Value) -> anyhow::Result<i64> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("starrocks.com", "v1", "StarRocksCluster"));
        let api: Api<DynamicObject> = Api::namespaced_with(self.client(), namespace, &resource);
        let patched = api.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.with_context(|| format!("changing {name}"))?;
        Ok(patched.metadata.generation.unwrap_or_default())
    }

    /// Sets `spec.version`; returns the generation afterwards.
    ///
    /// # Errors
    /// When the API refuses it.
    pub async fn set_version(&self, namespace: &str, name: &str, version: &str) -> anyhow::Result<i64> {
        self.patch_cluster(namespace, name, json!({"spec": {"version": version}})).await
    }

    /// Starts the operator with the rights of its role; one that runs is lost first.
    pub fn start_operator(&mut self) {
        self.lose_operator();
        self.operator = Some(self.hire("embedded", false));
    }

    /// Starts a further operator process beside any others.
    pub fn hire(&self, identity: &str, leader_election: bool) -> Operator {
        self.employ(Settings { leader_election, ..Settings::new(self.clock, identity) })
    }

    /// The same for one that serves some namespaces only.
    pub fn hire_for(&self, identity: &str, namespaces: &[&str]) -> Operator {
        let namespaces = Scope::Several(namespaces.iter().map(|&name| name.to_owned()).collect());
        self.employ(Settings { namespaces, ..Settings::new(self.clock, identity) })
    }

    /// The same with settings of all kinds.
    pub fn employ(&self, settings: Settings) -> Operator {
        let client = kube::Client::new(self.server.user(OPERATOR_USER, Arc::clone(&self.rules)), OPERATOR_NAMESPACE);
        let starrocks = Arc::new(Voice::new(Arc::clone(&self.world), Arc::clone(&self.ledger), Delay::AsTold));
        let (shutdown, telemetry) = (CancellationToken::new(), Telemetry::default());
        let run = controllers::run(client, starrocks, settings, telemetry.clone(), shutdown.clone());
        let task = tokio::spawn(async move {
            if let Err(error) = run.await {
                tracing::error!(%error, "the operator ended");
            }
        });
        Operator { task, shutdown, telemetry }
    }

    /// Kills the operator where it stands: nothing of it survives but what it wrote.
    pub fn lose_operator(&mut self) {
        if let Some(operator) = self.operator.take() {
            operator.lose();
        }
        self.ledger.strike(None);
    }

    /// Stops the operator in good order and waits for its end.
    pub async fn stop_operator(&mut self) {
        if let Some(operator) = self.operator.take() {
            operator.stop().await;
        }
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.lose_operator();
        self.driver.abort();
    }
}
