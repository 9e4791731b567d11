//! `nodes`: simulated nodes with StarRocks in their pods, as clients of a real Kubernetes API; for tests/e2e, not part of a release.

use anyhow::Context;
use clap::Args;
use kube::config::{KubeConfigOptions, Kubeconfig};

use super::Outcome;
use crate::clock::Clock;
use crate::sim::bed::{self, Settings};
use crate::telemetry::{self, LogFormat, LogSettings};

/// Which nodes to play, and where.
#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// Path of a kubeconfig with all rights; by default $KUBECONFIG
    #[arg(long)]
    kubeconfig: Option<String>,
    /// How many nodes
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=200))]
    nodes: u8,
    /// Pods that one node takes
    #[arg(long, default_value_t = 110, value_parser = clap::value_parser!(u8).range(1..=250))]
    pods_per_node: u8,
    /// How long pulls, starts and stops take, in percent of the usual
    #[arg(long, default_value_t = 100)]
    start_percent: u32,
    /// Leave out the events that kubelets record
    #[arg(long)]
    no_events: bool,
    /// Decides everything that is drawn
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Log level or filter
    #[arg(long, env = "RUST_LOG", default_value = "info")]
    log_level: String,
}

pub(super) fn nodes(arguments: Arguments) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(play(arguments))?;
    Ok(Outcome::Done)
}

async fn play(arguments: Arguments) -> anyhow::Result<()> {
    let Arguments { kubeconfig, nodes, pods_per_node, start_percent, no_events, seed, log_level } = arguments;
    telemetry::init_logs(&LogSettings { format: LogFormat::Text, filter: log_level });
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let config = match kubeconfig {
        Some(path) => {
            let file = Kubeconfig::read_from(&path).with_context(|| format!("reading {path}"))?;
            kube::Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.with_context(|| format!("using {path}"))?
        }
        None => kube::Config::infer().await.context("finding a kubeconfig")?,
    };
    let client = kube::Client::try_from(config).context("making the Kubernetes client")?;
    bed::run(client, Clock::system(), Settings { seed, nodes, pods_per_node, percent: start_percent, events: !no_events }).await
}
