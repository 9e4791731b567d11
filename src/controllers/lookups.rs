//! What a resource names and the operator does not watch: looked up when it may have changed, remembered meanwhile so that rest means rest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::time::Instant;

use super::context::{Context, Memories};
use super::subject::Subject;
use crate::api::StarRocksClusterStatus;
use crate::model::cluster::LoginSource;
use crate::model::{Observed, Silence, SilenceKind};
use crate::observe::{self, LookupError};
use crate::release::Catalog;
use crate::starrocks::Login;
use crate::validate::References;

/// How long lookups are good for. ConfigMaps and Secrets that users name are not watched: that would cache every Secret of the
/// Kubernetes cluster. A changed resource, a failed pass and refused credentials look them up again at once.
const FRESH: Duration = Duration::from_secs(1_800);

/// How long ConfigMaps are good for whose changes are to be brought into force: passes come every minute then.
const FRESH_CONFIGURATION: Duration = Duration::from_secs(50);

/// What was looked up for a cluster.
#[derive(Clone, Debug)]
pub(super) struct Remembered {
    generations: [i64; 2],
    at: Instant,
    config_maps: BTreeMap<String, Option<BTreeMap<String, String>>>,
    /// When the ConfigMaps were read.
    config_maps_at: Instant,
    login: Option<(LoginSource, Result<Login, Silence>)>,
}

/// Looks up for one pass.
pub(super) struct Lookups<'a> {
    client: &'a Client,
    memories: &'a Memories,
    subject: &'a Subject,
    /// Of the resource, and of the one that it names.
    generations: [i64; 2],
    releases: Arc<Catalog>,
    status: &'a StarRocksClusterStatus,
    /// Whether changes of ConfigMaps are to be brought into force.
    follows: bool,
}

impl<'a> Lookups<'a> {
    /// Lookups of a pass over the resource of these generations; `status` is that of the cluster.
    pub(super) fn new(context: &'a Context, subject: &'a Subject, generations: [i64; 2], status: &'a StarRocksClusterStatus) -> Self {
        let releases = context.catalogs.merged();
        Self { client: &context.hands.client, memories: &context.memories, subject, generations, releases, status, follows: false }
    }

    /// Reads the ConfigMaps again after a minute, when changes of them are to be brought into force.
    pub(super) fn following(self, follows: bool) -> Self {
        Self { follows, ..self }
    }

    /// The ConfigMaps of the given names.
    pub(super) async fn references(&self, wanted: &BTreeSet<String>) -> Result<References, LookupError> {
        let known = self.fresh().filter(|remembered| wanted.iter().eq(remembered.config_maps.keys()));
        if let Some(remembered) = known.as_ref().filter(|known| !self.follows || known.config_maps_at.elapsed() < FRESH_CONFIGURATION) {
            return Ok(self.found(remembered.config_maps.clone()));
        }
        let config_maps = observe::config_maps(self.client, &self.subject.place().namespace, wanted).await?;
        let now = Instant::now();
        let remembered = known.unwrap_or_else(|| Remembered {
            generations: self.generations,
            at: now,
            config_maps: BTreeMap::new(),
            config_maps_at: now,
            login: None,
        });
        let remembered = Remembered { config_maps: config_maps.clone(), config_maps_at: now, ..remembered };
        self.memories.remember(self.subject, Some(remembered));
        Ok(self.found(config_maps))
    }

    fn found(&self, config_maps: BTreeMap<String, Option<BTreeMap<String, String>>>) -> References {
        References { config_maps, releases: Arc::clone(&self.releases), status: self.status.clone() }
    }

    /// The SQL account.
    pub(super) async fn login(&self, source: &LoginSource) -> Result<Result<Login, Silence>, LookupError> {
        let remembered = self.fresh();
        if let Some((known, login)) = remembered.as_ref().and_then(|remembered| remembered.login.clone())
            && known == *source
            && login.is_ok()
        {
            return Ok(login);
        }
        let login = observe::login(self.client, &self.subject.place().namespace, source).await?;
        let remembered = remembered.map(|remembered| Remembered { login: Some((source.clone(), login.clone())), ..remembered });
        self.memories.remember(self.subject, remembered);
        Ok(login)
    }

    /// Forgets what was looked up when the frontends refuse the login: its Secret may have changed.
    pub(super) fn learn_from(&self, observed: &Observed) {
        let silences = observed.frontends.values().filter_map(|report| report.version.silence());
        if silences.into_iter().any(|silence| silence.kind == SilenceKind::Denied) {
            self.forget();
        }
    }

    /// Forgets what was looked up.
    pub(super) fn forget(&self) {
        self.memories.remember(self.subject, None);
    }

    fn fresh(&self) -> Option<Remembered> {
        let remembered = self.memories.looked_up(self.subject)?;
        (remembered.generations == self.generations && remembered.at.elapsed() < FRESH).then_some(remembered)
    }
}
