//! What all passes share: clients, caches, queue, settings, and what is remembered between two passes over the same cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use super::catalogs::Catalogs;
use super::details::Told;
use super::expectations::Expectations;
use super::logs::Heard;
use super::lookups::Remembered;
use super::queue::Queue;
use super::resources::Resources;
use super::settings::Settings;
use super::subject::Subject;
use super::upgradeability::Upgradeability;
use super::upgrades::Upgrades;
use crate::api::{StarRocksCluster, StarRocksWarehouse};
use crate::apply;
use crate::model::{ObjectKey, Refusal, Timestamp};
use crate::observe::{Caches, Revision, Watched};
use crate::telemetry::Telemetry;

/// Shared by all passes.
pub(super) struct Context {
    pub(super) hands: apply::Context,
    pub(super) caches: Caches,
    pub(super) clusters: Resources<StarRocksCluster>,
    pub(super) warehouses: Resources<StarRocksWarehouse>,
    pub(super) catalogs: Catalogs,
    pub(super) upgrades: Upgrades,
    pub(super) upgradeability: Upgradeability,
    /// When this process began to watch.
    pub(super) began: Timestamp,
    pub(super) queue: Queue<Subject>,
    pub(super) settings: Settings,
    pub(super) telemetry: Telemetry,
    pub(super) watched: BTreeSet<Watched>,
    pub(super) memories: Memories,
}

/// What is remembered of clusters between passes. Losing it costs a few reads and nothing else.
#[derive(Debug, Default)]
pub(super) struct Memories(Mutex<BTreeMap<Subject, Memory>>);

#[derive(Debug, Default)]
struct Memory {
    expected: Option<Expectations>,
    looked_up: Option<Remembered>,
    /// Names that somebody else's objects held when we came.
    taken: BTreeSet<ObjectKey>,
    told: Option<Told>,
    /// Requests that the API server refused for good.
    refusals: Vec<Refusal>,
    heard: Heard,
}

impl Memories {
    /// Whether the caches have seen what the last pass over a cluster did.
    pub(super) fn are_caught_up(&self, subject: &Subject, caches: &Caches, revision: Revision) -> bool {
        let mut all = self.lock();
        let Some(memory) = all.get_mut(subject) else { return true };
        let met = memory.expected.as_mut().is_none_or(|expected| expected.are_met(caches, &subject.place().namespace, revision));
        if met {
            memory.expected = None;
        }
        met
    }

    /// Remembers what must be seen before the next pass.
    pub(super) fn expect(&self, subject: &Subject, expected: Expectations) {
        self.lock().entry(subject.clone()).or_default().expected = Some(expected);
    }

    /// What was looked up for a cluster.
    pub(super) fn looked_up(&self, subject: &Subject) -> Option<Remembered> {
        self.lock().get(subject)?.looked_up.clone()
    }

    /// Remembers what was looked up; `None` forgets it.
    pub(super) fn remember(&self, subject: &Subject, looked_up: Option<Remembered>) {
        self.lock().entry(subject.clone()).or_default().looked_up = looked_up;
    }

    /// Names that were found taken by somebody else's objects, which the caches do not show.
    pub(super) fn taken(&self, subject: &Subject) -> BTreeSet<ObjectKey> {
        self.lock().get(subject).map(|memory| memory.taken.clone()).unwrap_or_default()
    }

    /// Remembers the names that are taken.
    pub(super) fn remember_taken(&self, subject: &Subject, taken: BTreeSet<ObjectKey>) {
        self.lock().entry(subject.clone()).or_default().taken = taken;
    }

    /// When the status was told last.
    pub(super) fn told(&self, subject: &Subject) -> Option<Told> {
        self.lock().get(subject)?.told
    }

    /// Remembers when the status was told last.
    pub(super) fn remember_told(&self, subject: &Subject, told: Option<Told>) {
        self.lock().entry(subject.clone()).or_default().told = told;
    }

    /// Requests that the API server refused for good.
    pub(super) fn refusals(&self, subject: &Subject) -> Vec<Refusal> {
        self.lock().get(subject).map(|memory| memory.refusals.clone()).unwrap_or_default()
    }

    /// Remembers the requests that were refused.
    pub(super) fn remember_refusals(&self, subject: &Subject, refusals: Vec<Refusal>) {
        self.lock().entry(subject.clone()).or_default().refusals = refusals;
    }

    /// What the logs of broken nodes said.
    pub(super) fn heard(&self, subject: &Subject) -> Heard {
        self.lock().get(subject).map(|memory| memory.heard.clone()).unwrap_or_default()
    }

    /// Remembers what the logs of broken nodes said.
    pub(super) fn remember_heard(&self, subject: &Subject, heard: Heard) {
        self.lock().entry(subject.clone()).or_default().heard = heard;
    }

    /// Forgets a cluster that is gone.
    pub(super) fn forget(&self, subject: &Subject) {
        self.lock().remove(subject);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Subject, Memory>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
