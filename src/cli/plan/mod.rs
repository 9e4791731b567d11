//! `plan`: the way from one release to another, with every step, its rule and the source behind it, and the pods that a change restarts; changes nothing.

mod live;
mod restarts;
#[cfg(test)]
mod tests;

use std::fmt::Write;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::Outcome;
use super::catalogs;
use super::documents;
use super::paragraph::paragraph;
use super::run::{ConnectionArguments, ObjectArguments};
use crate::api::StarRocksClusterStatus;
use crate::clock::Clock;
use crate::model::Cluster;
use crate::plan::{self, Preview};
use crate::release::{Catalog, Claim, Image, Line, OutlineStep, Path, Refusal, ReleaseTable, Topology, Version, outline, parse_version};
use crate::yaml;

/// What to plan.
#[derive(Args, Debug)]
#[command(after_long_help = EXPLANATION)]
pub(super) struct Arguments {
    /// Release that runs now, such as 3.1.4; with -f the default is the status of the resource in the file
    #[arg(long)]
    from: Option<String>,
    /// Release to reach, such as 3.5.9; with -f the default is what the resource asks for
    #[arg(long)]
    to: Option<String>,
    /// A file with a StarRocksCluster (further documents are ignored unless they are ConfigMaps it names)
    #[arg(short, long)]
    file: Option<PathBuf>,
    /// A file with StarRocksVersionCatalogs that count beside the table of this build; may be given several times
    #[arg(long, value_name = "FILE")]
    catalog: Vec<PathBuf>,
    /// Compare the resource of the file with what runs in Kubernetes; reads only
    #[arg(long, requires = "file", conflicts_with_all = ["from", "to"])]
    live: bool,
    /// Namespace of the cluster, where the file names none
    #[arg(short, long)]
    namespace: Option<String>,
    #[command(flatten)]
    connection: ConnectionArguments,
    #[command(flatten)]
    objects: ObjectArguments,
    /// How to print
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

const EXPLANATION: &str = "\
With -f every pod that is restarted is told, in order, with the estimated time. `--from` counts releases only; with `--live` the pod templates that exist are \
compared as the operator compares them, so that a change of resources, images or configuration is told as well. That needs the rights to get \
starrocksclusters, statefulsets, deployments and the ConfigMaps that the resource names, and to list pods; starrocksupgrades and starrocksversioncatalogs are listed \
where that is allowed. StarRocks is asked nothing.

Give the flags that `run` has: --volume-name-with-hash, --dns-domain-suffix and --unsupported-envs shape pods.

Exit code: 0 when there is a way, 2 when it is refused, 1 when the question could not be answered.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
    Yaml,
}

/// The printed answer.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    /// The way; absent when no release is changed or none can be read.
    #[serde(flatten)]
    way: Option<Way>,
    /// What becomes of the pods; absent without a resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    preview: Option<Preview>,
    /// What could not be looked at, and what that means.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// The way between two releases.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Way {
    from: Version,
    to: Version,
    topology: Topology,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<Path>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    steps: Vec<OutlineStep>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<Refused>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Refused {
    code: &'static str,
    reason: String,
    way_out: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
}

pub(super) fn plan(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let answer = if arguments.live { live::answer(arguments)? } else { offline(arguments)? };
    match arguments.output {
        Format::Text => print!("{}", text(&answer)),
        Format::Json => println!("{}", serde_json::to_string_pretty(&answer)?),
        Format::Yaml => print!("{}", yaml::to_string(&answer)?),
    }
    Ok(answer.outcome())
}

/// The answer from arguments and files alone.
fn offline(arguments: &Arguments) -> anyhow::Result<Answer> {
    let releases = catalogs::read(&arguments.catalog)?;
    let Ends { from, to, topology, resource } = ends(arguments, &releases)?;
    let preview = resource.map(|(cluster, status)| between(&cluster, status, from, to));
    Ok(Answer { way: Some(way(releases.table(), from, to, topology)), preview, warnings: Vec::new() })
}

/// What a change of release alone does to the pods of a cluster.
fn between(cluster: &Cluster, status: StarRocksClusterStatus, from: Version, to: Version) -> Preview {
    let status = StarRocksClusterStatus { version: Some(from.to_string()), leader: status.leader, ..StarRocksClusterStatus::default() };
    let former = plan::as_described(&at(cluster, from), &status, Clock::system().now());
    plan::preview(&at(cluster, to), &former)
}

/// A cluster whose images are those of a release, in the repositories that it has.
fn at(cluster: &Cluster, release: Version) -> Cluster {
    let mut cluster = cluster.clone();
    for workload in [Some(&mut cluster.frontend), cluster.backend.as_mut(), cluster.compute_node.as_mut()].into_iter().flatten() {
        if workload.claim.release() != Some(release) {
            workload.image = Image::parse(&workload.image.with_version(&release));
            workload.claim = Claim::Release(release);
        }
    }
    cluster.version = cluster.version.map(|_| release);
    cluster
}

fn way(table: &ReleaseTable, from: Version, to: Version, topology: Topology) -> Way {
    match table.path(&from, &to) {
        Ok(path) => Way { from, to, topology, steps: outline(&path, &topology), path: Some(path), refused: None },
        Err(refusal) => Way { from, to, topology, path: None, steps: Vec::new(), refused: Some(refused(&refusal)) },
    }
}

impl Answer {
    fn outcome(&self) -> Outcome {
        if self.way.as_ref().is_some_and(|way| way.refused.is_some()) { Outcome::Refused } else { Outcome::Done }
    }
}

fn refused(refusal: &Refusal) -> Refused {
    Refused { code: refusal.code(), reason: refusal.message(), way_out: refusal.way_out(), source: refusal.source().map(str::to_owned) }
}

