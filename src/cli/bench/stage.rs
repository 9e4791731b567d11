//! What the benchmark does to the API as an administrator: namespaces, clusters, changes; waits for what the operator makes of them.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Namespace;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::seen::{Place, Seen, follow_clusters, follow_sets};
use crate::api::StarRocksCluster;
use crate::model::component::LEASE_NAME;

/// Clusters in one namespace: nobody has all in one, and every pod is told of every Service of its namespace.
const PER_NAMESPACE: u16 = 20;
/// Requests of the benchmark at the same time.
const AT_ONCE: usize = 4;
/// How long a change or a lease may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// The API and what is seen there.
pub(super) struct Stage {
    client: Client,
    clusters: u16,
    seen: Arc<Seen>,
    /// The generation of the StatefulSet before the last change.
    before: i64,
    _watches: JoinSet<()>,
}

impl Stage {
    pub(super) async fn prepare(client: Client, clusters: u16) -> anyhow::Result<Self> {
        let namespaces: Api<Namespace> = Api::all(client.clone());
        for number in 0..clusters.div_ceil(PER_NAMESPACE) {
            let namespace: Namespace = serde_json::from_value(json!({"metadata": {"name": format!("bench-{number}")}}))?;
            namespaces.create(&PostParams::default(), &namespace).await.context("creating a namespace")?;
        }
        let seen = Arc::new(Seen::default());
        let mut watches = JoinSet::new();
        watches.spawn(follow_sets(client.clone(), Arc::clone(&seen)));
        watches.spawn(follow_clusters(Api::all_with(client.clone(), &resource()), Arc::clone(&seen)));
        Ok(Self { client, clusters, seen, before: 0, _watches: watches })
    }

    pub(super) fn clusters(&self) -> usize {
        usize::from(self.clusters)
    }

    pub(super) fn sets_wanted(&self) -> usize {
        2 * self.clusters()
    }

    /// StatefulSets that exist.
    pub(super) fn sets(&self) -> usize {
        self.seen.known().sets.len()
    }

    /// Clusters that are Ready for what is asked of them.
    pub(super) fn ready(&self) -> usize {
        self.seen.known().clusters.values().filter(|ready| **ready).count()
    }

    pub(super) async fn something_happens(&self, limit: Duration) {
        // Nothing happening is an answer too.
        let _in_time = timeout(limit, self.seen.changed.notified()).await;
    }

    pub(super) async fn server_version(&self) -> anyhow::Result<String> {
        Ok(self.client.apiserver_version().await?.git_version)
    }

    /// Waits until a fresh operator leads.
    pub(super) async fn leads(&self) -> anyhow::Result<()> {
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), "starrocks");
        let begin = Instant::now();
        loop {
            let lease = leases.get_opt(LEASE_NAME).await?;
            if lease.and_then(|lease| lease.spec?.holder_identity).is_some_and(|holder| !holder.is_empty()) {
                return Ok(());
            }
            anyhow::ensure!(begin.elapsed() < PATIENCE, "no operator leads");
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Creates all clusters.
    pub(super) async fn create(&self) -> anyhow::Result<()> {
        let requests = (0..self.clusters).map(|position| async move {
            let (namespace, name) = place(position);
            let cluster: DynamicObject = serde_json::from_value(json!({
                "apiVersion": "starrocks.com/v1",
                "kind": "StarRocksCluster",
                "metadata": {"name": name},
                "spec": {"version": "3.5.9", "starRocksFeSpec": {"replicas": 1}, "starRocksBeSpec": {"replicas": 1}},
            }))?;
            let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &namespace, &resource());
            api.create(&PostParams::default(), &cluster).await.with_context(|| format!("creating {name}")).map(drop)
        });
        futures::stream::iter(requests).buffer_unordered(AT_ONCE).try_collect::<()>().await
    }

    /// Gives a cluster's backends a new environment variable, which changes their pod template.
    pub(super) async fn change(&mut self, position: u16, value: &str) -> anyhow::Result<()> {
        self.before = self.generation(position);
        let (namespace, name) = place(position);
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &namespace, &resource());
        let patch = json!({"spec": {"starRocksBeSpec": {"beEnvVars": [{"name": "BENCH", "value": value}]}}});
        api.patch(&name, &PatchParams::default(), &Patch::Merge(patch)).await.with_context(|| format!("changing {name}"))?;
        Ok(())
    }

    /// Waits until the StatefulSet of the backends that were changed last has changed.
    pub(super) async fn arrived(&self, position: u16) -> anyhow::Result<()> {
        let begin = Instant::now();
        while self.generation(position) == self.before {
            anyhow::ensure!(begin.elapsed() < PATIENCE, "a change of {} did not arrive", place(position).1);
            self.something_happens(Duration::from_millis(500)).await;
        }
        Ok(())
    }

    fn generation(&self, position: u16) -> i64 {
        let (namespace, name) = place(position);
        self.seen.known().sets.get(&(namespace, format!("{name}-be"))).copied().unwrap_or_default()
    }
}

fn place(position: u16) -> Place {
    (format!("bench-{}", position / PER_NAMESPACE), format!("sr-{position:04}"))
}

fn resource() -> ApiResource {
    ApiResource::erase::<StarRocksCluster>(&())
}
