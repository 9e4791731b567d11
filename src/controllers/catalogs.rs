//! Version catalogs that the watch has seen in, what is known of releases out, and what each catalog is told in its status; one with a fault is left out.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::ResourceExt;
use kube::api::DynamicObject;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::context::Context;
use crate::api::{Condition, StarRocksVersionCatalogSpec, StarRocksVersionCatalogStatus};
use crate::apply;
use crate::model::Timestamp;
use crate::release::{Catalog, CatalogFault, CatalogSource, FaultKind};
use crate::validate;

/// How long clusters wait for the first list of catalogs. After that they go on without, and none moves along a channel.
const PATIENCE: Duration = Duration::from_secs(10);
/// How soon a status that could not be written is tried again.
const NEXT_TRY: Duration = Duration::from_secs(15);
/// Faults that are told in one message.
const TOLD: usize = 20;

/// What is known of catalogs.
#[derive(Debug)]
pub(super) struct Catalogs {
    state: Mutex<State>,
    changed: Notify,
    /// Who else hears what is known of releases.
    hears: Option<watch::Sender<Arc<Catalog>>>,
}

#[derive(Debug)]
struct State {
    seen: BTreeMap<String, Seen>,
    merged: Arc<Catalog>,
    /// Faults of those left out.
    faults: BTreeMap<String, Vec<CatalogFault>>,
    /// Whether everything there is has been seen once.
    complete: bool,
    since: Instant,
}

/// A catalog as last seen.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    resource_version: String,
    generation: i64,
    status: StarRocksVersionCatalogStatus,
    channels: usize,
    releases: usize,
    source: Result<CatalogSource, Vec<CatalogFault>>,
}

impl Seen {
    /// Reads a catalog; one that cannot be read has that for its fault.
    pub(super) fn read(object: &DynamicObject) -> (String, Self) {
        let part = |name: &str| object.data.get(name).cloned().unwrap_or_default();
        let spec: Result<StarRocksVersionCatalogSpec, _> = serde_json::from_value(part("spec"));
        let seen = Self {
            resource_version: object.resource_version().unwrap_or_default(),
            generation: object.metadata.generation.unwrap_or(0),
            status: serde_json::from_value(part("status")).unwrap_or_default(),
            channels: spec.as_ref().map_or(0, |spec| spec.channels.len()),
            releases: spec.as_ref().map_or(0, |spec| spec.releases.len()),
            source: match &spec {
                Ok(spec) => validate::catalog(spec),
                Err(error) => {
                    let rule = format!("the resource cannot be read: {error}");
                    Err(vec![CatalogFault::new(FaultKind::Unreadable, "spec", rule, "Correct the field")])
                }
            },
        };
        (object.name_any(), seen)
    }
}

impl Catalogs {
    /// Nothing seen yet. Where catalogs are not watched at all, because no right reaches beyond namespaces, there is nothing to be waited for.
    pub(super) fn new(watched: bool, hears: Option<watch::Sender<Arc<Catalog>>>) -> Self {
        let embedded = Catalog::embedded();
        let merged = if watched { Arc::new(Catalog::clone(&embedded).incomplete()) } else { embedded };
        let state = State { seen: BTreeMap::new(), merged, faults: BTreeMap::new(), complete: !watched, since: Instant::now() };
        let catalogs = Self { state: Mutex::new(state), changed: Notify::new(), hears };
        catalogs.tell_others(&catalogs.lock());
        catalogs
    }

    /// What is known of releases.
    pub(super) fn merged(&self) -> Arc<Catalog> {
        Arc::clone(&self.lock().merged)
    }

    /// Whether clusters may be looked at: all catalogs have been seen, or they have been waited for long enough.
    pub(super) fn is_known(&self) -> bool {
        let state = self.lock();
        state.complete || state.since.elapsed() >= PATIENCE
    }

    /// Everything there is. Returns whether what is known of releases has changed.
    pub(super) fn replace(&self, all: Vec<(String, Seen)>) -> bool {
        self.change(|state| {
            state.seen = all.into_iter().collect();
            state.complete = true;
        })
    }

    /// One was added or changed.
    pub(super) fn put(&self, name: String, seen: Seen) -> bool {
        self.change(|state| _ = state.seen.insert(name, seen))
    }

    /// One is gone.
    pub(super) fn remove(&self, name: &str) -> bool {
        self.change(|state| _ = state.seen.remove(name))
    }

    fn change(&self, change: impl FnOnce(&mut State)) -> bool {
        let mut state = self.lock();
        change(&mut state);
        let sources: BTreeMap<String, CatalogSource> =
            state.seen.iter().filter_map(|(name, seen)| Some((name.clone(), seen.source.clone().ok()?))).collect();
        let merged = Catalog::merged(&sources);
        let unreadable = state.seen.iter().filter_map(|(name, seen)| Some((name.clone(), seen.source.clone().err()?)));
        state.faults = unreadable.chain(merged.faults).collect();
        let catalog = if state.complete { merged.catalog } else { merged.catalog.incomplete() };
        let differs = *state.merged != catalog;
        if differs {
            state.merged = Arc::new(catalog);
            self.tell_others(&state);
        }
        self.changed.notify_one();
        differs
    }

    /// Catalogs whose status is not what it should be: name, version, present and wanted status.
    fn untold(&self, now: Timestamp) -> Vec<(String, String, StarRocksVersionCatalogStatus, StarRocksVersionCatalogStatus)> {
        let state = self.lock();
        let all = state.seen.iter().map(|(name, seen)| {
            let faults = state.faults.get(name).map_or(&[][..], Vec::as_slice);
            (name.clone(), seen.resource_version.clone(), seen.status.clone(), wanted_status(seen, faults, now))
        });
        all.filter(|(_, _, present, wanted)| present != wanted).collect()
    }

