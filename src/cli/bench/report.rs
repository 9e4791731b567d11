//! Measured numbers in, one table for people and one JSON document for programs out; judges nothing but its targets.

use std::fmt::{Display, Formatter, Result};

use serde::Serialize;

use super::ByName;
use super::audit::Counts;
use super::processes::{Load, Usage};

/// Everything measured.
#[derive(Serialize)]
pub(super) struct Report {
    pub clusters: u16,
    pub facts: Facts,
    /// The operator before the first cluster.
    pub empty: Usage,
    pub creation: Creation,
    pub idle_seconds: u64,
    pub idle: Counts,
    /// CPU time of the operator at the end of that rest.
    pub cpu_seconds_at_rest: f64,
    /// From the request to the changed StatefulSet, sorted.
    pub change_seconds: Vec<f64>,
    pub change_requests: Counts,
    /// The operator's first process in the end.
    pub first_life: Usage,
    pub restart: Restart,
}

/// Where it was measured.
#[derive(Serialize)]
pub(super) struct Facts {
    pub kubernetes: String,
    pub operator: String,
    pub optimised: bool,
    pub cores: usize,
}

impl Facts {
    pub(super) fn gather(kubernetes: String) -> Self {
        let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
        Self { kubernetes, operator: env!("CARGO_PKG_VERSION").to_owned(), optimised: !cfg!(debug_assertions), cores }
    }
}

/// All clusters created at once.
#[derive(Serialize)]
pub(super) struct Creation {
    /// Until the last StarRocksCluster was accepted.
    pub resources_seconds: f64,
    /// Until the last StatefulSet existed.
    pub sets_seconds: f64,
    /// Until the last cluster was Ready.
    pub ready_seconds: f64,
    /// The operator at that moment.
    pub usage: Usage,
    /// What it asked until it rested.
    pub requests: Counts,
    /// Who used the machine until all were Ready.
    pub load: Load,
}

/// The operator ended in order and was started again.
#[derive(Serialize)]
pub(super) struct Restart {
    /// From the start of the process to the change of a StatefulSet that waited for it.
    pub first_patch_seconds: f64,
    /// From the start of the process to its lease, with nothing to do.
    pub leads_seconds: f64,
    /// What it asked then.
    pub requests: Counts,
    /// The process then.
    pub usage: Usage,
}

/// The value below which this percentage of the sorted values lies.
pub(super) fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let position = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(position).copied().unwrap_or(f64::NAN)
}

/// A line of the table.
struct Row {
    what: &'static str,
    ours: f64,
    target: Option<f64>,
    /// What the Go operator 1.11.5 does with 300 such clusters on two cores.
    other: Option<f64>,
    decimals: usize,
}

impl Report {
    fn rows(&self) -> Vec<Row> {
        let row = |what, ours, target, other, decimals| Row { what, ours, target, other, decimals };
        let clusters = f64::from(self.clusters);
        let per_cluster = |count: u64| count as f64 / clusters;
        let per_minute = |count: u64| count as f64 * 60.0 / self.idle_seconds as f64;
        let sum = |counts: &ByName| counts.values().sum::<u64>();
        let peak = self.first_life.peak_megabytes.max(self.restart.usage.peak_megabytes);
        vec![
            row("until all StatefulSets exist (s)", self.creation.sets_seconds, Some(31.0), Some(249.0), 1),
            row("until all clusters are Ready (s)", self.creation.ready_seconds, None, None, 1),
            row("writes per cluster", per_cluster(self.creation.requests.writes()), Some(10.0), Some(19.1), 1),
            row("requests per cluster, writes among them", per_cluster(self.creation.requests.requests()), None, None, 1),
            row("operator's CPU until all are Ready (s)", self.creation.usage.cpu_seconds, None, None, 1),
            row("peak memory of the operator (MB)", peak, Some(40.0), Some(104.0), 1),
            row("at rest: requests a minute", per_minute(self.idle.requests()), Some(0.0), Some(463.0), 1),
            row("at rest: watches taken up again a minute", per_minute(sum(&self.idle.watches)), None, None, 1),
            row("at rest: lease requests a minute", per_minute(sum(&self.idle.lease)), None, None, 1),
            row("at rest: CPU (thousandths of a core)", self.idle_cpu(), None, None, 1),
            row("change to StatefulSet, median (s)", percentile(&self.change_seconds, 50), Some(0.2), Some(0.87), 3),
            row("change to StatefulSet, 99th percentile (s)", percentile(&self.change_seconds, 99), None, None, 3),
            row("writes per change", self.change_requests.writes() as f64 / self.change_seconds.len().max(1) as f64, None, None, 1),
            row("restart to first patch (s)", self.restart.first_patch_seconds, Some(2.0), Some(11.7), 2),
            row("writes after a restart", self.restart.requests.writes() as f64, Some(0.0), Some(312.0), 0),
        ]
    }

