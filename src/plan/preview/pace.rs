//! How long a node takes to come back: as measured by the last upgrade of this cluster, else as measured on simulated nodes; an estimate either way.

use serde::Serialize;

use super::super::view::View;
use crate::model::Component;

/// Seconds on which an estimate rests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pace {
    /// A frontend: graceful exit, start, journal caught up, and the tablets that backends tell a new leader.
    pub frontend_seconds: u64,
    /// A backend: graceful exit, start, heartbeat, tablets reported.
    pub backend_seconds: u64,
    /// A compute node: graceful exit, start, heartbeat.
    pub compute_node_seconds: u64,
    /// A metadata image on every frontend.
    pub image_seconds: u64,
    /// The watch over the first node on a new release, as the resource asks for it.
    pub canary_soak_seconds: u64,
    /// Name of the StarRocksUpgrade whose pace this is; absent when the numbers are those of simulated nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured_by: Option<String>,
}

/// Measured on simulated nodes with measured StarRocks timings (real-fe.md §4, §7: exit 17 s, start 15 s; §6: the checkpoint controller looks once a
/// minute); a test holds them against the table of docs/upgrades.md.
const SIMULATED: Pace = Pace {
    frontend_seconds: 42,
    backend_seconds: 36,
    compute_node_seconds: 30,
    image_seconds: 60,
    canary_soak_seconds: 0,
    measured_by: None,
};

impl Pace {
    /// The pace of a cluster.
    pub(in super::super) fn of(view: &View<'_>) -> Self {
        let canary_soak_seconds = view.cluster.policy.canary_soak.as_secs();
        let records = view.observed.records.as_deref().unwrap_or_default();
        let measured = records.iter().rev().find_map(|record| {
            let seconds = record.status.seconds_per_node.and_then(|seconds| u64::try_from(seconds).ok())?;
            Some((seconds, record.name.clone())).filter(|_| seconds > 0)
        });
        let Some((seconds, name)) = measured else { return Self { canary_soak_seconds, ..SIMULATED } };
        Self {
            frontend_seconds: seconds,
            backend_seconds: seconds,
            compute_node_seconds: seconds,
            image_seconds: SIMULATED.image_seconds,
            canary_soak_seconds,
            measured_by: Some(name),
        }
    }

    pub(super) const fn of_node(&self, component: Component) -> u64 {
        match component {
            Component::Frontend | Component::FrontendProxy => self.frontend_seconds,
            Component::Backend => self.backend_seconds,
            Component::ComputeNode => self.compute_node_seconds,
        }
    }

    /// What the estimate rests on, as a clause.
    pub fn basis(&self) -> String {
        match &self.measured_by {
            Some(name) => format!("estimated from {} s for each node, measured by StarRocksUpgrade {name}", self.backend_seconds),
            None => format!(
                "estimated from {}, {} and {} s for each FE, BE and CN, measured on simulated nodes",
                self.frontend_seconds, self.backend_seconds, self.compute_node_seconds
            ),
        }
    }
}
