//! One snapshot of a warehouse: its own objects and nodes, the frontends of its cluster, and what is asked only when it is made or dropped.

use tokio::time::Instant;

use super::ask::{Asker, Frontend, unreadable};
use super::caches::{Caches, Place};
use super::snapshot::{DEADLINE, observe};
use crate::api::StarRocksClusterStatus;
use crate::model::{Answer, Cluster, Component, ObjectKind, Observed, Query, Silence, Timestamp, WarehouseReport};
use crate::starrocks::{Login, StarRocks, parse};

/// Path that lists the features of a frontend's edition; needs no login.
const FEATURES: &str = "/api/v2/feature";
/// The feature that warehouses need.
const MULTI_WAREHOUSE: &str = "multi-warehouse";

/// Observes a warehouse. `report` says what its resource tells; answers are filled in.
pub async fn observe_warehouse(
    warehouse: &Cluster,
    caches: &Caches,
    starrocks: &dyn StarRocks,
    login: &Result<Login, Silence>,
    status: &StarRocksClusterStatus,
    mut report: WarehouseReport,
    now: Timestamp,
) -> Observed {
    let mut observed = observe(warehouse, caches, starrocks, login, status, now).await;
    let made = observed.object(ObjectKind::StatefulSet, &Component::ComputeNode.workload_name(&warehouse.name)).is_some();
    let begins = !report.deleting && !report.held && !made;
    let ends = report.deleting && observed.pods_of(Component::ComputeNode).next().is_none();
    if begins || ends {
        let answers = |pod: &&crate::model::Pod| observed.frontends.get(&pod.name).is_some_and(|report| report.version.known().is_some());
        let asker = Asker { starrocks, login, deadline: Instant::now() + DEADLINE };
        let at = match observed.pods_of(Component::Frontend).find(answers) {
            Some(pod) => Frontend::in_pod(&asker, pod, &warehouse.frontend).await,
            None => None,
        };
        if let Some(at) = at {
            if begins {
                report.feature = has_feature(&asker, &at).await;
            }
            report.names = names(&asker, &at).await;
        }
    }
    observed.warehouse = Some(report);
    observed
}

/// What the caches hold of a warehouse about whose frontends nothing is known.
pub fn remains_of_warehouse(place: &Place, uid: &str, caches: &Caches, report: WarehouseReport, now: Timestamp) -> Observed {
    let belongings = caches.belongings(place, uid);
    Observed { objects: belongings.objects, pods: belongings.pods, warehouse: Some(report), ..Observed::empty(now) }
}

async fn has_feature(asker: &Asker<'_>, at: &Frontend) -> Answer<bool> {
    let answer = asker.get(at, FEATURES).await;
    answer
        .and_then(|answer| parse::features(&answer).map_err(|error| unreadable(&error)))
        .map(|names| names.iter().any(|name| name == MULTI_WAREHOUSE))
        .into()
}

async fn names(asker: &Asker<'_>, at: &Frontend) -> Answer<Vec<String>> {
    let rows = asker.query(at, &Query::ShowWarehouses).await;
    rows.map(|rows| rows.iter().map(|row| row.words(&["Name", "WarehouseName"]).to_owned()).collect()).into()
}
