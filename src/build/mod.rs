//! A proven cluster in, every Kubernetes object it wants out; pure, total, and never asks what exists already.
//!
//! Pods that the former operator made must not restart because another operator describes them. So what stands in a pod
//! template stands there in its order, with its values, also where nobody would choose them today.

mod annotate;
mod autoscaler;
mod compare;
mod defaults;
mod env;
mod lifecycle;
mod live_form;
mod metadata;
mod moving_ports;
mod pod;
mod probes;
mod proxy;
mod proxy_config;
mod pull;
mod recovery;
mod services;
mod stateful_set;
mod unique;
mod volumes;

pub use annotate::{hash, stamped, stamped_stateful_set};
pub use compare::{Difference, drift, drifts};
pub use live_form::{deployment_as_named, held_at, held_deployment, stateful_set_as_named};
pub use moving_ports::{service_of_fixed_ports, service_of_moved_ports, service_of_moving_ports, service_ports_differ};
pub use proxy::follow_proxy_config;
pub use pull::{pull_name, pull_pod};
pub use recovery::{for_recovery, restores};
pub use stateful_set::{
    Strategy, immutable_difference, keep_immutable, stateful_set, stateful_set_with, template_differences, template_differs,
};

use crate::model::Object;
use crate::model::cluster::Cluster;

/// Every object that a cluster wants, in the order in which they are made: component by component, and within one what the
/// pods need before the pods. Each carries the hash of its own content.
pub fn objects(cluster: &Cluster) -> Vec<Object> {
    let mut objects = Vec::new();
    for workload in cluster.workloads() {
        objects.extend(services::of_workload(cluster, workload).map(|service| Object::Service(Box::new(service))));
        objects.push(Object::StatefulSet(Box::new(stateful_set(cluster, workload))));
        objects.extend(autoscaler::of_workload(cluster, workload).map(|autoscaler| Object::HorizontalPodAutoscaler(Box::new(autoscaler))));
    }
    if let Some(proxy) = &cluster.proxy {
        objects.push(Object::ConfigMap(Box::new(proxy_config::config_map(cluster, proxy))));
        objects.push(Object::Service(Box::new(services::of_proxy(cluster, proxy))));
        objects.push(Object::Deployment(Box::new(proxy::deployment(cluster, proxy))));
    }
    // StatefulSets carry their stamps already.
    let stamp = |object| if matches!(object, Object::StatefulSet(_)) { object } else { stamped(object) };
    objects.into_iter().map(stamp).collect()
}
