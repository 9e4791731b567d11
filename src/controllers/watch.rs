//! One watch in its own task with its own backoff: list, then follow; a kind that fails delays no other. Never looks at what it carries.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::spread::spread;
use crate::observe::Revision;
use crate::telemetry::{Telemetry, WatchName};

/// Objects in one answer to a list. A whole answer is held parsed before the needed part of it is kept, and a StatefulSet takes 80 KB so: pages of 500 would be
/// most of the operator's memory, for one moment after each start.
const PAGE: u32 = 50;
/// How long a list page or the start of a watch may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The server closes a watch after this time, in seconds; the client notices a dead connection a little later.
const WATCH_SECONDS: u32 = 290;
const IDLE: Duration = Duration::from_secs(300);
const FIRST_PAUSE: Duration = Duration::from_millis(800);
/// While the server says no.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// While the server cannot be reached or is overloaded: that ends at any moment, and then every cluster waits for us.
const LONGEST_OUTAGE_PAUSE: Duration = Duration::from_secs(2);
/// A connection that ends sooner than this counts as a failure, or a broken proxy would be asked without pause.
const SHORTEST_CONNECTION: Duration = Duration::from_secs(1);

/// Where a watch puts what it sees.
pub(super) trait Sink<K>: Send + Sync {
    /// The kept part of an object.
    type Kept: Send;

    /// Keeps the needed part of an object, before anything is stored.
    fn keep(&self, object: K) -> Option<Self::Kept>;

    /// Everything there is, as of a revision.
    fn listed(&self, all: Vec<Self::Kept>, revision: Revision);

    /// Something was added or changed.
    fn seen(&self, kept: Self::Kept);

    /// Something is gone.
    fn gone(&self, object: &K, revision: Revision);

    /// Everything up to a revision has been told.
    fn passed(&self, revision: Revision);
}

/// How a watch connection ended.
enum End {
    /// In the ordinary way: go on from this version.
    Closed(String),
    /// The version is too old: list again.
    Expired,
    /// It failed; go on from this version, or list.
    Failed(Option<String>, Trouble),
}

/// What went wrong.
struct Trouble {
    text: String,
    /// The server was there and would not do it.
    refused: bool,
}

impl Trouble {
    fn silence(text: impl Into<String>) -> Self {
        Self { text: text.into(), refused: false }
    }

    fn of(doing: &str, error: &kube::Error) -> Self {
        let refused = matches!(error, kube::Error::Api(status) if status.code < 500 && status.code != 429);
        Self { text: format!("{doing}: {error}"), refused }
    }
}

/// A watch of one kind in one namespace, or in all.
pub(super) struct Watch<K, S> {
    pub(super) api: Api<K>,
    pub(super) labels: Option<String>,
    pub(super) name: WatchName,
    pub(super) sink: S,
    pub(super) telemetry: Telemetry,
}

