//! What the group says through whichever frontend answers first; an election is reported as such and never papered over.

use std::time::Duration;

use super::ask::{Asker, Frontend, unreadable};
use super::depth::{self, Depth};
use crate::model::component::pod_of_host;
use crate::model::starrocks::{FrontendRole, FrontendRow, GroupReport};
use crate::model::{Answer, Query, Silence, Timestamp};
use crate::starrocks::{RowError, Rows, Zone, parse};

/// A follower whose leader was cut off from the network keeps SHOW FRONTENDS waiting for 40 s (real-fe.md §3); then another one is asked.
const PATIENCE: Duration = Duration::from_secs(3);

/// Path of a frontend's metrics; they need no login (real-fe.md §8).
const METRICS: &str = "/metrics";

/// Asks the frontends in turn until one answers, then asks that one everything.
pub(super) async fn report(asker: &Asker<'_>, candidates: &[Frontend], depth: &Depth, now: Timestamp) -> GroupReport {
    let mut last: Option<(String, Silence)> = None;
    for frontend in candidates {
        match asker.query_within(frontend, &Query::ShowFrontends, PATIENCE).await {
            Ok(frontends) => return ask_all(asker, frontend, candidates, &frontends, depth, now).await,
            Err((silence, another)) => {
                last = Some((frontend.pod.clone(), silence));
                if !another {
                    break;
                }
            }
        }
    }
    last.map(|(pod, silence)| silent(pod, &silence)).unwrap_or_default()
}

/// The report when nobody answered: what failed for one question fails for all that are forwarded to the leader.
pub(super) fn silent(asked: String, silence: &Silence) -> GroupReport {
    GroupReport {
        asked: Some(asked),
        frontends: Answer::Failed(silence.clone()),
        backends: Answer::Failed(silence.clone()),
        compute_nodes: Answer::Failed(silence.clone()),
        statistic: Answer::Failed(silence.clone()),
        ..GroupReport::default()
    }
}

async fn ask_all(
    asker: &Asker<'_>,
    at: &Frontend,
    candidates: &[Frontend],
    frontends: &Rows,
    depth: &Depth,
    now: Timestamp,
) -> GroupReport {
    let backends = asker.query(at, &Query::ShowBackends).await;
    let compute_nodes = asker.query(at, &Query::ShowComputeNodes).await;
    let statistic = asker.query(at, &Query::ShowStatistic).await;
    let answered = [Some(frontends), backends.as_ref().ok(), compute_nodes.as_ref().ok()];
    let zone = Zone::estimate(answered.into_iter().flatten(), now);
    let further = depth::ask(asker, at, depth, statistic.as_ref()).await;
    let frontends = read(Ok(frontends.clone()), |rows| parse::frontends(rows, zone));
    let leader = if depth.journal { leader(&frontends, candidates) } else { None };
    let journal_since_image = match leader {
        Some(leader) => journal_since_image(asker, leader).await.into(),
        None => Answer::NotAsked,
    };
    GroupReport {
        asked: Some(at.pod.clone()),
        frontends,
        backends: read(backends, |rows| parse::backends(rows, zone)),
        compute_nodes: read(compute_nodes, |rows| parse::backends(rows, zone)),
        statistic: read(statistic, parse::statistic),
        replicas: further.replicas,
        single_replica_tables: further.single_replica_tables,
        running_jobs: further.running_jobs,
        schema_changes: further.schema_changes,
        routine_loads: further.routine_loads,
        journal_since_image,
    }
}

/// The frontend that leads, among those that can be asked.
fn leader<'f>(frontends: &Answer<Vec<FrontendRow>>, candidates: &'f [Frontend]) -> Option<&'f Frontend> {
    let row = frontends.known()?.iter().find(|row| row.role == FrontendRole::Leader)?;
    candidates.iter().find(|frontend| pod_of_host(&row.host) == frontend.pod || row.host == frontend.http.host)
}

async fn journal_since_image(asker: &Asker<'_>, leader: &Frontend) -> Result<u64, Silence> {
    let answer = asker.get(leader, METRICS).await?;
    parse::journal_since_image(&answer).map_err(|error| unreadable(&error))
}

fn read<T>(answer: Result<Rows, Silence>, reader: impl FnOnce(&Rows) -> Result<T, RowError>) -> Answer<T> {
    answer.and_then(|rows| reader(&rows).map_err(|error| unreadable(&error))).into()
}
