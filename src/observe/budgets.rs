//! PodDisruptionBudgets of a namespace, listed when healthy pods may soon be restarted; in as Kubernetes has them, out what decisions need. Watches nothing.

use std::time::Duration;

use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::ListParams;
use kube::{Api, Client};
use tokio::time::timeout;

use super::depth::hop_is_near;
use crate::model::observed::DisruptionBudget;
use crate::model::{Answer, Cluster, LiveObject, ObjectKind, Observed, Pod, Silence, SilenceKind};

const PATIENCE: Duration = Duration::from_secs(10);

/// Whether a decision may depend on budgets: a hop is near, or a pod is to be made anew at its release and none of the others is only coming back, which would
/// hold that anyway.
pub fn budgets_matter(cluster: &Cluster, observed: &Observed) -> bool {
    hop_is_near(cluster, observed) || !observed.is_amid_hop() && a_restart_is_near(cluster, observed)
}

fn a_restart_is_near(cluster: &Cluster, observed: &Observed) -> bool {
    let own = |pod: &Pod| observed.object(ObjectKind::StatefulSet, &pod.component.workload_name(&cluster.name));
    let is_outdated = |pod: &Pod| own(pod).and_then(LiveObject::update_revision).is_some_and(|revision| pod.revision != revision);
    // One that is away for longer may have been consented to.
    let is_coming_back = |pod: &Pod| own(pod).is_some() && !pod.ready && observed.now.since(pod.created) <= cluster.policy.node_timeout;
    observed.pods.values().any(is_outdated) && !observed.pods.values().any(is_coming_back)
}

/// Lists the budgets of a namespace. Whatever keeps the API server from answering is told in its words: a missing right must not look like a missing budget.
pub async fn disruption_budgets(client: &Client, namespace: &str) -> Answer<Vec<DisruptionBudget>> {
    let api: Api<PodDisruptionBudget> = Api::namespaced(client.clone(), namespace);
    match timeout(PATIENCE, api.list(&ListParams::default())).await {
        Ok(Ok(list)) => Answer::Known(list.items.iter().map(project_budget).collect()),
        Ok(Err(error)) => Answer::Failed(Silence { kind: SilenceKind::Rejected, message: error.to_string() }),
        Err(_) => Answer::Failed(Silence { kind: SilenceKind::Rejected, message: "no answer in time".to_owned() }),
    }
}

/// A budget as far as decisions need it.
pub fn project_budget(budget: &PodDisruptionBudget) -> DisruptionBudget {
    let status = budget.status.clone().unwrap_or_default();
    let selector = budget.spec.as_ref().and_then(|spec| spec.selector.clone());
    DisruptionBudget {
        name: budget.metadata.name.clone().unwrap_or_default(),
        selector,
        is_current: status.observed_generation.is_some() && status.observed_generation >= budget.metadata.generation,
        allowed: status.disruptions_allowed,
        healthy: status.current_healthy,
        desired: status.desired_healthy,
        expected: status.expected_pods,
    }
}
