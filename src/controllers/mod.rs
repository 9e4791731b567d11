//! Kubernetes wiring: watches feed a queue, passes over clusters and warehouses empty it, one process leads; `run` starts it all and ends it in order.

mod catalogs;
mod context;
mod details;
mod expectations;
mod feed;
mod lease;
mod logs;
mod lookups;
mod outcome;
mod pass;
mod queue;
mod refusals;
mod resources;
mod settings;
mod spread;
mod starrocks_cluster;
mod starrocks_warehouse;
mod subject;
mod upgradeability;
mod upgrades;
mod watch;

#[cfg(test)]
mod tests;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use kube::Client;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

pub use resources::{Unreadable, parse_cluster, parse_warehouse};
pub use settings::{Scope, Settings};

use crate::apply::{self, Events};
use crate::model::Notice;
use crate::model::component::LEASE_NAME;
use crate::observe::Caches;
use crate::starrocks::StarRocks;
use crate::telemetry::Telemetry;
use context::Context;
use lease::Lease;
use outcome::PassError;
use queue::{Next, Queue};
use subject::Subject;

/// How long the first pass waits for all watches, so that what was asked for meanwhile comes first; one that fails must not stop the others for longer.
const FIRST_LOOK: Duration = Duration::from_secs(2);
/// How long passes under way may take to end at shutdown.
const GRACE: Duration = Duration::from_secs(10);

/// Why the operator stopped of its own accord.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Another process leads now, or may lead: this one must not act any more.
    #[error("leadership lost: {0}")]
    LeadershipLost(String),
    /// Every namespace that was asked for is on the deny list.
    #[error("there is no namespace to serve: all of them are on the deny list")]
    NothingToServe,
}

/// Runs the operator until `shutdown`, or until it loses its leadership.
///
/// # Errors
/// When leadership is lost or there is nothing to serve.
pub async fn run(
    client: Client,
    starrocks: Arc<dyn StarRocks>,
    settings: Settings,
    telemetry: Telemetry,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    if settings.watch_namespaces().is_empty() {
        return Err(RunError::NothingToServe);
    }
    if !settings.leader_election {
        telemetry.metrics.leads(true);
        serve(client, starrocks, settings, telemetry, shutdown).await;
        return Ok(());
    }
    let mut lease = Lease::new(client.clone(), &settings.operator_namespace, LEASE_NAME, &settings.identity, settings.clock);
    telemetry.health.stand_by(true);
    tokio::select! {
        () = shutdown.cancelled() => return Ok(()),
        () = lease.acquire() => {}
    }
    tracing::info!(identity = settings.identity, "leading");
    telemetry.health.stand_by(false);
    telemetry.metrics.leads(true);
    let lost = {
        let serving = serve(client, starrocks, settings, telemetry.clone(), shutdown);
        tokio::select! {
            // Dropping the passes under way stops them at once: whoever leads now may already act.
            lost = lease.hold() => Some(lost),
            () = serving => None,
        }
    };
    telemetry.metrics.leads(false);
    match lost {
        Some(reason) => Err(RunError::LeadershipLost(reason)),
        None => {
            lease.release().await;
            Ok(())
        }
    }
}

/// Watches and passes, until told to stop; then passes under way are given time to end.
async fn serve(client: Client, starrocks: Arc<dyn StarRocks>, settings: Settings, telemetry: Telemetry, shutdown: CancellationToken) {
    let events = Arc::new(Events::new(settings.identity.clone()));
    let context = Arc::new(Context {
        hands: apply::Context { client: client.clone(), starrocks, events },
        caches: Caches::new(),
        clusters: resources::Resources::default(),
        warehouses: resources::Resources::default(),
        catalogs: catalogs::Catalogs::new(settings.reads_catalogs(), settings.tell_releases.clone()),
        upgrades: upgrades::Upgrades::default(),
        upgradeability: upgradeability::Upgradeability::new(settings.operator_condition.clone()),
        began: settings.clock.now(),
        queue: Queue::new(),
        watched: feed::kinds_served(&client).await,
        settings,
        telemetry,
        memories: context::Memories::default(),
    });
    let stop = CancellationToken::new();
    let _stop_watches_at_the_end = stop.clone().drop_guard();
    let _watches = feed::start(&client, &context, &stop);
    let mut background = JoinSet::new();
    background.spawn(upgradeability::keep_told(Arc::clone(&context)));
    let mut passes = JoinSet::new();
    let everything_seen = async {
        while !(context.telemetry.health.readiness_faults().is_empty() && context.catalogs.is_known()) {
            sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        // Without it, passes find out one by one.
        _seen = timeout(FIRST_LOOK, everything_seen) => {}
    }
    work(&context, &mut passes, &shutdown).await;
    context.telemetry.health.stopping();
    let ended = async { while passes.join_next().await.is_some() {} };
    if timeout(GRACE, ended).await.is_err() {
        tracing::warn!("passes under way did not end in time");
    }
}

/// Starts passes as clusters become due, a bounded number at a time.
async fn work(context: &Arc<Context>, passes: &mut JoinSet<()>, shutdown: &CancellationToken) {
    let concurrency = context.settings.concurrency.max(1);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            Some(_ended) = passes.join_next(), if !passes.is_empty() => {}
            subject = context.queue.next(), if passes.len() < concurrency => {
                context.telemetry.metrics.queue_depth(context.queue.len());
                passes.spawn(look(Arc::clone(context), subject));
            }
        }
    }
}

/// One pass over one resource, whatever happens in it.
async fn look(context: Arc<Context>, subject: Subject) {
    let start = Instant::now();
    let pass = async {
        match &subject {
            Subject::Cluster(_) => starrocks_cluster::reconcile(&context, &subject).await,
            Subject::Warehouse(_) => starrocks_warehouse::reconcile(&context, &subject).await,
        }
    };
    let outcome = AssertUnwindSafe(pass).catch_unwind().await;
    let outcome = outcome.unwrap_or_else(|panic| Err(PassError::Panic(words_of(&*panic))));
    context.telemetry.metrics.pass(start.elapsed());
    let next = match outcome {
        Ok(next) => next,
        Err(error) => {
            if error.is_expected() {
                tracing::debug!(cluster = %subject, %error, "a pass is repeated");
            } else {
                tracing::warn!(cluster = %subject, %error, "a pass failed");
            }
            if let Some(category) = error.category() {
                context.telemetry.metrics.error(category);
            }
            context.memories.remember(&subject, None);
            if let PassError::Panic(words) = &error {
                report_panic(&context, &subject, words).await;
            }
            Next::Retry
        }
    };
    context.queue.done(&subject, next);
    context.telemetry.metrics.queue_depth(context.queue.len());
}

/// Tells the user that the operator has a defect; other clusters are served on.
async fn report_panic(context: &Context, subject: &Subject, words: &str) {
    let uid = match subject {
        Subject::Cluster(place) => context.clusters.get(place).map(|resource| resource.uid.clone()),
        Subject::Warehouse(place) => context.warehouses.get(place).map(|resource| resource.uid.clone()),
    };
    let Some(uid) = uid else { return };
    let regarding = pass::regarding(subject, &uid);
    let message = format!("a defect of the operator: {words}. It keeps trying; please report this with its log");
    let notice = Notice { warning: true, reason: "OperatorDefect".to_owned(), message };
    if let Err(error) = context.hands.events.publish(&context.hands.client, &regarding, &notice, context.settings.clock.now()).await {
        tracing::debug!(%error, "an event was not published");
    }
}

fn words_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
