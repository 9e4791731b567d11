//! One snapshot of a cluster: what the caches hold, and what its frontends answer within ten seconds.

use std::time::Duration;

use futures::future::join_all;
use tokio::time::Instant;

use super::ask::{Asker, Frontend};
use super::caches::{Caches, Place};
use super::depth::Depth;
use super::{canary, configuration, frontend, group};
use crate::api::{OperationPhase, StarRocksClusterStatus};
use crate::model::{self, Cluster, Component, Observed, Pod, Silence, Timestamp};
use crate::starrocks::{Login, StarRocks};

/// How long a pass may ask. A hanging cluster then delays nobody but itself, and itself not for long.
pub(super) const DEADLINE: Duration = Duration::from_secs(10);

/// Observes a cluster. Without a running frontend nothing is asked; without a login every question has failed for the reason given.
pub async fn observe(
    cluster: &Cluster,
    caches: &Caches,
    starrocks: &dyn StarRocks,
    login: &Result<Login, Silence>,
    status: &StarRocksClusterStatus,
    now: Timestamp,
) -> Observed {
    let place = Place { namespace: cluster.namespace.clone(), name: cluster.name.clone() };
    let belongings = caches.belongings(&place, &cluster.uid);
    let mut observed = Observed { status: status.clone(), ..Observed::empty(now) };
    observed.objects = belongings.objects;
    observed.pods = belongings.pods;
    observed.claims = belongings.claims;
    observed.pulls = belongings.pulls;
    if cluster.warehouse.is_some() {
        // The frontends are another resource's: asked, and never touched.
        let other = Place { namespace: cluster.namespace.clone(), name: cluster.frontends_of().to_owned() };
        let pods = caches.belongings(&other, "").pods.into_iter();
        observed.pods.extend(pods.filter(|(_, pod)| pod.component == Component::Frontend));
    }

    let asker = Asker { starrocks, login, deadline: Instant::now() + DEADLINE };
    let found = join_all(observed.pods_of(Component::Frontend).map(|pod| Frontend::in_pod(&asker, pod, &cluster.frontend))).await;
    let mut running: Vec<Frontend> = found.into_iter().flatten().collect();
    let further =
        |at: &Frontend| frontend::Further { availability: awaits_image(status), queries: is_drained(status, observed.pods.get(&at.pod)) };
    let reports = join_all(running.iter().map(|at| frontend::report(&asker, at, further(at)))).await;
    observed.frontends = running.iter().map(|at| at.pod.clone()).zip(reports).collect();

    // Whoever does not even tell its own version will not tell about the group.
    let unanswered = observed.frontends.iter().find_map(|(pod, report)| Some((pod.clone(), report.version.silence()?.clone())));
    running.retain(|at| observed.frontends.get(&at.pod).is_some_and(|report| report.version.known().is_some()));
    let depth = Depth::of(cluster, status, &observed.pods);
    observed.group = match unanswered {
        Some((pod, silence)) if running.is_empty() => group::silent(pod, &silence),
        _ => group::report(&asker, &running, &depth, now).await,
    };
    observed.configuration = configuration::report(&asker, &running, cluster, status).await;
    if let Some(policy) = cluster.policy.canary.as_ref().filter(|_| is_verdict_due(cluster, status, now)) {
        observed.canary = canary::report(&asker, policy, cluster, &observed, &running).await;
    }
    observed
}

fn is_verdict_due(cluster: &Cluster, status: &StarRocksClusterStatus, now: Timestamp) -> bool {
    status.operation.as_ref().is_some_and(|operation| model::canary::is_verdict_due(&cluster.policy, operation, now))
}

/// Queries of a frontend matter while its restart waits for them.
fn is_drained(status: &StarRocksClusterStatus, pod: Option<&Pod>) -> bool {
    let marks = status.operation.iter().flat_map(|operation| &operation.drains);
    pod.is_some_and(|pod| marks.into_iter().any(|mark| mark.uid == pod.uid))
}

/// Image and journal positions matter before the first node of a hop is touched and for the closing image; asking for them at other times costs HTTP workers.
fn awaits_image(status: &StarRocksClusterStatus) -> bool {
    let phase = status.operation.as_ref().map(|operation| &operation.phase);
    matches!(phase, Some(OperationPhase::Preflight | OperationPhase::Image | OperationPhase::Finish))
}
