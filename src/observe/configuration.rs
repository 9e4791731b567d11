//! What running nodes show of a configuration that changed; asked only while a change on record is to be set in them.

use futures::future::join_all;

use super::ask::{Asker, Frontend, unreadable};
use crate::api::StarRocksClusterStatus;
use crate::model::configuration::awaited;
use crate::model::{Answer, Cluster, Component, ConfigurationReport, Query};
use crate::starrocks::parse;

/// A key of every backend and compute node.
const EVERYWHERE: &str = "be_port";

/// Asks each frontend about its own keys, and one of them about those of the other nodes.
pub(super) async fn report(
    asker: &Asker<'_>,
    frontends: &[Frontend],
    cluster: &Cluster,
    status: &StarRocksClusterStatus,
) -> ConfigurationReport {
    let mut report = ConfigurationReport::default();
    let keys = awaited(cluster, status, Component::Frontend);
    if !keys.is_empty() {
        let answers = frontends.iter().map(|at| async {
            let rows = asker.query(at, &Query::ShowFrontendConfiguration).await;
            let read = rows.and_then(|rows| parse::frontend_configuration(&rows, &keys).map_err(|error| unreadable(&error)));
            (at.pod.clone(), Answer::from(read))
        });
        report.frontends = join_all(answers).await.into_iter().collect();
    }
    let changed: Vec<String> =
        awaited(cluster, status, Component::Backend).union(&awaited(cluster, status, Component::ComputeNode)).cloned().collect();
    if let Some(at) = frontends.first().filter(|_| !changed.is_empty()) {
        // A node without any of the keys is told by this one, which every release has, from a node that is not in the answer.
        let keys = changed.into_iter().chain([EVERYWHERE.to_owned()]).collect();
        let rows = asker.query(at, &Query::NodeConfiguration { keys }).await;
        report.nodes = rows.and_then(|rows| parse::node_configuration(&rows).map_err(|error| unreadable(&error))).into();
    }
    report
}
