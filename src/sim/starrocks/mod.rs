//! The simulated StarRocks: containers, signals, SQL texts and time in, answers and exits out; deterministic, keeps no clock and no thread.
//!
//! It plays what was measured on real frontends (`real-fe.md` in the comments of this room, with its section) and, where nothing was measured, what the
//! documentation and sources say (`starrocks.md`). It deliberately does not read `crate::release`: a wrong release table must be caught here.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::model::Timestamp;
use crate::sim::runtime::{ContainerId, ContainerRuntime, ContainerStart, ContainerState, HttpReply, Resolver, Signal};

mod access;
mod alter_system;
mod audit;
mod config_statements;
mod election;
mod entrypoint;
mod faults;
mod heartbeat;
mod http;
mod image;
mod information;
mod known;
mod lifecycle;
mod node_configuration;
mod parameters;
mod proc;
mod process;
mod repair;
mod restore;
mod show;
mod sockets;
mod state;
mod statements;
mod tables;
#[cfg(test)]
mod tests;
mod text;
mod transfer;
mod users;
mod version;
mod warehouses;

pub use audit::{Audit, HealthSample, ImageBuilt, Restart, Truth};
pub use faults::TransferFault;
pub use known::Known;
pub use process::Component;
pub use sockets::{Protocol, Socket};
pub use version::Release;

use faults::Faults;
use process::{Phase, Process};
use state::{Group, Volume};

/// Timing knobs; the defaults are what was measured on real processes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// From exec to open ports of a frontend that finds a leader (real-fe.md §3: 14–16 s).
    pub frontend_start: Duration,
    /// From exec to joining the replication group when nobody leads (real-fe.md §3: 21.5 s to a leader, 33 s to answers).
    pub cold_join: Duration,
    /// From exec to open ports of a backend or compute node; not measured.
    pub backend_start: Duration,
    /// An orderly exit of a frontend (recording graceful35: signal to end; 15 s minimum).
    pub frontend_graceful: Duration,
    /// How long a graceful stop of a backend takes; not measured, documented as at least `graceful_exit_reject_delay_ms`.
    pub backend_graceful: Duration,
    /// Added to every election.
    pub election_delay: Duration,
    /// One tablet clone.
    pub clone_time: Duration,
    /// How often the leader's checkpoint controller and its workers look (60 s in every release, real-fe.md §6); an image takes one to two of these.
    pub checkpoint_round: Duration,
    /// Candidates of equal standing are drawn with the seed; otherwise the last by name wins, as in all recordings.
    pub draw_leaders: bool,
    /// Percent of the normal start-up time.
    pub start_percent: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            frontend_start: Duration::from_millis(15_000),
            cold_join: Duration::from_millis(19_500),
            backend_start: Duration::from_secs(6),
            frontend_graceful: Duration::from_millis(17_200),
            backend_graceful: Duration::from_secs(12),
            election_delay: Duration::ZERO,
            clone_time: Duration::from_secs(3),
            checkpoint_round: Duration::from_secs(60),
            draw_leaders: false,
            start_percent: 100,
        }
    }
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// User name.
    pub user: String,
    /// Password in clear text; empty for none.
    pub password: String,
}

/// What a frontend answers to one SQL text, and how long after the question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SqlReply {
    /// A result set.
    Rows {
        /// Column names.
        columns: Vec<String>,
        /// Cells; `None` is SQL NULL.
        rows: Vec<Vec<Option<String>>>,
        /// Delay.
        after: Duration,
    },
    /// An OK packet.
    Done {
        /// Affected rows.
        affected: u64,
        /// Delay.
        after: Duration,
    },
    /// An error packet.
    Failed {
        /// MySQL error code.
        code: u16,
        /// SQLSTATE.
        state: String,
        /// Text.
        message: String,
        /// Delay.
        after: Duration,
    },
    /// Nothing listens there.
    Refused,
    /// No answer will ever come.
    Silence,
}