    fn idle_cpu(&self) -> f64 {
        (self.cpu_seconds_at_rest - self.creation.usage.cpu_seconds) * 1_000.0 / self.idle_seconds as f64
    }
}

impl Display for Report {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        let Facts { kubernetes, operator, optimised, cores } = &self.facts;
        let build = if *optimised { "optimised" } else { "NOT optimised" };
        writeln!(out, "{} StarRocksClusters, one frontend and one backend each; Kubernetes {kubernetes}, {cores} cores", self.clusters)?;
        writeln!(out, "operator {operator}, {build}; the other column is the Go operator 1.11.5 with 300 such clusters\n")?;
        writeln!(out, "{:<44} {:>9} {:>9} {:>9}", "", "measured", "target", "Go")?;
        for Row { what, ours, target, other, decimals } in self.rows() {
            let cell = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value}"));
            let missed = if target.is_some_and(|target| ours > target) { "  missed" } else { "" };
            writeln!(out, "{what:<44} {ours:>9.decimals$} {:>9} {:>9}{missed}", cell(target), cell(other))?;
        }
        writeln!(out, "\nwrites: {}", list(&self.creation.requests.writes))?;
        writeln!(out, "reads: {}", list(&self.creation.requests.reads))?;
        if !self.creation.requests.errors.is_empty() {
            writeln!(out, "errors: {}", list(&self.creation.requests.errors))?;
        }
        writeln!(out, "after a restart: {}; errors: {}", list(&self.restart.requests.reads), list(&self.restart.requests.errors))?;
        let memory = |usage: &Usage| {
            format!("{:.1} MB, {:.1} of them anonymous, {} threads", usage.megabytes, usage.anonymous_megabytes, usage.threads)
        };
        writeln!(out, "memory: empty {}; all Ready {}", memory(&self.empty), memory(&self.creation.usage))?;
        writeln!(out, "        after the changes {}; after a restart {}", memory(&self.first_life), memory(&self.restart.usage))?;
        write!(out, "{}", self.creation.load)
    }
}

impl Display for Load {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        let mut parts: Vec<(&String, &f64)> = self.cpu_seconds.iter().collect();
        parts.sort_by(|one, other| other.1.total_cmp(one.1));
        let parts: Vec<String> = parts.iter().map(|(name, seconds)| format!("{name} {seconds:.1}")).collect();
        write!(
            out,
            "CPU seconds until all were Ready ({:.0} s, load {:.1}): {}; everything else on the machine {:.1}",
            self.seconds,
            self.load_average,
            parts.join(", "),
            self.elsewhere_cpu_seconds
        )
    }
}

fn list(counts: &ByName) -> String {
    if counts.is_empty() {
        return "none".to_owned();
    }
    counts.iter().map(|(what, count)| format!("{what} {count}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values: Vec<f64> = (1..=20).map(f64::from).collect();
        assert_eq!(percentile(&values, 50), 10.0);
        assert_eq!(percentile(&values, 99), 20.0);
        assert!(percentile(&[], 50).is_nan());
    }
}