    /// A status was written.
    fn told(&self, name: &str, resource_version: String, status: StarRocksVersionCatalogStatus) {
        if let Some(seen) = self.lock().seen.get_mut(name) {
            seen.resource_version = resource_version;
            seen.status = status;
        }
    }

    fn tell_others(&self, state: &State) {
        if let Some(hears) = &self.hears {
            hears.send_replace(Arc::clone(&state.merged));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wanted_status(seen: &Seen, faults: &[CatalogFault], now: Timestamp) -> StarRocksVersionCatalogStatus {
    let (status, reason) = if faults.is_empty() { ("True", "Merged") } else { ("False", "Refused") };
    let message = match faults {
        [] => "the catalog is in use".to_owned(),
        faults => {
            let mut lines: Vec<String> = faults.iter().take(TOLD).map(ToString::to_string).collect();
            if faults.len() > TOLD {
                lines.push(format!("And {} more.", faults.len() - TOLD));
            }
            format!("the catalog is left out. {}", lines.join(" "))
        }
    };
    let same = seen.status.conditions.iter().find(|condition| condition.condition_type == "Accepted" && condition.status == status);
    let since = same.map(|condition| condition.last_transition_time.clone()).filter(|time| !time.is_empty());
    let number = |count: usize| Some(i32::try_from(count).unwrap_or(i32::MAX));
    StarRocksVersionCatalogStatus {
        observed_generation: Some(seen.generation),
        conditions: vec![Condition {
            condition_type: "Accepted".to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message,
            last_transition_time: since.unwrap_or_else(|| now.to_seconds_text()),
            observed_generation: Some(seen.generation),
        }],
        channels: number(seen.channels),
        releases: number(seen.releases),
    }
}

/// Writes the statuses of catalogs as they change, until told to stop. No cluster waits for it.
pub(super) async fn tell(context: Arc<Context>, stop: CancellationToken) {
    loop {
        let mut troubled = false;
        for (name, version, present, wanted) in context.catalogs.untold(context.settings.clock.now()) {
            match apply::publish_catalog_status(&context.hands.client, &name, &version, &present, &wanted).await {
                Ok(written) => context.catalogs.told(&name, written.unwrap_or(version), wanted),
                // The watch tells what has become of it.
                Err(apply::ApplyError::Conflict | apply::ApplyError::Gone) => troubled = true,
                Err(error) => {
                    tracing::warn!(catalog = name, %error, "the status of a version catalog was not written");
                    troubled = true;
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = context.catalogs.changed.notified() => {}
            () = sleep(NEXT_TRY), if troubled => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn seen(spec: Value) -> (String, Seen) {
        let object = json!({"metadata": {"name": "mine", "resourceVersion": "7", "generation": 2}, "spec": spec});
        Seen::read(&serde_json::from_value(object).expect("an object"))
    }

    #[tokio::test(start_paused = true)]
    async fn clusters_wait_for_catalogs_and_not_for_ever() {
        let catalogs = Catalogs::new(true, None);
        assert!(!catalogs.is_known() && !catalogs.merged().is_complete());
        tokio::time::advance(PATIENCE).await;
        assert!(catalogs.is_known() && !catalogs.merged().is_complete(), "nothing moves along a channel meanwhile");
        assert!(catalogs.replace(Vec::new()));
        assert!(catalogs.merged().is_complete());
        assert!(Catalogs::new(false, None).is_known() && Catalogs::new(false, None).merged().is_complete());
    }

    #[tokio::test(start_paused = true)]
    async fn others_in_the_process_hear_what_is_known() {
        let (hears, heard) = watch::channel(Catalog::embedded());
        let catalogs = Catalogs::new(true, Some(hears));
        assert!(!heard.borrow().is_complete());
        catalogs.replace(Vec::new());
        assert!(heard.borrow().is_complete());
        let (name, sound) = seen(json!({"package": "starrocks", "releases": [{"version": "3.5.25"}]}));
        catalogs.put(name, sound);
        assert_eq!(*heard.borrow(), catalogs.merged());
    }

    #[tokio::test(start_paused = true)]
    async fn a_broken_catalog_is_told_and_changes_nothing() {
        let catalogs = Catalogs::new(true, None);
        catalogs.replace(Vec::new());
        for (spec, code) in [
            (json!({"package": "starrocks", "releases": [{"version": "3.4.1"}]}), "SR-3108"),
            (json!({"package": "mysql"}), "SR-3101"),
            (json!({"package": "starrocks", "channels": 5}), "SR-3100"),
        ] {
            let (name, seen) = seen(spec);
            assert!(!catalogs.put(name, seen), "{code}");
            let (_, version, _, wanted) = catalogs.untold(Timestamp::from_seconds(1)).remove(0);
            let accepted = &wanted.conditions[0];
            assert_eq!((version.as_str(), accepted.status.as_str(), accepted.reason.as_str()), ("7", "False", "Refused"));
            assert!(accepted.message.contains(code), "{}", accepted.message);
        }
        let (name, sound) = seen(json!({"package": "starrocks", "releases": [{"version": "3.5.25"}]}));
        assert!(catalogs.put(name, sound));
        let (name, _, _, wanted) = catalogs.untold(Timestamp::from_seconds(1)).remove(0);
        assert_eq!((wanted.conditions[0].status.as_str(), wanted.observed_generation, wanted.releases), ("True", Some(2), Some(1)));
        catalogs.told(&name, "8".to_owned(), wanted);
        assert!(catalogs.untold(Timestamp::from_seconds(99)).is_empty(), "what is told is not told again");
        assert!(catalogs.remove("mine"));
    }
}
