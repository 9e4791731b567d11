//! One container of one pod: pulled, created, started, probed, stopped and started again as a kubelet does; knows nothing of its siblings.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::super::desk::Desk;
use super::super::fields::{text, uid};
use super::backoff::Backoff;
use super::environment::{SelfKnowledge, command, environment};
use super::mounts::mounts;
use super::probe::{Probe, Purpose};
use crate::model::Timestamp;
use crate::sim::cluster::Timings;
use crate::sim::runtime::{ContainerId, ContainerRuntime, ContainerStart};

/// How long `ErrImagePull` shows before it becomes `ImagePullBackOff`.
const PULL_ERROR_SHOWS: Duration = Duration::from_secs(2);
/// How often a kubelet looks again at a container that it cannot create.
const RETRY: Duration = Duration::from_secs(10);

/// What a container works with while it is driven.
pub(super) struct Bench<'a, 'd> {
    pub(super) desk: &'a mut Desk<'d>,
    pub(super) runtime: &'a mut dyn ContainerRuntime,
    pub(super) timings: &'a Timings,
    pub(super) images: &'a mut BTreeSet<(String, String)>,
    pub(super) broken: &'a BTreeSet<String>,
    /// Volumes that silent nodes hold, by the UID of their claim: node and until when.
    pub(super) held: &'a BTreeMap<String, (String, Timestamp)>,
    pub(super) now: Timestamp,
}

/// What all containers of a pod share.
#[derive(Clone)]
pub(super) struct Facts {
    pub(super) pod: Value,
    pub(super) node: String,
    pub(super) ip: String,
    pub(super) host_ip: String,
}

impl Facts {
    pub(super) fn event(&self, bench: &mut Bench, kind: &str, reason: &str, message: &str) {
        bench.desk.event(&self.pod, kind, reason, message, &format!("kubelet/{}", self.node));
    }

    /// An event about one container of the pod.
    fn container_event(&self, bench: &mut Bench, container: &Container, (kind, reason): (&str, &str), message: &str) {
        let list = if container.role == Role::Main { "containers" } else { "initContainers" };
        let component = format!("kubelet/{}#spec.{list}{{{}}}", self.node, container.name());
        bench.desk.event(&self.pod, kind, reason, message, &component);
    }

    fn restart_policy(&self) -> &str {
        text(&self.pod, "/spec/restartPolicy")
    }
}

/// Which part a container plays in its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Runs to its end before the next one starts; ends well after a fixed time.
    Init,
    /// An init container that stays (`restartPolicy: Always`).
    Sidecar,
    Main,
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub(super) code: i32,
    pub(super) reason: String,
    pub(super) message: String,
    pub(super) started: Timestamp,
    pub(super) finished: Timestamp,
}

/// Where a container stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    Created,
    Pulling { since: Timestamp, until: Timestamp },
    PullFailed { message: String, shown_until: Timestamp, retry_at: Timestamp },
    ConfigFault { message: String, retry_at: Timestamp },
    Running { since: Timestamp },
    Ended,
    CrashLoop { delay: Duration, retry_at: Timestamp },
}

/// A stop under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stopping {
    /// When TERM goes out; `None` once it has.
    pub(super) term_at: Option<Timestamp>,
    pub(super) kill_at: Timestamp,
}

/// A container and everything a kubelet remembers of it.
#[derive(Clone)]
pub(super) struct Container {
    pub(super) spec: Value,
    pub(super) role: Role,
    pub(super) state: State,
    pub(super) restarts: i64,
    pub(super) ended: Option<Ended>,
    pub(super) started: bool,
    pub(super) ready: bool,
    pub(super) id: ContainerId,
    pub(super) exit: Option<(Ended, Timestamp)>,
    pub(super) stopping: Option<Stopping>,
    pub(super) out_of_memory: bool,
    pub(super) redefined: bool,
    crash: Backoff,
    pull: Backoff,
    pub(super) startup: Option<Probe>,
    pub(super) liveness: Option<Probe>,
    pub(super) readiness: Option<Probe>,
}