/// All StarRocks processes of one simulated Kubernetes cluster; several StarRocks clusters coexist.
#[derive(Clone)]
pub struct StarRocks {
    settings: Settings,
    rng: SmallRng,
    now: Timestamp,
    queue: BTreeMap<(Timestamp, u64), Event>,
    sequence: u64,
    runs: u64,
    /// How often a process started, opened or closed its ports, ended or was forgotten.
    generation: u64,
    processes: BTreeMap<ContainerId, Process>,
    volumes: BTreeMap<String, Volume>,
    groups: BTreeMap<u32, Group>,
    faults: Faults,
    audit: audit::Ledger,
    /// SHOW_HA requests that hang, per frontend: they use up its few HTTP workers (real-fe.md §3).
    hanging: RefCell<BTreeMap<ContainerId, Vec<Timestamp>>>,
}

/// Something that happens by itself.
#[derive(Clone, Debug)]
enum Event {
    /// A step of one run of one container.
    Process(ContainerId, u64, Step),
    /// The leader of a cluster's epoch sends its heartbeats.
    Heartbeat(u32, u64),
    /// The election of a cluster's epoch is over.
    Elected(u32, u64),
    /// A leader without majority gives up.
    MinorityExit(u32, u64),
    /// The checkpoint controller of the leader looks around.
    CheckpointTick(u32, u64),
    /// The worker of a checkpoint looks around.
    CheckpointWork(u32, u64),
    /// The tablet checker and scheduler of the leader work.
    Tablets(u32, u64),
    /// A node's tablet report arrives.
    Report(u32, u64, u64),
    /// The frontends create statistics tables (real-fe.md §11.2).
    Statistics(u32, u8),
}

/// Own steps of a container's program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The entrypoint script tries again.
    Register,
    /// A frontend asks its helper.
    AskHelper,
    /// Metadata is loaded, or refused.
    Load,
    /// A frontend connects to the replication group; `true` when nobody led at the first try.
    Join(bool),
    /// Ports open.
    Serve,
    /// A leader whose network is cut gives up.
    Isolated,
    /// The process ends.
    Exit,
}

impl StarRocks {
    /// An empty world.
    pub fn new(seed: u64, settings: Settings) -> Self {
        Self {
            settings,
            rng: SmallRng::seed_from_u64(seed),
            now: Timestamp::default(),
            queue: BTreeMap::new(),
            sequence: 0,
            runs: 0,
            generation: 0,
            processes: BTreeMap::new(),
            volumes: BTreeMap::new(),
            groups: BTreeMap::new(),
            faults: Faults::default(),
            audit: audit::Ledger::default(),
            hanging: RefCell::new(BTreeMap::new()),
        }
    }

    /// One SQL text on the frontend listening at `ip:port`; statements separated by `;` run in turn until one fails, the last answer is returned.
    pub fn query(&mut self, ip: IpAddr, port: u16, login: &Login, sql: &str, resolver: &dyn Resolver, now: Timestamp) -> SqlReply {
        self.advance(resolver, now);
        self.answer(ip, port, login, sql, resolver)
    }

    /// HTTP GET on whatever listens at `ip:port`, as a client outside the pod sends it.
    pub fn http(&self, ip: IpAddr, port: u16, path: &str, now: Timestamp) -> HttpReply {
        match self.listener(ip, port) {
            Some(process) => self.http_answer(process, port, path, now),
            None => HttpReply::Refused,
        }
    }

    /// The running program at an address that has this port open; cut-off pods count as listening.
    fn listener(&self, ip: IpAddr, port: u16) -> Option<&Process> {
        let mut there = self.processes.values().filter(|process| process.start.ip == ip && process.running());
        there.find(|process| process.listens_on(port) || (self.faults.is_cut(process)))
    }

    fn schedule(&mut self, at: Timestamp, event: Event) {
        self.sequence += 1;
        self.queue.insert((at.max(self.now), self.sequence), event);
    }

    fn schedule_step(&mut self, id: &ContainerId, delay: Duration, step: Step) {
        if let Some(run) = self.processes.get(id).map(|process| process.run) {
            self.schedule(self.now + delay, Event::Process(id.clone(), run, step));
        }
    }

    /// A duration that varies by the seed between `low` and `high` milliseconds.
    fn between(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_millis(self.rng.random_range(low..=high))
    }

