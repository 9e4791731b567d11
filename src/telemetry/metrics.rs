//! Counts what happened, in Prometheus' terms; names start with `starrocks_operator_`. Never reads anything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// What kind of failure a pass met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(missing_docs, reason = "the variants are the label values")]
pub enum Category {
    Conflict,
    Forbidden,
    Invalid,
    Kubernetes,
    Timeout,
    StarRocks,
    ForeignObject,
    Unreadable,
    Panic,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ErrorLabels {
    category: Category,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CodeLabels {
    code: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WriteLabels {
    verb: &'static str,
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AdmissionLabels {
    kind: &'static str,
    verdict: &'static str,
}

/// The metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    passes: Counter,
    pass_duration: Histogram,
    errors: Family<ErrorLabels, Counter>,
    waiting: Family<CodeLabels, Gauge>,
    waiting_clusters: Mutex<BTreeMap<String, BTreeSet<String>>>,
    writes: Family<WriteLabels, Counter>,
    statements: Family<KindLabels, Counter>,
    refusals: Counter,
    watch_failures: Family<KindLabels, Counter>,
    admissions: Family<AdmissionLabels, Counter>,
    queue: Gauge,
    leader: Gauge,
}

/// Upper bounds in seconds: from a pass over caches to one that meets every deadline.
const DURATIONS: [f64; 10] = [0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Metrics that have counted nothing.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("starrocks_operator"),
            passes: Counter::default(),
            pass_duration: Histogram::new(DURATIONS),
            errors: Family::default(),
            waiting: Family::default(),
            waiting_clusters: Mutex::default(),
            writes: Family::default(),
            statements: Family::default(),
            refusals: Counter::default(),
            watch_failures: Family::default(),
            admissions: Family::default(),
            queue: Gauge::default(),
            leader: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("reconciles", "Passes over a cluster", self.passes.clone());
        registry.register("reconcile_duration_seconds", "Duration of a pass", self.pass_duration.clone());
        registry.register("errors", "Passes and steps that failed, by category", self.errors.clone());
        registry.register("waiting_clusters", "Clusters that wait for something, by code", self.waiting.clone());
        registry.register("writes", "Requests that change Kubernetes objects", self.writes.clone());
        registry.register("statements", "Statements sent to StarRocks, by kind", self.statements.clone());
        registry.register("decision_refusals", "Decisions that the safety check refused", self.refusals.clone());
        registry.register("watch_failures", "Failures of a watch, by kind", self.watch_failures.clone());
        registry.register("admission_requests", "Requests to the webhook, by kind and verdict", self.admissions.clone());
        registry.register("queue_depth", "Clusters that are due or will be", self.queue.clone());
        registry.register("leader", "1 while this process leads", self.leader.clone());
    }

    /// A pass ended.
    pub fn pass(&self, duration: Duration) {
        self.passes.inc();
        self.pass_duration.observe(duration.as_secs_f64());
    }

    /// A pass or step failed.
    pub fn error(&self, category: Category) {
        self.errors.get_or_create(&ErrorLabels { category }).inc();
    }

    /// What a cluster waits for now; nothing when it is at rest or gone.
    pub fn waiting(&self, cluster: &str, codes: impl IntoIterator<Item = String>) {
        let now: BTreeSet<String> = codes.into_iter().collect();
        let mut clusters = self.waiting_clusters.lock().unwrap_or_else(PoisonError::into_inner);
        let before = if now.is_empty() { clusters.remove(cluster) } else { clusters.insert(cluster.to_owned(), now.clone()) };
        let before = before.unwrap_or_default();
        for code in now.difference(&before) {
            self.waiting.get_or_create(&CodeLabels { code: code.clone() }).inc();
        }
        for code in before.difference(&now) {
            self.waiting.get_or_create(&CodeLabels { code: code.clone() }).dec();
        }
    }

    /// Requests that write were sent.
    pub fn writes(&self, verb: &'static str, kind: &'static str, count: u64) {
        self.writes.get_or_create(&WriteLabels { verb, kind }).inc_by(count);
    }

    /// Statements were sent.
    pub fn statements(&self, kind: &'static str, count: u64) {
        self.statements.get_or_create(&KindLabels { kind }).inc_by(count);
    }

    /// A decision was refused.
    pub fn refusal(&self) {
        self.refusals.inc();
    }

    /// A watch failed.
    pub fn watch_failure(&self, kind: &'static str) {
        self.watch_failures.get_or_create(&KindLabels { kind }).inc();
    }

    /// The webhook answered.
    pub fn admission(&self, kind: &'static str, verdict: &'static str) {
        self.admissions.get_or_create(&AdmissionLabels { kind, verdict }).inc();
    }

    /// How many clusters are queued.
    pub fn queue_depth(&self, depth: usize) {
        self.queue.set(i64::try_from(depth).unwrap_or(i64::MAX));
    }

    /// Whether this process leads.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// Everything in the OpenMetrics text format.
    ///
    /// # Errors
    /// Never in practice: writing to a string cannot fail.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_that_waits_for_something_else_moves_from_one_gauge_to_the_other() {
        let metrics = Metrics::new();
        metrics.waiting("n/a", ["SR-2001".to_owned(), "SR-2102".to_owned()]);
        metrics.waiting("n/b", ["SR-2001".to_owned()]);
        metrics.waiting("n/a", ["SR-2102".to_owned()]);
        metrics.error(Category::ForeignObject);
        metrics.writes("apply", "Service", 3);
        let text = metrics.encode().expect("encodes");
        for line in [
            "starrocks_operator_waiting_clusters{code=\"SR-2001\"} 1",
            "starrocks_operator_waiting_clusters{code=\"SR-2102\"} 1",
            "starrocks_operator_errors_total{category=\"ForeignObject\"} 1",
            "starrocks_operator_writes_total{verb=\"apply\",kind=\"Service\"} 3",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
