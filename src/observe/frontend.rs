//! What one frontend, asked on its own address, says of itself.

use std::time::Duration;

use tokio::time::Instant;

use super::ask::{Asker, BOOTSTRAP, Frontend, unreadable};
use crate::model::starrocks::FrontendReport;
use crate::model::{Answer, FrontendSetting, Query, Silence};
use crate::starrocks::parse;

/// How much of the pass a single frontend may use for itself, so that a hanging one leaves time to ask another about the group.
pub(super) const SHARE: Duration = Duration::from_secs(4);

/// Path that tells journal and image positions.
const SHOW_HA: &str = "/api/show_meta_info?action=SHOW_HA";

/// What a frontend is asked beyond its version, readiness and settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Further {
    /// Journal and image positions.
    pub(super) availability: bool,
    /// The queries that it coordinates.
    pub(super) queries: bool,
}

/// Asks a frontend for its version, readiness and settings, and for what else matters now.
pub(super) async fn report(asker: &Asker<'_>, at: &Frontend, further: Further) -> FrontendReport {
    let own = Asker { deadline: asker.deadline.min(Instant::now() + SHARE), ..*asker };
    let by_sql = async {
        let version = version(&own, at).await;
        // One silence is enough: six more questions would only wait as long.
        let settings = match version.silence() {
            Some(silence) => Answer::Failed(silence.clone()),
            None => settings(&own, at).await.into(),
        };
        let queries = match (further.queries, version.silence()) {
            (false, _) => Answer::NotAsked,
            (true, Some(silence)) => Answer::Failed(silence.clone()),
            (true, None) => queries(&own, at).await.into(),
        };
        (version, settings, queries)
    };
    let by_http = async {
        let serving = serving(&own, at).await;
        let availability = match (further.availability, serving.silence()) {
            (false, _) => Answer::NotAsked,
            (true, Some(silence)) => Answer::Failed(silence.clone()),
            (true, None) => availability(&own, at).await.into(),
        };
        (serving, availability)
    };
    let ((version, settings, queries), (serving, availability)) = tokio::join!(by_sql, by_http);
    FrontendReport { version, serving, settings, availability, queries }
}

/// One row is one query.
async fn queries(asker: &Asker<'_>, at: &Frontend) -> Result<u64, Silence> {
    let rows = asker.query(at, &Query::ShowCurrentQueries).await?;
    parse::current_queries(&rows).map_err(|error| unreadable(&error))
}

async fn version(asker: &Asker<'_>, at: &Frontend) -> Answer<String> {
    let answer = asker.query(at, &Query::VersionComment).await;
    answer.and_then(|rows| parse::single_text(&rows).map_err(|error| unreadable(&error))).into()
}

async fn settings(asker: &Asker<'_>, at: &Frontend) -> Result<std::collections::BTreeMap<String, String>, Silence> {
    let mut found = Vec::new();
    for setting in FrontendSetting::ALL {
        let rows = asker.query(at, &Query::ShowFrontendConfig(setting)).await?;
        found.push((setting, parse::setting(&rows, setting).map_err(|error| unreadable(&error))?));
    }
    Ok(parse::settings(found))
}

async fn serving(asker: &Asker<'_>, at: &Frontend) -> Answer<bool> {
    let answer = asker.get(at, BOOTSTRAP).await;
    answer.and_then(|answer| parse::bootstrap(&answer).map_err(|error| unreadable(&error))).into()
}

async fn availability(asker: &Asker<'_>, at: &Frontend) -> Result<crate::model::starrocks::Availability, Silence> {
    let answer = asker.get(at, SHOW_HA).await?;
    parse::availability(&answer).map_err(|error| unreadable(&error))
}
