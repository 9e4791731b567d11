//! What the process says about itself: metrics, health and logs; takes what happened, never decides and never writes to Kubernetes.

mod health;
mod logs;
mod metrics;
mod server;

pub use health::{Health, WatchName};
pub use logs::{LogFormat, LogSettings, init_logs};
pub use metrics::{Category, Metrics};
pub use server::{ServeError, bind_address, serve_health, serve_metrics};

use std::sync::Arc;

/// What the process tells about itself, shared by everything that has something to tell.
#[derive(Clone, Debug, Default)]
pub struct Telemetry {
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Life and readiness.
    pub health: Arc<Health>,
}
