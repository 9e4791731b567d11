//! Watches: a position in history in, a stream of framed events out; sleeps until something changes and never polls.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, Stream};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;
use tower::BoxError;

use super::call::{Addressed, Call, show};
use super::error::ApiError;
use super::gate::Backend;
use super::http::{Pulse, Shared};
use super::reads::{Filter, too_new};
use super::store::{EventKind, Store, WatchEvent};
use crate::model::Timestamp;

/// How long a watch lasts that names no end.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(45 * 60);
/// How often an idle watch learns the present revision.
const BOOKMARK_INTERVAL: Duration = Duration::from_secs(60);

/// A watch as the client asked for it.
pub(super) struct Watch<B> {
    shared: Arc<Shared<B>>,
    pulse: watch::Receiver<Pulse>,
    call: Call,
    addressed: Addressed,
    filter: Filter,
    position: u64,
    bookmarks: bool,
    deadline: Instant,
    next_bookmark: Instant,
    queue: VecDeque<Bytes>,
    cuts: u64,
    ended: bool,
}

fn framed(kind: &str, object: &Value) -> Bytes {
    let mut line = json!({ "type": kind, "object": object }).to_string();
    line.push('\n');
    Bytes::from(line)
}

impl<B: Backend> Watch<B> {
    /// Starts a watch; what it begins with is queued at once, so that nothing is lost between this and the first poll.
    pub fn open(shared: &Arc<Shared<B>>, store: &Store, call: Call) -> Result<Self, ApiError> {
        let addressed = call.address(store.registry())?;
        let filter = Filter::of(&call, &addressed)?;
        let pulse = shared.subscribe();
        let cuts = pulse.borrow().cuts;
        let start = Instant::now();
        let timeout = call.query.number("timeoutSeconds").filter(|seconds| *seconds > 0).map_or(DEFAULT_TIMEOUT, Duration::from_secs);
        let bookmarks = call.query.flag("allowWatchBookmarks") && call.query.text("allowWatchBookmarks").is_some();
        let asked = call.query.number("resourceVersion").unwrap_or(0);
        if asked > store.revision() {
            return Err(too_new(asked, store.revision()));
        }
        let mut watch = Self {
            shared: shared.clone(),
            pulse,
            addressed,
            filter,
            position: asked,
            bookmarks,
            deadline: start + timeout,
            next_bookmark: start + BOOKMARK_INTERVAL,
            queue: VecDeque::new(),
            cuts,
            ended: false,
            call,
        };
        let initial = watch.call.query.text("sendInitialEvents");
        let streaming_list = initial == Some("true");
        if streaming_list || (asked == 0 && initial.is_none()) {
            watch.queue_everything(store, streaming_list);
        } else {
            watch.queue_events(store);
        }
        Ok(watch)
    }

    fn queue_everything(&mut self, store: &Store, streaming_list: bool) {
        for object in store.list_shared(&self.addressed.resource.kind, self.filter.namespace()).filter(|object| self.filter.matches(object))
        {
            self.queue.push_back(framed("ADDED", &show(&self.call, &self.addressed, object, store.now())));
        }
        self.position = store.revision();
        if streaming_list && self.bookmarks {
            self.queue.push_back(self.bookmark(true));
        }
    }

    fn queue_events(&mut self, store: &Store) {
        let frames: Vec<Bytes> = match store.events_since(self.position) {
            Err(gone) => {
                self.ended = true;
                vec![framed("ERROR", &ApiError::expired(gone.asked, gone.oldest).to_status())]
            }
            Ok(events) => {
                let kind = &self.addressed.resource.kind;
                events.filter(|event| event.kind == *kind).filter_map(|event| self.frame(event, store.now())).collect()
            }
        };
        self.queue.extend(frames);
        self.position = store.revision();
    }

    /// What an event means to this watch: an object that leaves the selection is deleted, one that enters it is added.
    fn frame(&self, event: &WatchEvent, now: Timestamp) -> Option<Bytes> {
        let before = event.previous.as_ref().is_some_and(|object| self.filter.matches(object));
        let after = event.event != EventKind::Deleted && self.filter.matches(&event.object);
        let kind = match (before, after) {
            (false, false) => return None,
            (false, true) => "ADDED",
            (true, true) => "MODIFIED",
            (true, false) => "DELETED",
        };
        let mut object = event.object.clone();
        if let (true, false, Some(previous)) = (before, after, &event.previous) {
            let mut last = previous.as_ref().clone();
            last["metadata"]["resourceVersion"] = json!(event.revision.to_string());
            object = Arc::new(last);
        }
        Some(framed(kind, &show(&self.call, &self.addressed, &object, now)))
    }

    fn bookmark(&self, ends_initial_events: bool) -> Bytes {
        let api_version = self.addressed.resource.api_version(&self.addressed.version.name);
        let mut object = json!({
            "kind": self.addressed.resource.kind, "apiVersion": api_version,
            "metadata": { "resourceVersion": self.position.to_string(), "creationTimestamp": null },
        });
        if ends_initial_events {
            object["metadata"]["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
        }
        framed("BOOKMARK", &object)
    }

    async fn next_frame(&mut self) -> Option<Result<Bytes, BoxError>> {
        loop {
            let pulse = *self.pulse.borrow_and_update();
            if pulse.silent && pulse.cuts == self.cuts && self.pulse.changed().await.is_ok() {
                continue;
            }
            if let Some(frame) = self.queue.pop_front() {
                return Some(Ok(frame));
            }
            if self.ended {
                return None;
            }
            if pulse.cuts != self.cuts {
                self.ended = true;
                return Some(Err("connection reset by peer".into()));
            }
            let shared = self.shared.clone();
            shared.with_store(|store| self.queue_events(store));
            if !self.queue.is_empty() {
                continue;
            }
            let wake = self.deadline.min(self.next_bookmark);
            tokio::select! {
                changed = self.pulse.changed() => {
                    if changed.is_err() {
                        self.ended = true;
                    }
                }
                () = tokio::time::sleep_until(wake) => self.on_time(),
            }
        }
    }

    fn on_time(&mut self) {
        let now = Instant::now();
        if now >= self.next_bookmark {
            self.next_bookmark = now + BOOKMARK_INTERVAL;
            if self.bookmarks {
                self.queue.push_back(self.bookmark(false));
            }
        }
        if now >= self.deadline {
            self.ended = true;
        }
    }

    /// The frames of this watch until it times out, falls out of history or is cut.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, BoxError>> + Send + 'static {
        stream::unfold(self, |mut watch| async move { watch.next_frame().await.map(|frame| (frame, watch)) })
    }
}
