//! `bench`: many clusters on a real Kubernetes API with simulated nodes, and what the operator costs and how fast it is; for tests/e2e, not part of a release.

mod audit;
mod processes;
mod report;
mod seen;
mod stage;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use tokio::time::{Instant, sleep};

use self::audit::{AuditLog, Counts};
use self::processes::{Machine, Operator, Usage};
use self::report::{Creation, Facts, Report, Restart, percentile};
use self::stage::Stage;
use super::Outcome;

/// Without a write for this long the operator is taken to be at rest.
const QUIET: Duration = Duration::from_secs(10);
/// Everything takes longer than any of this only when something is broken.
const LIMIT: Duration = Duration::from_secs(1_800);

/// What to measure, and where.
#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// How many StarRocksClusters, of one frontend and one backend each
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u16).range(1..=2000))]
    clusters: u16,
    /// How many changes of a spec are timed, one after the other
    #[arg(long, default_value_t = 20)]
    changes: u16,
    /// How long the operator is watched at rest, in seconds; a look at a resting cluster comes each 300 s
    #[arg(long, default_value_t = 330)]
    idle_seconds: u64,
    /// The program that becomes the operator
    #[arg(long)]
    operator: PathBuf,
    /// The API server's audit log
    #[arg(long)]
    audit_log: PathBuf,
    /// The operator's user in it
    #[arg(long)]
    operator_user: String,
    /// Also write the result as JSON to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// Print JSON instead of the table
    #[arg(long)]
    json_only: bool,
}

pub(super) fn bench(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    let report = runtime.block_on(measure(arguments))?;
    let json = serde_json::to_string_pretty(&report).context("writing the result as JSON")?;
    if let Some(path) = &arguments.json {
        std::fs::write(path, format!("{json}\n")).with_context(|| format!("writing {}", path.display()))?;
    }
    println!("{}", if arguments.json_only { json } else { report.to_string() });
    Ok(Outcome::Done)
}

async fn measure(arguments: &Arguments) -> anyhow::Result<Report> {
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let client = kube::Client::try_default().await.context("making the Kubernetes client")?;
    let mut stage = Stage::prepare(client, arguments.clusters).await?;
    let mut audit = AuditLog::open(&arguments.audit_log, &arguments.operator_user)?;
    let mut operator = Operator::start(&arguments.operator)?;
    stage.leads().await?;
    sleep(Duration::from_secs(5)).await;
    let empty = operator.usage()?;
    audit.take()?;

    let creation = create(&mut stage, &mut audit, &operator).await?;
    tell(&format!("resting for {} s", arguments.idle_seconds));
    sleep(Duration::from_secs(arguments.idle_seconds)).await;
    let idle = audit.take()?;
    let before = operator.usage()?;

    let (latencies, changes) = change(&mut stage, &mut audit, arguments.changes.min(arguments.clusters)).await?;
    let first_life = operator.usage()?;
    tell("restarting the operator, once with a change that waits for it and once without");
    operator.stop().await?;
    stage.change(0, "while-away").await?;
    let begin = Instant::now();
    operator = Operator::start(&arguments.operator)?;
    stage.arrived(0).await?;
    let first_patch = begin.elapsed();
    rest(&mut stage, &mut audit).await?;
    operator.stop().await?;
    audit.take()?;
    let begin = Instant::now();
    operator = Operator::start(&arguments.operator)?;
    stage.leads().await?;
    let leads = begin.elapsed();
    sleep(3 * QUIET).await;
    let restart = Restart {
        first_patch_seconds: first_patch.as_secs_f64(),
        leads_seconds: leads.as_secs_f64(),
        requests: audit.take()?,
        usage: operator.usage()?,
    };
    operator.stop().await?;
    Ok(Report {
        clusters: arguments.clusters,
        facts: Facts::gather(stage.server_version().await?),
        empty,
        creation,
        idle_seconds: arguments.idle_seconds,
        idle,
        cpu_seconds_at_rest: before.cpu_seconds,
        change_seconds: latencies,
        change_requests: changes,
        first_life,
        restart,
    })
}

/// All clusters at once, until the operator rests.
async fn create(stage: &mut Stage, audit: &mut AuditLog, operator: &Operator) -> anyhow::Result<Creation> {
    let machine = Machine::look();
    let begin = Instant::now();
    stage.create().await?;
    let resources_seconds = begin.elapsed().as_secs_f64();
    let mut sets_seconds = None;
    let mut told = begin;
    let ready_seconds = loop {
        let (sets, ready) = (stage.sets(), stage.ready());
        let elapsed = begin.elapsed();
        if sets == stage.sets_wanted() {
            sets_seconds.get_or_insert(elapsed.as_secs_f64());
        }
        if ready == stage.clusters() {
            break elapsed.as_secs_f64();
        }
        anyhow::ensure!(elapsed < LIMIT, "only {ready} clusters are Ready after {} s", LIMIT.as_secs());
        if told.elapsed() >= Duration::from_secs(5) {
            told = Instant::now();
            let Usage { cpu_seconds, peak_megabytes, .. } = operator.usage()?;
            tell(&format!(
                "{:>4.0} s: {sets} of {} StatefulSets, {ready} clusters Ready; operator: {cpu_seconds:.1} s of CPU, {peak_megabytes:.1} MB",
                elapsed.as_secs_f64(),
                stage.sets_wanted()
            ));
        }
        stage.something_happens(Duration::from_millis(500)).await;
    };
    let usage = operator.usage()?;
    let load = machine.until_now();
    tell("all are Ready; waiting for rest");
    let requests = rest(stage, audit).await?;
    Ok(Creation { resources_seconds, sets_seconds: sets_seconds.unwrap_or(ready_seconds), ready_seconds, usage, requests, load })
}

/// Waits until every cluster is Ready and the operator writes nothing; what was asked until then.
async fn rest(stage: &mut Stage, audit: &mut AuditLog) -> anyhow::Result<Counts> {
    let begin = Instant::now();
    let (mut all, mut quiet_since) = (Counts::default(), Instant::now());
    loop {
        sleep(Duration::from_secs(1)).await;
        let fresh = audit.take()?;
        if fresh.writes() > 0 || stage.ready() < stage.clusters() {
            quiet_since = Instant::now();
        }
        all.add(&fresh);
        if quiet_since.elapsed() >= QUIET {
            return Ok(all);
        }
        anyhow::ensure!(begin.elapsed() < LIMIT, "the operator does not come to rest: {:?}", fresh.writes_by_kind());
    }
}

/// Changes of the backends' pod template, each timed from the request to the StatefulSet's new generation.
async fn change(stage: &mut Stage, audit: &mut AuditLog, changes: u16) -> anyhow::Result<(Vec<f64>, Counts)> {
    tell(&format!("changing {changes} clusters, one after the other"));
    audit.take()?;
    let mut latencies = Vec::new();
    for position in 0..changes {
        let begin = Instant::now();
        stage.change(position, &format!("change-{position}")).await?;
        stage.arrived(position).await?;
        latencies.push(begin.elapsed().as_secs_f64());
        sleep(Duration::from_millis(500)).await;
    }
    latencies.sort_by(f64::total_cmp);
    let median = percentile(&latencies, 50);
    tell(&format!("median {median:.3} s; waiting for rest"));
    let requests = rest(stage, audit).await?;
    Ok((latencies, requests))
}

/// What goes on, for whoever waits; the result alone goes to stdout.
fn tell(text: &str) {
    eprintln!("bench: {text}");
}

/// Counts by name.
type ByName = BTreeMap<String, u64>;