/// Where the way begins and ends, how many nodes walk it, and the resource that asks for it with its status.
struct Ends {
    from: Version,
    to: Version,
    topology: Topology,
    resource: Option<(Cluster, StarRocksClusterStatus)>,
}

fn ends(arguments: &Arguments, releases: &Arc<Catalog>) -> anyhow::Result<Ends> {
    let from = arguments.from.as_deref().map(|text| parse_version(text).with_context(|| format!("--from {text}"))).transpose()?;
    let to = arguments.to.as_deref().map(|text| parse_version(text).with_context(|| format!("--to {text}"))).transpose()?;
    let Some(file) = &arguments.file else {
        let (Some(from), Some(to)) = (from, to) else { bail!("name both ends: --from VERSION --to VERSION, or a resource with -f FILE") };
        return Ok(Ends { from, to, topology: Topology { frontends: 3, backends: 3, compute_nodes: 0 }, resource: None });
    };
    let input = documents::read(file)?;
    let cluster = input.cluster_with(releases)?;
    let status = input.resource.status.clone().unwrap_or_default();
    let running = status.version.as_deref().map(parse_version).transpose().context("status.version of the resource")?;
    let Some(from) = from.or(running) else {
        bail!("the resource has no status.version; say with --from which release runs now, or use --live")
    };
    let Some(to) = to.or_else(|| wanted(&cluster)) else {
        bail!("the resource names no release: its image tags are not releases and spec.version is not set; say with --to where to go")
    };
    Ok(Ends { from, to, topology: topology(&cluster), resource: Some((cluster, status)) })
}

/// The release that a cluster asks for, when its components agree on one.
pub(super) fn wanted(cluster: &Cluster) -> Option<Version> {
    let mut releases = cluster.workloads().map(|workload| workload.claim.release());
    let first = releases.next()??;
    releases.all(|release| release == Some(first)).then_some(first)
}

/// The newest release of a line that the table trusts.
pub(super) fn newest_of(major: u64, minor: u64) -> Option<Version> {
    ReleaseTable::embedded().line(Line::new(major, minor)).map(|facts| facts.newest)
}

/// The numbers of nodes that a cluster asks for.
pub(super) fn topology(cluster: &Cluster) -> Topology {
    Topology {
        frontends: cluster.frontend.replicas,
        backends: cluster.backend.as_ref().map_or(0, |workload| workload.replicas),
        compute_nodes: cluster.compute_node.as_ref().map_or(0, |workload| workload.replicas),
    }
}

/// An answer for people and for machines.
#[derive(Clone, Debug, Default)]
pub(super) struct Page {
    /// For people.
    pub(super) text: String,
    /// For machines.
    pub(super) value: serde_json::Value,
}

/// The answer as the demo shows it before it changes anything.
pub(super) fn describe(from: Version, to: Version, topology: Topology) -> anyhow::Result<(Page, Outcome)> {
    let answer = Answer { way: Some(way(ReleaseTable::embedded(), from, to, topology)), preview: None, warnings: Vec::new() };
    Ok((Page { text: text(&answer), value: serde_json::to_value(&answer)? }, answer.outcome()))
}

fn text(answer: &Answer) -> String {
    let mut page = answer.way.as_ref().map(text_of_way).unwrap_or_default();
    if let Some(preview) = &answer.preview {
        if !page.is_empty() {
            page.push('\n');
        }
        page.push_str(&restarts::text(preview));
    }
    for warning in &answer.warnings {
        page.push_str(&paragraph("warning: ", warning));
    }
    page
}

fn text_of_way(answer: &Way) -> String {
    let mut page = String::new();
    if let Some(refused) = &answer.refused {
        let _ = writeln!(page, "No way from {} to {}.", answer.from, answer.to);
        page.push_str(&paragraph("  reason:  ", &format!("{} ({})", refused.reason, refused.code)));
        if let Some(source) = &refused.source {
            page.push_str(&paragraph("  source:  ", source));
        }
        page.push_str(&paragraph("  way out: ", &refused.way_out));
        return page;
    }
    let Some(path) = &answer.path else { return page };
    if path.is_empty() {
        let _ = writeln!(page, "{} already runs: nothing to do.", answer.to);
        return page;
    }
    let stops: Vec<String> = path.stops().iter().map(ToString::to_string).collect();
    let Topology { frontends, backends, compute_nodes } = answer.topology;
    let steps = answer.steps.last().map_or(0, |step| step.number);
    let hops = path.hops.len();
    let _ = writeln!(
        page,
        "{} in {hops} hop{}, {steps} steps, {frontends} FE, {backends} BE, {compute_nodes} CN",
        stops.join(" -> "),
        if hops == 1 { "" } else { "s" }
    );
    let mut told = 0;
    for (index, hop) in path.hops.iter().enumerate() {
        let _ = writeln!(page, "\nHop {}: {} -> {}", index + 1, hop.from, hop.to);
        for rule in &hop.rules {
            page.push_str(&paragraph("  rule  ", &format!("{} ({}; {})", rule.text, rule.code, rule.source)));
        }
        for step in answer.steps.iter().filter(|step| usize::try_from(step.hop).is_ok_and(|hop| hop == index + 1)) {
            // The lines of one step share its number, which the first of them shows.
            let lead = if step.number == told { " ".repeat(20) } else { format!("  {:>3}. {:<13}", step.number, word(&step.phase)) };
            told = step.number;
            page.push_str(&paragraph(&lead, &format!("- {} ({}; {})", step.text, step.rule_code, step.source)));
        }
    }
    page
}

fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}
