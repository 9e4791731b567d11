//! A running container: its end, its stop, its probes and hooks; starts nothing.

use std::time::Duration;

use serde_json::Value;

use super::super::fields::{items, number, text};
use super::container::{Bench, Container, Ended, Facts, Role, State, Stopping};
use super::probe::{Purpose, port};
use crate::model::Timestamp;
use crate::sim::runtime::{ContainerRuntime, ContainerState, Signal};

/// What is left of the grace period after a preStop hook, at least.
const LEAST_GRACE: Duration = Duration::from_secs(2);

impl Container {
    /// What the present run has written, or the last one if it has ended; with `previous` the one before. `None` if there was none.
    pub(super) fn log(&self, previous: bool, runtime: &dyn ContainerRuntime) -> Option<String> {
        let begin = |since: Timestamp| format!("{} INFO {} starts\n", since.to_seconds_text(), self.image());
        let ended = |ended: &Ended| {
            let lines = ended.message.lines().map(|line| format!("{} ERROR {line}\n", ended.finished.to_seconds_text()));
            begin(ended.started) + &lines.collect::<String>()
        };
        match &self.state {
            State::Running { since } if !previous => Some(begin(*since) + &runtime.log(&self.id)),
            State::Ended if previous => None,
            State::Created | State::Pulling { .. } | State::PullFailed { .. } | State::ConfigFault { .. } if !previous => None,
            _ => self.ended.as_ref().map(ended),
        }
    }

    /// Runs a lifecycle hook; returns how long it takes.
    pub(super) fn run_hook(&self, hook: &str, bench: &mut Bench) -> Duration {
        let Some(handler) = self.spec.pointer(&format!("/lifecycle/{hook}")) else { return Duration::ZERO };
        let words: Vec<String> = items(handler, "/exec/command").iter().filter_map(Value::as_str).map(str::to_owned).collect();
        if !words.is_empty() {
            return bench.runtime.execute(&self.id, &words, bench.now);
        }
        if let Some(http) = handler.get("httpGet") {
            if let Some(port) = port(http.get("port"), &self.spec) {
                let _ = bench.runtime.http_get(&self.id, port, text(http, "/path"), bench.now);
            }
            return Duration::ZERO;
        }
        Duration::from_secs(number(handler, "/sleep/seconds").and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(0))
    }

    /// A running container: its end, its stop, its probes.
    pub(super) fn watch(&mut self, facts: &Facts, bench: &mut Bench, since: Timestamp) -> bool {
        if let Some((ended, noticed)) = self.exit.clone() {
            if noticed > bench.now {
                return false;
            }
            self.end(ended);
            return true;
        }
        if let Some(ended) = self.exited(bench, since) {
            // A stopped container is waited for; any other end is noticed when the kubelet lists containers again.
            let noticed = if self.stopping.is_some() || self.role == Role::Init { bench.now } else { bench.now + bench.timings.relist };
            self.exit = Some((ended, noticed));
            return noticed <= bench.now;
        }
        if std::mem::take(&mut self.redefined) {
            let what = format!("Container {} definition changed, will be restarted", self.name());
            self.stop(facts, bench, grace_of(facts), &what);
            return true;
        }
        if let Some(stopping) = self.stopping {
            return self.keep_stopping(bench, stopping, since);
        }
        self.probe(facts, bench, since)
    }

    fn exited(&self, bench: &Bench, since: Timestamp) -> Option<Ended> {
        if self.role == Role::Init {
            let finished = since + bench.timings.init;
            return (finished <= bench.now).then(|| self.ending(0, String::new(), since, finished));
        }
        match bench.runtime.state(&self.id) {
            Some(ContainerState::Running) => None,
            Some(ContainerState::Exited { code, message }) => Some(self.ending(code, message, since, bench.now)),
            None => Some(self.ending(137, String::new(), since, bench.now)),
        }
    }

    fn ending(&self, code: i32, message: String, started: Timestamp, finished: Timestamp) -> Ended {
        let reason = match code {
            _ if self.out_of_memory || message == "OOMKilled" => "OOMKilled",
            0 => "Completed",
            _ => "Error",
        };
        Ended { code, reason: reason.to_owned(), message, started, finished }
    }

    fn end(&mut self, ended: Ended) {
        self.state = State::Ended;
        self.ended = Some(ended);
        self.exit = None;
        self.stopping = None;
        self.started = false;
        self.ready = false;
    }

    fn keep_stopping(&mut self, bench: &mut Bench, stopping: Stopping, since: Timestamp) -> bool {
        if stopping.term_at.is_some_and(|at| at <= bench.now) {
            self.stopping = Some(Stopping { term_at: None, ..stopping });
            if self.role != Role::Init {
                bench.runtime.signal(&self.id, Signal::Term, bench.now);
            }
            return true;
        }
        if stopping.kill_at <= bench.now {
            bench.runtime.signal(&self.id, Signal::Kill, bench.now);
            let ended = self.exited(bench, since).unwrap_or_else(|| self.ending(137, String::new(), since, bench.now));
            self.end(ended);
            return true;
        }
        self.probe_readiness(bench)
    }

