//! `demo`: creates a cluster and upgrades it on an embedded Kubernetes, with the real controller; needs nothing installed.

mod mishap;
mod progress;
mod props;
mod report;
mod screen;
mod stage;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use anyhow::Context;
use clap::{Args, ValueEnum};

use super::documents::{self, Documents};
use super::{Outcome, plan};
use crate::model::Cluster;
use crate::release::{Version, parse_version};

pub(super) use props::stand_ins;
pub(super) use stage::{Told, unwatched};

/// The cluster of the demo when no file is given.
const EXAMPLE: &str = include_str!("../../../examples/demo.yaml");

/// What to play.
#[derive(Args, Clone, Debug)]
pub(super) struct Arguments {
    /// A StarRocksCluster to play instead of the shipped one; ConfigMaps and Secrets may stand in the same file
    #[arg(short, long)]
    file: Option<PathBuf>,
    /// Release to upgrade to; the default is the newest release of 3.5
    #[arg(long, value_name = "VERSION")]
    to: Option<String>,
    /// Seed of everything random; the same seed plays the same story
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Simulated seconds per real second, or `max`
    #[arg(long, default_value = "60")]
    speed: Speed,
    /// What goes wrong during the upgrade; can be given several times
    #[arg(long, value_enum)]
    fault: Vec<Fault>,
    /// Keep the embedded API open on this address, for kubectl; the story then goes on in real time until Ctrl-C
    #[arg(long, value_name = "ADDR")]
    serve: Option<SocketAddr>,
    /// How to tell the story: text, or one JSON document a line
    #[arg(short, long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

/// Simulated seconds per real second.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Speed {
    /// As fast as the machine allows.
    Max,
    /// A fixed factor.
    Times(f64),
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "max" {
            return Ok(Self::Max);
        }
        match text.trim_end_matches('x').parse::<f64>() {
            Ok(factor) if factor > 0.0 && factor.is_finite() => Ok(Self::Times(factor)),
            _ => Err(format!("`{text}` is neither a number above 0 nor `max`")),
        }
    }
}

/// Something that goes wrong during the upgrade.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Fault {
    /// A backend's process dies while another one is being replaced
    KillBackend,
    /// The leading frontend's process dies while backends are being replaced
    KillLeader,
    /// A frontend accepts connections and never answers, for two minutes
    HangSql,
    /// The operator dies in the middle of the upgrade and is started again 30 seconds later
    LoseOperator,
    /// A Kubernetes node with its pods disappears for three minutes
    LoseNode,
    /// The image of the next release cannot be pulled for two minutes
    MissingImage,
}

/// How the story is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    Text,
    Json,
}

pub(super) fn demo(arguments: Arguments) -> anyhow::Result<Outcome> {
    let script = match Script::read(&arguments)? {
        Ok(script) => script,
        Err(refused) => {
            screen::Screen::new(arguments.output).document("refused", &refused.value, &refused.text);
            return Ok(Outcome::Refused);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().context("starting the runtime")?;
    runtime.block_on(stage::play(arguments, script))
}

/// What is played: the documents and both ends of the upgrade.
pub(super) struct Script {
    documents: Documents,
    namespace: String,
    name: String,
    from: Option<Version>,
    to: Option<Version>,
    outline: plan::Page,
}

impl Script {
    /// The script, or the page that says why the upgrade is refused before anything happens.
    fn read(arguments: &Arguments) -> anyhow::Result<Result<Self, plan::Page>> {
        let mut documents = match &arguments.file {
            Some(file) => documents::read(file)?,
            None => documents::parse(EXAMPLE).context("in the shipped example")?,
        };
        documents.in_namespace("default");
        let cluster = documents.cluster()?;
        let from = plan::wanted(&cluster);
        let to = match (&arguments.to, from) {
            (Some(text), _) => Some(parse_version(text).with_context(|| format!("--to {text}"))?),
            (None, Some(_)) if arguments.file.is_none() => plan::newest_of(3, 5),
            (None, _) => None,
        };
        Self::of(documents, &cluster, to)
    }

    /// The same from documents that were read, with what the cluster in them was proven to be.
    pub(super) fn of(documents: Documents, cluster: &Cluster, to: Option<Version>) -> anyhow::Result<Result<Self, plan::Page>> {
        let from = plan::wanted(cluster);
        let outline = match (from, to) {
            (Some(from), Some(to)) => match plan::describe(from, to, plan::topology(cluster))? {
                (page, Outcome::Done) => page,
                (page, Outcome::Refused) => return Ok(Err(page)),
            },
            (None, Some(_)) => anyhow::bail!("the resource names no release to start from; use release tags or spec.version"),
            (_, None) => plan::Page::default(),
        };
        Ok(Ok(Self { namespace: cluster.namespace.clone(), name: cluster.name.clone(), documents, from, to, outline }))
    }
}
