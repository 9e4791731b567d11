//! `control-plane`: the embedded Kubernetes API and its control loops on a socket, without nodes; for tests/e2e, not part of a release.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use super::Outcome;
use crate::clock::Clock;
use crate::sim::bed::{ControlPlaneSettings, serve_control_plane};
use crate::telemetry::{self, LogFormat, LogSettings};

/// Where to serve it.
#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// Where to listen
    #[arg(long, default_value = "10.64.0.1:8080")]
    address: SocketAddr,
    /// Where to write an administrator's kubeconfig
    #[arg(long)]
    kubeconfig: PathBuf,
    /// Where to write one JSON line per request
    #[arg(long)]
    audit_log: Option<PathBuf>,
    /// Seconds of silence before a node counts as unreachable
    #[arg(long, default_value_t = 50)]
    node_monitor_grace_seconds: u64,
    /// Decides everything that is drawn
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Log level or filter
    #[arg(long, env = "RUST_LOG", default_value = "info")]
    log_level: String,
}

pub(super) fn control_plane(arguments: Arguments) -> anyhow::Result<Outcome> {
    let Arguments { address, kubeconfig, audit_log, node_monitor_grace_seconds, seed, log_level } = arguments;
    telemetry::init_logs(&LogSettings { format: LogFormat::Text, filter: log_level });
    std::fs::write(&kubeconfig, kubeconfig_of(address)).with_context(|| format!("writing {}", kubeconfig.display()))?;
    let node_monitor_grace = Duration::from_secs(node_monitor_grace_seconds);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(serve_control_plane(Clock::system(), ControlPlaneSettings { seed, address, node_monitor_grace, audit_log }))?;
    Ok(Outcome::Done)
}

/// Whoever sends no token is the administrator: the network namespace is the lock.
fn kubeconfig_of(address: SocketAddr) -> String {
    format!(
        "apiVersion: v1
kind: Config
current-context: embedded
clusters:
  - name: embedded
    cluster: {{server: 'http://{address}'}}
users:
  - name: admin
    user: {{}}
contexts:
  - name: embedded
    context: {{cluster: embedded, user: admin}}
"
    )
}
