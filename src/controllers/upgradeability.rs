//! Keeps the Operator Lifecycle Manager (v0) from replacing this operator while it brings a database to another release. Without OLM v0 it does nothing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::context::Context;
use super::subject::Subject;
use crate::api::{OperationKind, StarRocksClusterStatus};
use crate::apply::{Heard, Upgradeable, tell_upgradeable};

/// How long an upgrade waits for OLM to hear of it. OLM refuses as soon as it is written; waiting for its answer only makes sure that it had not just decided otherwise.
const PATIENCE: Duration = Duration::from_secs(60);
/// How soon OLM's answer is read again.
const SOON: Duration = Duration::from_secs(1);
/// How soon a request that failed is repeated.
const RETRY: Duration = Duration::from_secs(5);
/// How often the condition is read at rest, should somebody have changed it.
const NOW_AND_THEN: Duration = Duration::from_secs(300);
/// Code of `WaitingOn::WindowClosed`.
const WINDOW_CLOSED: &str = "SR-2217";
/// How many clusters the message names.
const NAMED: usize = 5;

/// Which databases keep this operator, and whether OLM knows.
#[derive(Debug)]
pub(super) struct Upgradeability {
    /// Name of the OperatorCondition in the operator's namespace; `None` without OLM v0.
    condition: Option<String>,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    held: BTreeMap<Subject, Held>,
    /// Whether OLM has heard that the operator should stay, or never will.
    heard: bool,
}

#[derive(Debug)]
struct Held {
    way: String,
    since: Instant,
}

impl Upgradeability {
    pub(super) fn new(condition: Option<String>) -> Self {
        Self { condition, state: Mutex::default(), changed: Notify::new() }
    }

    /// Notes how a database stands by a status that is to be published, and tells whether to go on with it: not before OLM knows of an upgrade.
    pub(super) fn lets(&self, subject: &Subject, status: &StarRocksClusterStatus) -> bool {
        if self.condition.is_none() {
            return true;
        }
        let Some(way) = way(status) else {
            self.release(subject);
            return true;
        };
        let mut state = self.lock();
        if !state.held.contains_key(subject) {
            state.held.insert(subject.clone(), Held { way, since: Instant::now() });
            self.changed.notify_one();
        }
        state.heard || state.held.get(subject).is_some_and(|held| held.since.elapsed() >= PATIENCE)
    }

    /// Notes that a database does not need this operator to stay any more.
    pub(super) fn release(&self, subject: &Subject) {
        let mut state = self.lock();
        if state.held.remove(subject).is_some() {
            state.heard &= !state.held.is_empty();
            self.changed.notify_one();
        }
    }

    fn wanted(&self) -> Upgradeable {
        let state = self.lock();
        if state.held.is_empty() {
            return Upgradeable::Yes;
        }
        let mut named: Vec<String> = state.held.iter().take(NAMED).map(|(subject, held)| format!("{subject} {}", held.way)).collect();
        if state.held.len() > NAMED {
            named.push(format!("{} more", state.held.len() - NAMED));
        }
        Upgradeable::No { message: named.join(", ") }
    }

    /// Notes that OLM knows, or that there is nobody to know; returns whose passes may go on.
    fn believe(&self) -> Vec<Subject> {
        let mut state = self.lock();
        if state.heard || state.held.is_empty() {
            return Vec::new();
        }
        state.heard = true;
        state.held.keys().cloned().collect()
    }

    // Nothing above panics while holding the lock, so a poisoned one still holds whole contents.
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// From where to where a database is under way with nothing but this operator to wait for. One that waits for a person or for its window may wait for
/// days; corrections of the operator must not wait as long, and the next operator goes on from what stands in the status.
fn way(status: &StarRocksClusterStatus) -> Option<String> {
    let operation = status.operation.as_ref()?;
    if !matches!(operation.kind, OperationKind::Upgrade | OperationKind::Downgrade) {
        return None;
    }
    let is_stalled = status.conditions.iter().any(|condition| condition.condition_type == "Stalled" && condition.status == "True");
    let awaits_window = status.blocked.iter().any(|blocked| blocked.code == WINDOW_CLOSED);
    let [from, to] = [&operation.from, &operation.to].map(|release| release.as_deref().unwrap_or("?"));
    (!is_stalled && !awaits_window).then(|| format!("{from} to {to}"))
}

/// Tells OLM for as long as the operator serves.
pub(super) async fn keep_told(context: Arc<Context>) {
    let own = &context.upgradeability;
    let Some(name) = own.condition.clone() else { return };
    let namespace = context.settings.operator_namespace.clone();
    // What was under way when the last operator ended still is; until that is known the condition stays as that one left it.
    while !context.telemetry.health.readiness_faults().is_empty() {
        sleep(SOON).await;
    }
    for place in context.clusters.names() {
        let resource = context.clusters.get(&place).filter(|resource| !resource.deleting && !resource.ignored);
        if let Some(resource) = resource.filter(|resource| way(&resource.status).is_some()) {
            own.lets(&Subject::Cluster(place), &resource.status);
        }
    }
    loop {
        let wanted = own.wanted();
        let told = tell_upgradeable(&context.hands.client, (&namespace, &name), &wanted, context.settings.clock.now()).await;
        let pause = match told {
            Ok(Heard::NotYet) if wanted != Upgradeable::Yes => SOON,
            Ok(heard) => {
                if heard == Heard::ByNobody {
                    tracing::warn!(
                        operator_condition = name,
                        "there is no such OperatorCondition for us: OLM may replace this operator at any time"
                    );
                }
                if wanted != Upgradeable::Yes {
                    own.believe().into_iter().for_each(|subject| context.queue.add(subject));
                }
                NOW_AND_THEN
            }
            Err(error) => {
                tracing::debug!(operator_condition = name, %error, "not told; trying again");
                RETRY
            }
        };
        tokio::select! {
            () = own.changed.notified() => {}
            () = sleep(pause) => {}
        }
    }
}