    fn probe(&mut self, facts: &Facts, bench: &mut Bench, since: Timestamp) -> bool {
        if !self.started {
            return self.probe_startup(facts, bench, since);
        }
        let outcome = self.liveness.as_mut().and_then(|probe| probe.run(&self.id, &facts.ip, bench.runtime, bench.now));
        if let Some((message, decided)) = outcome.and_then(|outcome| Some((outcome.failure?, outcome.decided))) {
            self.unhealthy(facts, bench, Purpose::Liveness, &message);
            if decided {
                self.stop_for(facts, bench, Purpose::Liveness);
                return true;
            }
        }
        let outcome = self.readiness.as_mut().and_then(|probe| probe.run(&self.id, &facts.ip, bench.runtime, bench.now));
        if let Some(message) = outcome.and_then(|outcome| outcome.failure) {
            self.unhealthy(facts, bench, Purpose::Readiness, &message);
        }
        self.settle_readiness()
    }

    fn probe_startup(&mut self, facts: &Facts, bench: &mut Bench, since: Timestamp) -> bool {
        let Some(probe) = self.startup.as_mut() else { return false };
        let Some(outcome) = probe.run(&self.id, &facts.ip, bench.runtime, bench.now) else { return false };
        if let Some(message) = outcome.failure {
            self.unhealthy(facts, bench, Purpose::Startup, &message);
            if outcome.decided {
                self.stop_for(facts, bench, Purpose::Startup);
                return true;
            }
            return false;
        }
        if !probe.passing {
            return false;
        }
        self.started = true;
        self.ready = self.readiness.is_none();
        let now = bench.now;
        for probe in [&mut self.liveness, &mut self.readiness].into_iter().flatten() {
            probe.reset(since, now);
        }
        true
    }

    /// A container that is being stopped is still asked whether it is ready.
    fn probe_readiness(&mut self, bench: &mut Bench) -> bool {
        if let Some(probe) = self.readiness.as_mut().filter(|_| self.started) {
            let _ = probe.run(&self.id, "", bench.runtime, bench.now);
        }
        self.settle_readiness()
    }

    fn settle_readiness(&mut self) -> bool {
        let ready = self.started && self.readiness.as_ref().is_none_or(|probe| probe.passing);
        let changed = ready != self.ready;
        self.ready = ready;
        changed
    }

    fn unhealthy(&self, facts: &Facts, bench: &mut Bench, purpose: Purpose, message: &str) {
        self.tell(facts, bench, ("Warning", "Unhealthy"), &format!("{} probe failed: {message}", purpose.word()));
    }

    fn stop_for(&mut self, facts: &Facts, bench: &mut Bench, purpose: Purpose) {
        let probe = if purpose == Purpose::Startup { &self.startup } else { &self.liveness };
        let own = probe.as_ref().and_then(|probe| probe.grace);
        let grace = own.unwrap_or_else(|| grace_of(facts));
        let what = format!("Container {} failed {} probe, will be restarted", self.name(), purpose.word().to_lowercase());
        self.stop(facts, bench, grace, &what);
    }

    /// Begins to stop a running container: hook, TERM, KILL when the grace period ends; without grace it is killed at once.
    pub(super) fn stop(&mut self, facts: &Facts, bench: &mut Bench, grace: Duration, why: &str) {
        let State::Running { since } = self.state else { return };
        if let Some(stopping) = &mut self.stopping {
            // A shorter grace period only moves the end forward.
            stopping.kill_at = stopping.kill_at.min(bench.now + grace);
            return;
        }
        self.tell(facts, bench, ("Normal", "Killing"), why);
        if grace.is_zero() {
            bench.runtime.signal(&self.id, Signal::Kill, bench.now);
            let ended = self.exited(bench, since).unwrap_or_else(|| self.ending(137, String::new(), since, bench.now));
            return self.end(ended);
        }
        let hook = if self.role == Role::Init { Duration::ZERO } else { self.run_hook("preStop", bench) };
        let hook = hook.min(grace);
        let left = grace.saturating_sub(hook);
        let left = if hook.is_zero() { left } else { left.max(LEAST_GRACE) };
        self.stopping = Some(Stopping { term_at: Some(bench.now + hook), kill_at: bench.now + hook + left });
    }

    /// The kernel kills the biggest process of the container.
    pub(super) fn kill_for_memory(&mut self, bench: &mut Bench) {
        if self.running() {
            self.out_of_memory = true;
            bench.runtime.signal(&self.id, Signal::Kill, bench.now);
        }
    }

    /// The machine under the container is gone: whatever ran has ended without a word.
    pub(super) fn lose(&mut self, runtime: &mut dyn ContainerRuntime, now: Timestamp) {
        if let State::Running { since } = self.state {
            runtime.signal(&self.id, Signal::Kill, now);
            let ended = Ended { code: 255, reason: "Unknown".to_owned(), message: String::new(), started: since, finished: now };
            self.end(ended);
        }
    }
}

fn grace_of(facts: &Facts) -> Duration {
    Duration::from_secs(number(&facts.pod, "/spec/terminationGracePeriodSeconds").and_then(|value| u64::try_from(value).ok()).unwrap_or(30))
}
