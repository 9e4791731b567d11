//! Sets up the log of the process: text for people, JSON for machines.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Text.
    Text,
}

/// What is logged and how.
#[derive(Clone, Debug)]
pub struct LogSettings {
    /// Format.
    pub format: LogFormat,
    /// Level or filter, such as `info` or `starrocks_operator=debug,kube=warn`.
    pub filter: String,
}

/// Starts logging to standard error. A second call has no effect.
pub fn init_logs(settings: &LogSettings) {
    let filter = EnvFilter::try_new(&settings.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    // An error means that somebody has set up logging before, as tests may.
    let _kept = match settings.format {
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
        LogFormat::Text => registry.with(layer).try_init(),
    };
}
