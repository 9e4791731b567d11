//! The StatefulSet of the frontends in, the one that recovers a cluster from a snapshot out; never decides whether to recover.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Probe, TCPSocketAction};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use serde_json::Value;

use super::annotate::stamped_stateful_set;
use super::env::literal;
use crate::model::LiveObject;
use crate::model::cluster::{DisasterRecovery, Workload};

/// Rewrites the frontends' StatefulSet while a disaster recovery is on: one frontend, which restores the snapshot and may
/// take its time. It is ready when it answers on its MySQL port; health by HTTP comes only after the restore.
pub fn for_recovery(stateful_set: StatefulSet, frontend: &Workload, recovery: DisasterRecovery) -> StatefulSet {
    let mut stateful_set = stateful_set;
    if let Some(spec) = &mut stateful_set.spec {
        spec.replicas = Some(1);
        let containers = spec.template.spec.iter_mut().flat_map(|pod| &mut pod.containers);
        for container in containers.filter(|container| container.name == frontend.component.container()) {
            container.startup_probe = None;
            container.liveness_probe = None;
            container.readiness_probe = Some(Probe {
                tcp_socket: Some(TCPSocketAction { host: None, port: IntOrString::Int(i32::from(frontend.query_port())) }),
                initial_delay_seconds: Some(5),
                period_seconds: Some(10),
                timeout_seconds: Some(1),
                success_threshold: Some(1),
                failure_threshold: Some(3),
                ..Probe::default()
            });
            let restore = [literal(GENERATION_VARIABLE, recovery.generation.to_string()), literal(RESTORE_VARIABLE, "true")];
            let env = container.env.get_or_insert_default();
            env.retain(|variable| restore.iter().all(|ours| ours.name != variable.name));
            env.extend(restore);
        }
    }
    stamped_stateful_set(stateful_set)
}

/// Whether a live StatefulSet makes frontends that restore a snapshot when they start.
pub fn restores(live: &LiveObject) -> bool {
    let items = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let containers = items(live.body.pointer("/spec/template/spec/containers"));
    containers.iter().flat_map(|container| items(container.get("env"))).any(|variable| variable["name"] == RESTORE_VARIABLE)
}

/// The variable that makes a frontend restore.
const RESTORE_VARIABLE: &str = "RESTORE_CLUSTER_SNAPSHOT";
/// The variable by whose name and value a pod proves that it belongs to a recovery.
const GENERATION_VARIABLE: &str = "RESTORE_CLUSTER_GENERATION";