impl<K, S> Watch<K, S>
where
    K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
    S: Sink<K>,
{
    /// Watches until told to stop.
    pub(super) async fn run(self: Arc<Self>, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.turn_for_ever() => {}
        }
    }

    async fn turn_for_ever(&self) {
        let mut version: Option<String> = None;
        let mut failures = 0_u32;
        loop {
            let start = Instant::now();
            let end = match version.take() {
                Some(version) => self.follow(version, &mut failures).await,
                None => match self.list().await {
                    Ok(version) => self.follow(version, &mut failures).await,
                    Err(trouble) => End::Failed(None, trouble),
                },
            };
            let trouble = match end {
                End::Closed(next) => {
                    version = Some(next);
                    (start.elapsed() < SHORTEST_CONNECTION)
                        .then(|| Trouble { text: "the server closes the connection at once".to_owned(), refused: true })
                }
                End::Expired => Some(Trouble { text: "the version to go on from has expired".to_owned(), refused: true }),
                End::Failed(next, text) => {
                    version = next;
                    Some(text)
                }
            };
            let Some(Trouble { text, refused }) = trouble else { continue };
            tracing::debug!(watch = %self.name, error = text, "watch interrupted");
            self.telemetry.health.trouble(&self.name, text);
            self.telemetry.metrics.watch_failure(self.name.kind);
            sleep(pause(&self.name, failures, refused)).await;
            failures = failures.saturating_add(1);
        }
    }

    async fn list(&self) -> Result<String, Trouble> {
        let mut kept = Vec::new();
        let mut params = ListParams { label_selector: self.labels.clone(), limit: Some(PAGE), ..ListParams::default() };
        loop {
            let page = timeout(PATIENCE, self.api.list(&params)).await.map_err(|_| Trouble::silence("no answer to list in time"))?;
            let page = page.map_err(|error| Trouble::of("list", &error))?;
            kept.extend(page.items.into_iter().filter_map(|object| self.sink.keep(object)));
            let version = page.metadata.resource_version.filter(|version| !version.is_empty());
            match (page.metadata.continue_.filter(|token| !token.is_empty()), version) {
                (Some(token), _) => params.continue_token = Some(token),
                (None, Some(version)) => {
                    self.sink.listed(kept, Revision::parse(&version));
                    self.telemetry.health.synced(&self.name);
                    return Ok(version);
                }
                (None, None) => return Err(Trouble { text: "list: no resource version".to_owned(), refused: true }),
            }
        }
    }

    async fn follow(&self, mut version: String, failures: &mut u32) -> End {
        let params =
            WatchParams { label_selector: self.labels.clone(), timeout: Some(WATCH_SECONDS), bookmarks: true, ..WatchParams::default() };
        let mut events = match timeout(PATIENCE, self.api.watch(&params, &version)).await {
            Ok(Ok(events)) => events.boxed(),
            Ok(Err(kube::Error::Api(status))) if status.code == 410 => return End::Expired,
            Ok(Err(error)) => return End::Failed(Some(version), Trouble::of("watch", &error)),
            Err(_) => return End::Failed(Some(version), Trouble::silence("no answer to watch in time")),
        };
        self.telemetry.health.sign_of_life(&self.name);
        loop {
            let event = match timeout(IDLE, events.next()).await {
                Ok(Some(Ok(event))) => event,
                Ok(Some(Err(error))) => return End::Failed(Some(version), Trouble::of("watch", &error)),
                Ok(None) => return End::Closed(version),
                Err(_) => return End::Failed(Some(version), Trouble::silence("the watch went silent")),
            };
            *failures = 0;
            match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    version = object.resource_version().unwrap_or(version);
                    self.take(object, &version);
                }
                WatchEvent::Deleted(object) => {
                    version = object.resource_version().unwrap_or(version);
                    self.sink.gone(&object, Revision::parse(&version));
                }
                WatchEvent::Bookmark(bookmark) => {
                    version = bookmark.metadata.resource_version;
                    self.sink.passed(Revision::parse(&version));
                }
                WatchEvent::Error(status) if status.code == 410 => return End::Expired,
                WatchEvent::Error(status) => {
                    return End::Failed(
                        Some(version),
                        Trouble { text: format!("watch: {status}"), refused: status.code < 500 && status.code != 429 },
                    );
                }
            }
            self.telemetry.health.sign_of_life(&self.name);
        }
    }

    fn take(&self, object: K, version: &str) {
        match self.sink.keep(object) {
            Some(kept) => self.sink.seen(kept),
            None => self.sink.passed(Revision::parse(version)),
        }
    }
}

/// 0.8, 1.6 … 30 s after refusals, at most 2 s in an outage, spread by up to half so that watches that failed together do not come back
/// together.
fn pause(name: &WatchName, failures: u32, refused: bool) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1_u32.checked_shl(failures.min(16)).unwrap_or(u32::MAX));
    spread(doubled.min(if refused { LONGEST_PAUSE } else { LONGEST_OUTAGE_PAUSE }), 50, &(name, failures))
}

#[cfg(test)]
mod tests;