    fn handle(&mut self, event: Event, resolver: &dyn Resolver) {
        match event {
            Event::Process(id, run, step) => {
                if self.processes.get(&id).is_some_and(|process| process.run == run && process.running()) {
                    self.step(&id, step, resolver);
                }
            }
            Event::Heartbeat(cluster, epoch) if self.current(cluster, epoch) => self.heartbeat(cluster, epoch, resolver),
            Event::Elected(cluster, epoch) if self.current(cluster, epoch) => self.elected(cluster),
            Event::MinorityExit(cluster, epoch) if self.current(cluster, epoch) => self.minority_exit(cluster),
            Event::CheckpointTick(cluster, epoch) if self.current(cluster, epoch) => self.checkpoint_tick(cluster, epoch),
            Event::CheckpointWork(cluster, epoch) if self.current(cluster, epoch) => self.checkpoint_work(cluster),
            Event::Tablets(cluster, epoch) if self.current(cluster, epoch) => self.tend_tablets(cluster, epoch),
            Event::Report(cluster, epoch, node) if self.current(cluster, epoch) => self.tablet_report(cluster, node),
            Event::Statistics(cluster, stage) => self.create_statistics(cluster, stage),
            Event::Heartbeat(..)
            | Event::Elected(..)
            | Event::MinorityExit(..)
            | Event::CheckpointTick(..)
            | Event::CheckpointWork(..)
            | Event::Tablets(..)
            | Event::Report(..) => {}
        }
    }

    fn current(&self, cluster: u32, epoch: u64) -> bool {
        self.groups.get(&cluster).is_some_and(|group| group.epoch == epoch)
    }
}

impl ContainerRuntime for StarRocks {
    fn pull(&self, image: &str) -> Result<(), String> {
        self.faults.pull(image)
    }

    fn start(&mut self, start: ContainerStart, now: Timestamp) {
        self.now = self.now.max(now);
        self.start_process(start);
    }

    fn signal(&mut self, id: &ContainerId, signal: Signal, now: Timestamp) {
        self.now = self.now.max(now);
        self.deliver(id, signal);
    }

    fn execute(&mut self, id: &ContainerId, command: &[String], now: Timestamp) -> Duration {
        self.now = self.now.max(now);
        self.run_hook(id, command)
    }

    fn state(&self, id: &ContainerId) -> Option<ContainerState> {
        self.processes.get(id).map(|process| match &process.phase {
            Phase::Exited { code, message } => ContainerState::Exited { code: *code, message: message.clone() },
            _ => ContainerState::Running,
        })
    }

    fn log(&self, id: &ContainerId) -> String {
        let stuck = self.processes.get(id).and_then(|process| process.stuck_at);
        // real-fe.md §10: a running frontend only stalls, and says so every five seconds.
        stuck.map_or_else(String::new, |(_, journal)| {
            format!(
                "{} ERROR (replayer|87) [GlobalStateMgr.replayJournalInner():2170] replayer thread catch an exception when replay journal {}. \
                 UNKNOWN Operation Type 10210\n",
                self.now.to_seconds_text(),
                journal + 1
            )
        })
    }

    fn generation(&self) -> u64 {
        self.generation
    }

    fn http_get(&self, id: &ContainerId, port: u16, path: &str, now: Timestamp) -> HttpReply {
        match self.processes.get(id) {
            Some(process) if process.running() => self.http_answer(process, port, path, now),
            _ => HttpReply::Refused,
        }
    }

    fn listens(&self, id: &ContainerId, port: u16) -> bool {
        self.processes.get(id).is_some_and(|process| process.listens_on(port) && !self.faults.is_cut(process))
    }

    fn remove(&mut self, id: &ContainerId) {
        self.deliver(id, Signal::Kill);
        self.forget(id);
    }

    fn erase_volume(&mut self, volume: &str) {
        self.volumes.remove(volume);
        self.sample_health();
    }

    fn advance(&mut self, resolver: &dyn Resolver, now: Timestamp) {
        while let Some((&(at, sequence), _)) = self.queue.first_key_value()
            && at <= now
        {
            let Some(event) = self.queue.remove(&(at, sequence)) else { break };
            self.now = self.now.max(at);
            self.handle(event, resolver);
        }
        self.now = self.now.max(now);
    }

    fn next_wakeup(&self) -> Option<Timestamp> {
        self.queue.first_key_value().map(|((at, _), _)| *at)
    }
}
