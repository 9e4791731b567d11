//! Whether the process is alive and ready: each watch reports signs of life, probes ask; never looks at Kubernetes itself.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long a watch may be silent. A server closes and a client reopens each watch within five minutes, also when nothing happens.
const SILENT: Duration = Duration::from_secs(900);

/// Which watch: a kind, and a namespace unless all are watched at once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchName {
    /// Kubernetes kind.
    pub kind: &'static str,
    /// Namespace; empty for all.
    pub namespace: String,
}

impl fmt::Display for WatchName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() { formatter.write_str(self.kind) } else { write!(formatter, "{} in {}", self.kind, self.namespace) }
    }
}

#[derive(Debug)]
struct Watch {
    last_sign: Instant,
    synced: bool,
    trouble: Option<String>,
}

/// The health of the process.
#[derive(Debug, Default)]
pub struct Health(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    watches: BTreeMap<WatchName, Watch>,
    standby: bool,
    stopping: bool,
}

impl Health {
    /// Health of a process in which nothing runs yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes whether the process waits for leadership: a stand-by is ready, or a rolling update of the operator could never end.
    pub fn stand_by(&self, standby: bool) {
        self.lock().standby = standby;
    }

    /// Notes that the process is shutting down.
    pub fn stopping(&self) {
        self.lock().stopping = true;
    }

    /// Notes that a watch exists.
    pub fn watch_started(&self, name: &WatchName) {
        self.lock().watches.insert(name.clone(), Watch { last_sign: Instant::now(), synced: false, trouble: None });
    }

    /// Notes that a watch has heard from the server: an event, a bookmark, or the end of a connection.
    pub fn sign_of_life(&self, name: &WatchName) {
        self.update(name, |watch| watch.trouble = None);
    }

    /// Notes that a watch has seen everything there is.
    pub fn synced(&self, name: &WatchName) {
        self.update(name, |watch| {
            watch.synced = true;
            watch.trouble = None;
        });
    }

    /// Notes that a watch failed and will be tried again: it is alive, but not well.
    pub fn trouble(&self, name: &WatchName, text: impl Into<String>) {
        let text = text.into();
        self.update(name, |watch| watch.trouble = Some(text));
    }

    /// Whether every watch that covers a namespace has seen everything there is.
    pub fn is_synced(&self, namespace: &str) -> bool {
        let state = self.lock();
        let mut covering = state.watches.iter().filter(|(name, _)| name.namespace.is_empty() || name.namespace == namespace).peekable();
        covering.peek().is_some() && covering.all(|(_, watch)| watch.synced)
    }

    /// What is wrong with the life of the process; empty when alive.
    pub fn liveness_faults(&self) -> Vec<String> {
        let now = Instant::now();
        let state = self.lock();
        let silent = state.watches.iter().filter(|(_, watch)| now.duration_since(watch.last_sign) > SILENT);
        silent
            .map(|(name, watch)| format!("the watch of {name} has been silent for {} s", now.duration_since(watch.last_sign).as_secs()))
            .collect()
    }

    /// What keeps the process from being ready; empty when ready.
    pub fn readiness_faults(&self) -> Vec<String> {
        let state = self.lock();
        if state.stopping {
            return vec!["the operator is shutting down".to_owned()];
        }
        if state.standby {
            return Vec::new();
        }
        if state.watches.is_empty() {
            return vec!["no watch has been started yet".to_owned()];
        }
        let missing = state.watches.iter().filter(|(_, watch)| !watch.synced);
        missing
            .map(|(name, watch)| {
                let trouble = watch.trouble.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
                format!("the watch of {name} has not seen everything yet{trouble}")
            })
            .collect()
    }

    fn update(&self, name: &WatchName, change: impl FnOnce(&mut Watch)) {
        if let Some(watch) = self.lock().watches.get_mut(name) {
            watch.last_sign = Instant::now();
            change(watch);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pods() -> WatchName {
        WatchName { kind: "Pod", namespace: String::new() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_that_falls_silent_ends_liveness_and_one_that_fails_aloud_does_not() {
        let health = Health::new();
        health.watch_started(&pods());
        tokio::time::advance(Duration::from_secs(800)).await;
        health.trouble(&pods(), "forbidden");
        tokio::time::advance(Duration::from_secs(800)).await;
        assert_eq!(health.liveness_faults(), Vec::<String>::new());
        tokio::time::advance(Duration::from_secs(200)).await;
        assert_eq!(health.liveness_faults().len(), 1);
    }

    #[tokio::test]
    async fn readiness_names_the_watch_that_is_missing_and_a_stand_by_is_ready() {
        let health = Health::new();
        assert_eq!(health.readiness_faults().len(), 1);
        health.stand_by(true);
        assert!(health.readiness_faults().is_empty());
        health.stand_by(false);
        health.watch_started(&pods());
        health.trouble(&pods(), "forbidden");
        assert_eq!(health.readiness_faults(), ["the watch of Pod has not seen everything yet: forbidden"]);
        assert!(!health.is_synced("any"));
        health.synced(&pods());
        assert!(health.readiness_faults().is_empty() && health.is_synced("any"));
    }
}
