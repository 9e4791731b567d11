//! Pods whose restart is due go in, those that are to wait for their queries come out; remembers only since when each restart has been due.
//!
//! Best effort by design: a node keeps getting new queries until it is stopped, and then ends those that run as its release and its grace
//! period let it (starrocks.md §1.5). So time is bounded, and what nobody could tell counts as running.

use std::time::Duration;

use super::draft::Draft;
use super::health;
use super::view::View;
use crate::api::DrainMark;
use crate::model::{Component, Pod, Timestamp, WaitingOn};

/// Restarts that were not ordered this long after the time of the last of them had come were held up by something else, and are due anew afterwards.
const STALE: Duration = Duration::from_secs(60);

/// What the restart of these pods, which go together, has to wait for; nothing without `drainSeconds`.
pub(super) fn waits(view: &View<'_>, pods: &[&Pod], draft: &mut Draft) -> Vec<WaitingOn> {
    let drain = view.cluster.policy.drain;
    if drain.is_zero() {
        return Vec::new();
    }
    let mut waits = Vec::new();
    let mut marks = Vec::new();
    // A node that is not there for anyone runs nothing.
    let present: Vec<&&Pod> = pods.iter().filter(|pod| health::of_node(view, pod.component, &pod.name).is_none()).collect();
    // Whoever joins the others later holds them up, for so long.
    let last = present.iter().filter_map(|pod| mark_of(view, pod)).map(|(_, since)| since).max();
    let are_fresh = last.is_some_and(|last| view.now() < last + drain + STALE);
    for pod in present {
        let former = mark_of(view, pod).filter(|_| are_fresh);
        let since = former.as_ref().map_or(view.now(), |(_, since)| *since);
        let queries = running(view, pod);
        if queries != Some(0) && view.now() < since + drain {
            waits.push(WaitingOn::QueriesRunning { pod: pod.name.clone(), queries, until: since + drain });
        }
        let since = Some(since.to_seconds_text());
        marks.push(former.map_or_else(|| DrainMark { pod: pod.name.clone(), uid: pod.uid.clone(), since }, |(mark, _)| mark.clone()));
    }
    // Whatever is restarted at once needs no memory.
    let known = |mark: &DrainMark| view.observed.status.operation.as_ref().is_some_and(|operation| operation.drains.contains(mark));
    marks.retain(|mark| !waits.is_empty() || known(mark));
    draft.drains = Some(marks);
    waits
}

/// Puts the marks of this pass into the memory. A pass in which no restart was due keeps those whose pods are still there.
pub(super) fn remember(view: &View<'_>, draft: &mut Draft) {
    let former = view.observed.status.operation.as_ref().map(|operation| operation.drains.clone()).unwrap_or_default();
    let marks = draft.drains.take();
    draft.remember(|operation| {
        operation.drains = marks.unwrap_or_else(|| former.into_iter().filter(|mark| is_there(view, mark)).collect());
    });
}

fn mark_of<'a>(view: &View<'a>, pod: &Pod) -> Option<(&'a DrainMark, Timestamp)> {
    let mark = view.observed.status.operation.as_ref()?.drains.iter().find(|mark| mark.uid == pod.uid)?;
    Some((mark, Timestamp::parse(mark.since.as_deref()?)?))
}

fn is_there(view: &View<'_>, mark: &DrainMark) -> bool {
    view.observed.pods.get(&mark.pod).is_some_and(|pod| pod.uid == mark.uid)
}

/// Queries that run on a node, as far as it was told.
fn running(view: &View<'_>, pod: &Pod) -> Option<u64> {
    match pod.component {
        Component::Frontend => view.report(&pod.name)?.queries.known().copied(),
        Component::Backend | Component::ComputeNode => view.node_row(pod.component, &pod.name)?.running_queries,
        Component::FrontendProxy => Some(0),
    }
}