impl Container {
    pub(super) fn new(pod: &Value, spec: &Value, role: Role) -> Self {
        let probe = |purpose| if role == Role::Init { None } else { Probe::parse(purpose, spec) };
        Self {
            spec: spec.clone(),
            role,
            state: State::Created,
            restarts: 0,
            ended: None,
            started: false,
            ready: false,
            id: ContainerId { pod_uid: uid(pod).to_owned(), container: text(spec, "/name").to_owned() },
            exit: None,
            stopping: None,
            out_of_memory: false,
            redefined: false,
            crash: Backoff::default(),
            pull: Backoff::default(),
            startup: probe(Purpose::Startup),
            liveness: probe(Purpose::Liveness),
            readiness: probe(Purpose::Readiness),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.id.container
    }

    pub(super) fn image(&self) -> &str {
        text(&self.spec, "/image")
    }

    pub(super) fn id(&self) -> &ContainerId {
        &self.id
    }

    pub(super) fn running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    /// Takes over a changed spec; returns whether the running container has to be replaced for it.
    pub(super) fn redefine(&mut self, spec: &Value) -> bool {
        let changed = text(&self.spec, "/image") != text(spec, "/image");
        if changed {
            self.spec = spec.clone();
            self.redefined = self.running();
        }
        changed
    }

    /// An init container of a new sandbox runs once more.
    pub(super) fn rerun(&mut self) {
        if self.role == Role::Init {
            self.state = State::Created;
        }
    }

    /// Whether the end of its process would be news.
    pub(super) fn awaits_end(&self) -> bool {
        self.running() && self.role != Role::Init && self.exit.is_none()
    }

    /// When this container has to be looked at again, as far as time alone decides.
    pub(super) fn due(&self, timings: &Timings) -> Option<Timestamp> {
        match &self.state {
            State::Created | State::Ended => None,
            State::Pulling { until, .. } => Some(*until),
            State::PullFailed { shown_until, retry_at, .. } => Some((*shown_until).min(*retry_at)),
            State::ConfigFault { retry_at, .. } | State::CrashLoop { retry_at, .. } => Some(*retry_at),
            State::Running { since } => {
                if let Some((_, noticed)) = &self.exit {
                    return Some(*noticed);
                }
                let end = (self.role == Role::Init).then(|| *since + timings.init);
                let stop = self.stopping.map(|stopping| stopping.term_at.unwrap_or(stopping.kill_at));
                self.active_probes().map(Probe::due).chain(end).chain(stop).min()
            }
        }
    }

    fn active_probes(&self) -> impl Iterator<Item = &Probe> {
        let starting = self.startup.as_ref().filter(|_| !self.started && self.stopping.is_none());
        let liveness = self.liveness.as_ref().filter(|_| self.started && self.stopping.is_none());
        let readiness = self.readiness.as_ref().filter(|_| self.started);
        starting.into_iter().chain(liveness).chain(readiness)
    }

    pub(super) fn tell(&self, facts: &Facts, bench: &mut Bench, what: (&str, &str), message: &str) {
        facts.container_event(bench, self, what, message);
    }

    /// Moves on as far as this moment allows; `wanted` is whether the container may (re)start. Returns whether anything changed.
    pub(super) fn drive(&mut self, facts: &Facts, bench: &mut Bench, wanted: bool) -> bool {
        let mut changed = false;
        for _ in 0..8 {
            if !self.step(facts, bench, wanted) {
                break;
            }
            changed = true;
        }
        changed
    }

    fn step(&mut self, facts: &Facts, bench: &mut Bench, wanted: bool) -> bool {
        let now = bench.now;
        match self.state.clone() {
            State::Created => wanted && self.begin(facts, bench),
            State::Pulling { since, until } => wanted && until <= now && self.pulled(facts, bench, since),
            State::PullFailed { message, shown_until, retry_at } if wanted => {
                if retry_at <= now {
                    return self.begin_pull(facts, bench);
                }
                if shown_until <= now && shown_until < retry_at {
                    self.state = State::PullFailed { message, shown_until: retry_at, retry_at };
                    self.tell(facts, bench, ("Normal", "BackOff"), &format!("Back-off pulling image \"{}\"", self.image()));
                    self.tell(facts, bench, ("Warning", "Failed"), "Error: ImagePullBackOff");
                    return true;
                }
                false
            }
            State::ConfigFault { retry_at, .. } => wanted && retry_at <= now && self.start(facts, bench),
            State::CrashLoop { retry_at, .. } => wanted && retry_at <= now && self.restart(facts, bench),
            State::Running { since } => self.watch(facts, bench, since),
            State::Ended => wanted && self.restarts_after_end(facts) && self.restart_or_wait(facts, bench),
            State::PullFailed { .. } => false,
        }
    }

    fn restarts_after_end(&self, facts: &Facts) -> bool {
        let failed = self.ended.as_ref().is_some_and(|ended| ended.code != 0);
        match (self.role, facts.restart_policy()) {
            (Role::Sidecar, _) => true,
            (_, "Never") => false,
            (Role::Init, _) | (_, "OnFailure") => failed,
            (Role::Main, _) => true,
        }
    }

    fn restart_or_wait(&mut self, facts: &Facts, bench: &mut Bench) -> bool {
        let finished = self.ended.as_ref().map_or(bench.now, |ended| ended.finished);
        match self.crash.until(finished, bench.now) {
            Some(retry_at) => {
                self.state = State::CrashLoop { delay: self.crash.delay, retry_at };
                let pod = &facts.pod;
                let (pod_name, space) = (text(pod, "/metadata/name"), text(pod, "/metadata/namespace"));
                let what = format!("Back-off restarting failed container {} in pod {pod_name}_{space}({})", self.name(), uid(pod));
                self.tell(facts, bench, ("Warning", "BackOff"), &what);
                true
            }
            None => self.restart(facts, bench),
        }
    }

    fn restart(&mut self, facts: &Facts, bench: &mut Bench) -> bool {
        self.crash.grow(bench.now);
        self.restarts += 1;
        self.begin(facts, bench)
    }

    /// Pulls the image if the node lacks it, else starts at once.
    fn begin(&mut self, facts: &Facts, bench: &mut Bench) -> bool {
        let image = self.image().to_owned();
        let latest = !image.contains('@') && (image.ends_with(":latest") || !image.rsplit('/').next().unwrap_or(&image).contains(':'));
        let always = match text(&self.spec, "/imagePullPolicy") {
            "Always" => true,
            "" => latest,
            _ => false,
        };
        let present = bench.images.contains(&(facts.node.clone(), image.clone()));
        if present && !always {
            self.tell(facts, bench, ("Normal", "Pulled"), &format!("Container image \"{image}\" already present on machine"));
            return self.start(facts, bench);
        }
        self.begin_pull(facts, bench)
    }

    fn begin_pull(&mut self, facts: &Facts, bench: &mut Bench) -> bool {
        let image = self.image().to_owned();
        self.tell(facts, bench, ("Normal", "Pulling"), &format!("Pulling image \"{image}\""));
        let present = bench.images.contains(&(facts.node.clone(), image.clone()));
        // A registry that only has to confirm the digest of a present image answers quickly.
        let takes = if present { bench.timings.pull.min(Duration::from_millis(500)) } else { bench.timings.pull };
        self.state = State::Pulling { since: bench.now, until: bench.now + takes };
        true
    }

    fn pulled(&mut self, facts: &Facts, bench: &mut Bench, since: Timestamp) -> bool {
        let image = self.image().to_owned();
        let answer = if bench.broken.contains(&image) {
            Err(format!("rpc error: code = NotFound desc = failed to pull and unpack image \"{image}\": {image}: not found"))
        } else {
            bench.runtime.pull(&image)
        };
        match answer {
            Ok(()) => {
                bench.images.insert((facts.node.clone(), image.clone()));
                self.pull = Backoff::default();
                let taken = bench.now.since(since).as_millis();
                let seconds = format!("{}.{:03}s", taken / 1_000, taken % 1_000);
                facts.event(
                    bench,
                    "Normal",
                    "Pulled",
                    &format!("Successfully pulled image \"{image}\" in {seconds} ({seconds} including waiting)"),
                );
                self.start(facts, bench)
            }
            Err(message) => {
                self.pull.grow(bench.now);
                let retry_at = bench.now + self.pull.delay;
                self.tell(facts, bench, ("Warning", "Failed"), &format!("Failed to pull image \"{image}\": {message}"));
                self.tell(facts, bench, ("Warning", "Failed"), "Error: ErrImagePull");
                self.state = State::PullFailed { message, shown_until: bench.now + PULL_ERROR_SHOWS, retry_at };
                true
            }
        }
    }

    fn start(&mut self, facts: &Facts, bench: &mut Bench) -> bool {
        let known = SelfKnowledge { pod: &facts.pod, ip: &facts.ip, host_ip: &facts.host_ip };
        let resolved = match environment(bench.desk, &self.spec, &known) {
            Ok(resolved) => resolved,
            Err(message) => {
                self.tell(facts, bench, ("Warning", "Failed"), &format!("Error: {message}"));
                self.state = State::ConfigFault { message, retry_at: bench.now + RETRY };
                return true;
            }
        };
        let pod_name = text(&facts.pod, "/metadata/name");
        let namespace = text(&facts.pod, "/metadata/namespace");
        if self.role != Role::Init {
            let start = ContainerStart {
                id: self.id.clone(),
                namespace: namespace.to_owned(),
                pod_name: pod_name.to_owned(),
                fqdn: match (text(&facts.pod, "/spec/hostname"), text(&facts.pod, "/spec/subdomain")) {
                    (_, "") => pod_name.to_owned(),
                    ("", subdomain) => format!("{pod_name}.{subdomain}.{namespace}.svc.cluster.local"),
                    (host, subdomain) => format!("{host}.{subdomain}.{namespace}.svc.cluster.local"),
                },
                ip: facts.ip.parse().unwrap_or(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)),
                image: self.image().to_owned(),
                command: command(&self.spec, &resolved),
                mounts: mounts(bench.desk, &self.spec, &known),
                environment: resolved,
            };
            bench.runtime.start(start, bench.now);
            self.run_hook("postStart", bench);
        }
        self.tell(facts, bench, ("Normal", "Created"), &format!("Created container: {}", self.name()));
        self.tell(facts, bench, ("Normal", "Started"), &format!("Started container {}", self.name()));
        self.state = State::Running { since: bench.now };
        self.exit = None;
        self.stopping = None;
        self.out_of_memory = false;
        self.redefined = false;
        let now = bench.now;
        for probe in [&mut self.startup, &mut self.liveness, &mut self.readiness].into_iter().flatten() {
            probe.reset(now, now);
        }
        self.started = self.startup.is_none();
        self.ready = self.started && self.readiness.is_none();
        true
    }
}
