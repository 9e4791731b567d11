//! The questions about canaries that a policy has, asked only while their verdict is due; answers in, nobody judged.

use std::collections::BTreeMap;

use super::ask::{Asker, Frontend, unreadable};
use crate::model::{Answer, Canary, CanaryReport, Cluster, Component, ObjectKind, Observed, Pod, Query, Silence, Workload};
use crate::starrocks::{exposition, parse};

/// Path of a node's metrics; they need no login (starrocks.md §5).
const METRICS: &str = "/metrics";

/// Asks a frontend for the verdict by SQL, and each canary for its metrics.
pub(super) async fn report(asker: &Asker<'_>, policy: &Canary, cluster: &Cluster, observed: &Observed, at: &[Frontend]) -> CanaryReport {
    let sql = match &policy.sql {
        Some(select) => verdict(asker, at, select).await,
        None => Answer::NotAsked,
    };
    let mut metrics = BTreeMap::new();
    if !policy.metrics.is_empty() {
        for (pod, node) in canaries(cluster, observed) {
            metrics.insert(pod.name.clone(), bounds(asker, policy, pod, node.http_port()).await.into());
        }
    }
    CanaryReport { sql, metrics }
}

/// The verdict of the first frontend that gives one.
async fn verdict(asker: &Asker<'_>, at: &[Frontend], select: &str) -> Answer<Option<String>> {
    let query = Query::CanaryVerdict { select: select.to_owned() };
    let mut answer = Answer::NotAsked;
    for frontend in at {
        match asker.query_within(frontend, &query, std::time::Duration::MAX).await {
            Ok(rows) => return Answer::Known(parse::first_cell(&rows)),
            Err((silence, another)) => {
                answer = Answer::Failed(silence);
                if !another {
                    break;
                }
            }
        }
    }
    answer
}

/// The pods that run the newest template of the component that has canaries.
fn canaries<'a>(cluster: &'a Cluster, observed: &'a Observed) -> Vec<(&'a Pod, &'a Workload)> {
    let component = if cluster.backend.is_some() { Component::Backend } else { Component::ComputeNode };
    let live = observed.object(ObjectKind::StatefulSet, &component.workload_name(&cluster.name));
    let (Some(workload), Some(live)) = (cluster.workload(component), live) else { return Vec::new() };
    let revision = live.text("/status/updateRevision");
    observed.pods_of(component).filter(|pod| pod.revision == revision).map(|pod| (pod, workload)).collect()
}

async fn bounds(asker: &Asker<'_>, policy: &Canary, pod: &Pod, configured: u16) -> Result<Vec<Vec<String>>, Silence> {
    let page = asker.get_in(pod, configured, METRICS).await?;
    let of = |bound: &crate::model::MetricBound| exposition::samples(&page, &bound.name, &bound.labels).map_err(|error| unreadable(&error));
    policy.metrics.iter().map(of).collect()
}
