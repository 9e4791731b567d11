//! One probe of one container: its timing and thresholds, the knock and the verdict; changes no container.

use std::time::Duration;

use serde_json::Value;

use super::super::fields::{items, number, text};
use crate::model::Timestamp;
use crate::sim::runtime::{ContainerId, ContainerRuntime, HttpReply};

/// What a probe's verdict is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Startup,
    Liveness,
    Readiness,
}

impl Purpose {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Startup => "Startup",
            Self::Liveness => "Liveness",
            Self::Readiness => "Readiness",
        }
    }
}

#[derive(Clone, Debug)]
enum Check {
    Http { port: u16, path: String },
    Tcp { port: u16 },
    Exec { command: Vec<String> },
}

/// A finished run of a probe.
pub(super) struct Outcome {
    /// Why it failed; `None` for a success.
    pub(super) failure: Option<String>,
    /// Whether as many runs in a row agree as the threshold asks for.
    pub(super) decided: bool,
}

/// A probe and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    purpose: Purpose,
    check: Check,
    initial_delay: Duration,
    period: Duration,
    timeout: Duration,
    success_threshold: u32,
    failure_threshold: u32,
    /// Grace period of a container that this probe stops, if it is not the pod's.
    pub(super) grace: Option<Duration>,
    next: Timestamp,
    flight: Option<(Timestamp, Option<String>)>,
    streak: u32,
    last: Option<bool>,
    /// The verdict in force.
    pub(super) passing: bool,
}

impl Probe {
    /// A probe as a container spec describes it, with Kubernetes' defaults.
    pub(super) fn parse(purpose: Purpose, container: &Value) -> Option<Self> {
        let source = container.get(match purpose {
            Purpose::Startup => "startupProbe",
            Purpose::Liveness => "livenessProbe",
            Purpose::Readiness => "readinessProbe",
        })?;
        let seconds = |field: &str, default: u64, least: u64| {
            Duration::from_secs(number(source, field).and_then(|value| u64::try_from(value).ok()).unwrap_or(default).max(least))
        };
        let count = |field: &str, default: u32| number(source, field).and_then(|value| u32::try_from(value).ok()).unwrap_or(default).max(1);
        Some(Self {
            purpose,
            check: Check::parse(source, container)?,
            initial_delay: seconds("/initialDelaySeconds", 0, 0),
            period: seconds("/periodSeconds", 10, 1),
            timeout: seconds("/timeoutSeconds", 1, 1),
            success_threshold: count("/successThreshold", 1),
            failure_threshold: count("/failureThreshold", 3),
            grace: number(source, "/terminationGracePeriodSeconds").and_then(|value| u64::try_from(value).ok()).map(Duration::from_secs),
            next: Timestamp::default(),
            flight: None,
            streak: 0,
            last: None,
            passing: purpose == Purpose::Liveness,
        })
    }

    /// Starts over with a container that started at `started`; the first run comes at `from` or after the initial delay.
    pub(super) fn reset(&mut self, started: Timestamp, from: Timestamp) {
        self.next = from.max(started + self.initial_delay);
        self.flight = None;
        self.streak = 0;
        self.last = None;
        self.passing = self.purpose == Purpose::Liveness;
    }

    /// When this probe has to be looked at again.
    pub(super) fn due(&self) -> Timestamp {
        self.flight.as_ref().map_or(self.next, |(at, _)| *at)
    }

    /// Knocks if it is time, and judges an answer that has arrived.
    pub(super) fn run(&mut self, id: &ContainerId, ip: &str, runtime: &mut dyn ContainerRuntime, now: Timestamp) -> Option<Outcome> {
        if let Some((at, _)) = &self.flight {
            if *at > now {
                return None;
            }
            return self.flight.take().map(|(_, failure)| self.judge(failure));
        }
        if self.next > now {
            return None;
        }
        while self.next <= now {
            self.next = self.next + self.period;
        }
        let (after, failure) = self.knock(id, ip, runtime, now);
        // A success that confirms what is known needs no second look when its answer arrives.
        if after.is_zero() || (failure.is_none() && self.passing && self.last == Some(true)) {
            return Some(self.judge(failure));
        }
        self.next = self.next.max(now + after);
        self.flight = Some((now + after, failure));
        None
    }

    fn judge(&mut self, failure: Option<String>) -> Outcome {
        let success = failure.is_none();
        self.streak = if self.last == Some(success) { self.streak.saturating_add(1) } else { 1 };
        self.last = Some(success);
        let decided = self.streak >= if success { self.success_threshold } else { self.failure_threshold };
        if decided {
            self.passing = success;
        }
        Outcome { failure, decided }
    }

    fn knock(&self, id: &ContainerId, ip: &str, runtime: &mut dyn ContainerRuntime, now: Timestamp) -> (Duration, Option<String>) {
        match &self.check {
            Check::Http { port, path } => {
                let url = format!("http://{ip}:{port}{path}");
                let late = || format!("Get \"{url}\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)");
                match runtime.http_get(id, *port, path, now) {
                    HttpReply::Answer { after, .. } if after >= self.timeout => (self.timeout, Some(late())),
                    HttpReply::Answer { status, after, .. } if (200..400).contains(&status) => (after, None),
                    HttpReply::Answer { status, after, .. } => (after, Some(format!("HTTP probe failed with statuscode: {status}"))),
                    HttpReply::Refused => {
                        (Duration::ZERO, Some(format!("Get \"{url}\": dial tcp {ip}:{port}: connect: connection refused")))
                    }
                    HttpReply::Silence => (self.timeout, Some(late())),
                }
            }
            Check::Tcp { port } if runtime.listens(id, *port) => (Duration::ZERO, None),
            Check::Tcp { port } => (Duration::ZERO, Some(format!("dial tcp {ip}:{port}: connect: connection refused"))),
            Check::Exec { command } => {
                let taken = runtime.execute(id, command, now);
                if taken > self.timeout {
                    let words = command.join(" ");
                    return (self.timeout, Some(format!("command timed out: \"{words}\" timed out after {}s", self.timeout.as_secs())));
                }
                (taken, None)
            }
        }
    }
}

impl Check {
    fn parse(source: &Value, container: &Value) -> Option<Self> {
        if let Some(http) = source.get("httpGet") {
            let path = match text(http, "/path") {
                "" => "/".to_owned(),
                path => path.to_owned(),
            };
            return Some(Self::Http { port: port(http.get("port"), container)?, path });
        }
        if let Some(tcp) = source.get("tcpSocket").or_else(|| source.get("grpc")) {
            return Some(Self::Tcp { port: port(tcp.get("port"), container)? });
        }
        let command: Vec<String> = items(source, "/exec/command").iter().filter_map(Value::as_str).map(str::to_owned).collect();
        (!command.is_empty()).then_some(Self::Exec { command })
    }
}

/// A port by number or by its name in the container.
pub(super) fn port(wanted: Option<&Value>, container: &Value) -> Option<u16> {
    let number = match wanted? {
        Value::String(wanted) => match wanted.parse::<i64>() {
            Ok(number) => number,
            Err(_) => items(container, "/ports")
                .iter()
                .find(|port| text(port, "/name") == wanted)
                .and_then(|port| number(port, "/containerPort"))?,
        },
        other => other.as_i64()?,
    };
    u16::try_from(number).ok()
}
