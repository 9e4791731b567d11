//! Mishaps of a world that mend themselves after a while; each says what breaks and schedules its own end.

use std::time::Duration;

use serde_json::json;

use super::kube::DeleteOptions;
use super::world::{DATABASE, World};
use crate::model::Timestamp;

const BUDGET: &str = "PodDisruptionBudget";
/// Name of the budget that forbids disruptions.
const FORBIDDING: &str = "not-now";

/// The end of a mishap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Mend {
    /// SQL of a pod answers again.
    Sql { namespace: String, pod: String },
    /// The network of a pod works again.
    Network { namespace: String, pod: String },
    /// A node is back.
    Node(String),
    /// Images of a tag can be pulled again.
    Images(String),
    /// The disk of a pod has room again.
    Disk { namespace: String, pod: String },
    /// Processes start as fast as ever.
    Starts,
    /// The jobs of a namespace's cluster are done.
    Jobs(String),
    /// The queries of a pod have ended.
    Queries { namespace: String, pod: String },
    /// Nodes of a release compact as they should.
    Compactions(String),
    /// Whoever forbade disruptions in a namespace allows them again.
    Disruptions(String),
}

impl World {
    /// The processes of a pod die at once.
    pub fn kill(&mut self, namespace: &str, pod: &str) {
        let now = self.now();
        self.starrocks.kill(namespace, pod, now);
        self.shaken();
    }

    /// A frontend takes SQL connections and answers nothing.
    pub fn hang_sql(&mut self, namespace: &str, pod: &str, lasting: Duration) {
        self.starrocks.hang_sql(namespace, pod, true);
        self.mend_later(lasting, Mend::Sql { namespace: namespace.to_owned(), pod: pod.to_owned() });
    }

    /// Packets to and from a pod vanish.
    pub fn cut_network(&mut self, namespace: &str, pod: &str, lasting: Duration) {
        let now = self.now();
        self.starrocks.cut_network(namespace, pod, true, now);
        self.mend_later(lasting, Mend::Network { namespace: namespace.to_owned(), pod: pod.to_owned() });
    }

    /// The Kubernetes node that carries a pod loses its power.
    pub fn lose_node_of(&mut self, namespace: &str, pod: &str, lasting: Duration) {
        let node = self.store.get("Pod", namespace, pod).and_then(|pod| pod["spec"]["nodeName"].as_str()).map(str::to_owned);
        let Some(node) = node else { return };
        self.plane.fail_node(&node);
        self.mend_later(lasting, Mend::Node(node));
    }

    /// Images of a release cannot be pulled.
    pub fn lose_images(&mut self, tag: &str, lasting: Duration) {
        self.starrocks.set_unavailable(tag, true);
        self.mend_later(lasting, Mend::Images(tag.to_owned()));
    }

    /// The disk of a pod is full.
    pub fn fill_disk(&mut self, namespace: &str, pod: &str, lasting: Duration) {
        self.starrocks.fill_disk(namespace, pod, true);
        self.mend_later(lasting, Mend::Disk { namespace: namespace.to_owned(), pod: pod.to_owned() });
    }

    /// Processes take so many percent of the usual time to start.
    pub fn slow_start(&mut self, percent: u32, lasting: Duration) {
        self.starrocks.slow_start(percent);
        self.mend_later(lasting, Mend::Starts);
    }

    /// A backup and a schema change run in the user's database of the cluster in a namespace.
    pub fn run_jobs(&mut self, namespace: &str, lasting: Duration) {
        self.starrocks.set_backup(namespace, DATABASE, "UPLOADING");
        self.starrocks.set_schema_changes(namespace, DATABASE, 1);
        self.mend_later(lasting, Mend::Jobs(namespace.to_owned()));
    }

    /// Queries run on a node, one after the other without a pause.
    pub fn run_queries(&mut self, namespace: &str, pod: &str, lasting: Duration) {
        self.starrocks.run_queries(namespace, pod, 3);
        self.mend_later(lasting, Mend::Queries { namespace: namespace.to_owned(), pod: pod.to_owned() });
    }

    /// Backends and compute nodes of a release fail at their compactions, as their metrics tell.
    pub fn fail_compactions(&mut self, version: &str, lasting: Duration) {
        self.starrocks.fail_compactions(version, true);
        self.mend_later(lasting, Mend::Compactions(version.to_owned()));
    }

    /// Somebody's PodDisruptionBudget lets no backend and no compute node of a namespace go.
    pub fn forbid_disruptions(&mut self, namespace: &str, lasting: Duration) {
        let selector = json!({"matchExpressions": [{"key": "app.kubernetes.io/component", "operator": "In", "values": ["be", "cn"]}]});
        let budget = json!({
            "apiVersion": "policy/v1", "kind": BUDGET, "metadata": {"name": FORBIDDING, "namespace": namespace},
            "spec": {"maxUnavailable": 0, "selector": selector},
        });
        // One that is there already goes on for longer.
        drop(self.store.create(budget, "somebody-else"));
        self.mend_later(lasting, Mend::Disruptions(namespace.to_owned()));
    }

    /// Ends a mishap.
    pub(super) fn mend(&mut self, mend: &Mend, now: Timestamp) {
        match mend {
            Mend::Sql { namespace, pod } => self.starrocks.hang_sql(namespace, pod, false),
            Mend::Network { namespace, pod } => self.starrocks.cut_network(namespace, pod, false, now),
            Mend::Node(node) => self.plane.restore_node(node),
            Mend::Images(tag) => self.starrocks.set_unavailable(tag, false),
            Mend::Disk { namespace, pod } => self.starrocks.fill_disk(namespace, pod, false),
            Mend::Starts => self.starrocks.slow_start(100),
            Mend::Queries { namespace, pod } => self.starrocks.run_queries(namespace, pod, 0),
            Mend::Compactions(version) => self.starrocks.fail_compactions(version, false),
            Mend::Disruptions(namespace) => drop(self.store.delete(BUDGET, namespace, FORBIDDING, DeleteOptions::default())),
            Mend::Jobs(namespace) => {
                self.starrocks.set_backup(namespace, DATABASE, "");
                self.starrocks.set_schema_changes(namespace, DATABASE, 0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_mishaps_that_overlap_the_first_does_not_end_the_second() {
        let mut world = World::new(1);
        let begun = world.now();
        world.slow_start(200, Duration::from_secs(10));
        world.advance(begun + Duration::from_secs(5));
        world.slow_start(200, Duration::from_secs(10));
        world.slow_start(200, Duration::from_secs(1));
        world.advance(begun + Duration::from_secs(14));
        assert!(!world.is_mended());
        world.advance(begun + Duration::from_secs(15));
        assert!(world.is_mended());
    }
}
