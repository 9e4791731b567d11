//! The operator's process and what it and its neighbours use, by /proc; starts and ends the operator and nothing else.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;
use tokio::time::{Instant, sleep};

/// Ticks of /proc a second: the same on every Linux that Kubernetes runs on.
const TICKS: f64 = 100.0;
/// How long the operator may take to end in order.
const PATIENCE: Duration = Duration::from_secs(30);

/// The operator as a process of its own.
pub(super) struct Operator(Child);

/// What a process has used since it started.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Usage {
    /// User and system time.
    pub cpu_seconds: f64,
    /// Largest resident memory, in millions of bytes.
    pub peak_megabytes: f64,
    /// Resident memory now.
    pub megabytes: f64,
    /// Of that, what is not backed by files.
    pub anonymous_megabytes: f64,
    /// Threads now.
    pub threads: u64,
}

impl Operator {
    pub(super) fn start(program: &Path) -> anyhow::Result<Self> {
        let child = Command::new(program).arg("1").spawn().with_context(|| format!("starting {}", program.display()))?;
        Ok(Self(child))
    }

    pub(super) fn usage(&self) -> anyhow::Result<Usage> {
        let id = self.0.id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).context("the operator has ended; see its log")?;
        let kilobytes = |key: &str| field(&status, key) * 1_024.0 / 1e6;
        Ok(Usage {
            cpu_seconds: cpu_seconds(&id.to_string()).map(|(_, seconds)| seconds).unwrap_or_default(),
            peak_megabytes: kilobytes("VmHWM:"),
            megabytes: kilobytes("VmRSS:"),
            anonymous_megabytes: kilobytes("RssAnon:"),
            threads: field(&status, "Threads:") as u64,
        })
    }

    /// Ends it as Kubernetes does, and waits.
    pub(super) async fn stop(&mut self) -> anyhow::Result<()> {
        Command::new("kill").arg(self.0.id().to_string()).status().context("telling the operator to end")?;
        let begin = Instant::now();
        while self.0.try_wait()?.is_none() {
            anyhow::ensure!(begin.elapsed() < PATIENCE, "the operator does not end");
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn field(status: &str, key: &str) -> f64 {
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// A process's name and the CPU time it used.
fn cpu_seconds(id: &str) -> Option<(String, f64)> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (before, after) = (stat.split_once('(')?.1, stat.rsplit_once(')')?.1);
    let name = before.rsplit_once(')')?.0.to_owned();
    // Behind the name come state, parent and ten more; then user and system time.
    let mut times = after.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap_or_default());
    Some((name, (times.next()? + times.next()?) / TICKS))
}

/// CPU time of the whole machine and of this bed's processes at a moment.
pub(super) struct Machine {
    since: Instant,
    busy: f64,
    ours: BTreeMap<String, f64>,
}

/// How a span of time was shared.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Load {
    /// Its length.
    pub seconds: f64,
    /// CPU seconds of each program of the bed, the operator among them.
    pub cpu_seconds: BTreeMap<String, f64>,
    /// CPU seconds of everything else on the machine.
    pub elsewhere_cpu_seconds: f64,
    /// Processes that wanted a CPU in the last minute of it, on average.
    pub load_average: f64,
}

impl Machine {
    pub(super) fn look() -> Self {
        let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
        let times: Vec<f64> =
            stat.lines().next().unwrap_or_default().split_whitespace().skip(1).filter_map(|ticks| ticks.parse().ok()).collect();
        // user, nice, system, then idle and waiting for disks, then interrupts; guests are in user already.
        let busy = times.iter().enumerate().filter(|(position, _)| ![3, 4].contains(position)).take(6).map(|(_, ticks)| ticks).sum::<f64>();
        Self { since: Instant::now(), busy: busy / TICKS, ours: of_this_network() }
    }

    /// What happened since.
    pub(super) fn until_now(&self) -> Load {
        let now = Self::look();
        let used = |(name, seconds): (&String, &f64)| (name.clone(), seconds - self.ours.get(name).copied().unwrap_or_default());
        let cpu_seconds: BTreeMap<String, f64> = now.ours.iter().map(used).filter(|(_, seconds)| *seconds >= 0.05).collect();
        let average = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        Load {
            seconds: self.since.elapsed().as_secs_f64(),
            elsewhere_cpu_seconds: (now.busy - self.busy - cpu_seconds.values().sum::<f64>()).max(0.0),
            cpu_seconds,
            load_average: average.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or_default(),
        }
    }
}

/// CPU seconds by program of all processes in this network namespace: that is the bed and nothing else.
fn of_this_network() -> BTreeMap<String, f64> {
    let mut sums = BTreeMap::new();
    let Ok(here) = std::fs::read_link("/proc/self/ns/net") else { return sums };
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let id = entry.file_name().to_string_lossy().into_owned();
        if std::fs::read_link(entry.path().join("ns/net")).is_ok_and(|network| network == here)
            && let Some((name, seconds)) = cpu_seconds(&id)
        {
            *sums.entry(part(&id, name)).or_default() += seconds;
        }
    }
    sums
}

/// Nodes, benchmark and operator are one program: their subcommand tells them apart.
fn part(id: &str, name: String) -> String {
    let command = std::fs::read_to_string(format!("/proc/{id}/cmdline")).unwrap_or_default();
    match command.split('\0').nth(1) {
        Some(subcommand) if command.contains("starrocks-operator\0") => format!("starrocks-operator {subcommand}"),
        _ => name,
    }
}
