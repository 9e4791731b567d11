//! One simulated world: an API store, its control loops and kubelet, and StarRocks in its pods, on one clock and one seed; never waits.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use super::cluster::{ControlPlane, Duty, Timings, bootstrap_with, resolver};
use super::faults::Mend;
use super::kube::{Backend, Store};
use super::runtime::{ContainerRuntime, HttpReply, Resolver};
use super::starrocks::{Login, Settings, SqlReply, StarRocks};
use crate::model::Timestamp;

/// The moment at which every simulated world begins.
pub const EPOCH: Timestamp = Timestamp::from_seconds(1_795_000_000);

/// The database in which seeded tables lie.
pub(super) const DATABASE: &str = "shop";

/// A whole simulated Kubernetes cluster with StarRocks in it.
pub struct World {
    /// API objects.
    pub store: Store,
    /// Control loops and kubelet.
    pub plane: ControlPlane,
    /// Processes in pods.
    pub starrocks: StarRocks,
    now: Timestamp,
    changed: Arc<Notify>,
    mends: BTreeMap<Timestamp, Vec<Mend>>,
}

/// A second world that goes on from the same moment by itself: whoever waits for the first is not woken by the copy.
impl Clone for World {
    fn clone(&self) -> Self {
        let Self { store, plane, starrocks, now, changed: _, mends } = self;
        Self {
            store: store.clone(),
            plane: plane.clone(),
            starrocks: starrocks.clone(),
            now: *now,
            changed: Arc::new(Notify::new()),
            mends: mends.clone(),
        }
    }
}

impl World {
    /// A fresh Kubernetes cluster without workloads; the same seed gives the same world.
    pub fn new(seed: u64) -> Self {
        let timings = Timings::default();
        let mut store = Store::new(EPOCH);
        bootstrap_with(&mut store, &timings);
        let mut world = Self {
            store,
            plane: ControlPlane::new(timings, seed),
            starrocks: StarRocks::new(seed, Settings::default()),
            now: EPOCH,
            changed: Arc::new(Notify::new()),
            mends: BTreeMap::new(),
        };
        world.settle();
        world
    }

    /// A control plane without nodes: whoever registers some and plays kubelets and a storage provisioner there is a client of its API.
    pub fn of_control_plane(seed: u64, timings: Timings, now: Timestamp) -> Self {
        let mut store = Store::with_seed(now, seed);
        bootstrap_with(&mut store, &Timings { node_names: Vec::new(), ..timings.clone() });
        Self {
            store,
            plane: ControlPlane::with_duty(timings, seed, Duty::ControlLoops),
            starrocks: StarRocks::new(seed, Settings::default()),
            now,
            changed: Arc::new(Notify::new()),
            mends: BTreeMap::new(),
        }
    }

    /// Nodes without a control plane: whatever is mirrored into the store, kubelets and StarRocks act on it, and nobody else.
    pub fn of_nodes(seed: u64, timings: Timings, settings: Settings, now: Timestamp) -> Self {
        Self {
            store: Store::new(now),
            plane: ControlPlane::with_duty(timings, seed, Duty::Kubelets),
            starrocks: StarRocks::new(seed, settings),
            now,
            changed: Arc::new(Notify::new()),
            mends: BTreeMap::new(),
        }
    }

    /// The present moment.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Woken whenever something changed outside the passing of time, so that a driver can look for an earlier wake-up.
    pub fn changed(&self) -> Arc<Notify> {
        Arc::clone(&self.changed)
    }

    /// Lets everything react that reacts at this very moment.
    pub fn settle(&mut self) {
        self.plane.settle(&mut self.store, &mut self.starrocks, self.now);
    }

    /// The next moment at which something happens by itself.
    pub fn next_wakeup(&self) -> Option<Timestamp> {
        let mend = self.mends.keys().next().copied();
        [self.plane.next_wakeup(), self.starrocks.next_wakeup(), mend].into_iter().flatten().min()
    }

    /// Lets time pass up to `until`, with everything that happens on the way.
    pub fn advance(&mut self, until: Timestamp) {
        while let Some(next) = self.next_wakeup().filter(|next| *next <= until) {
            self.step_to(next.max(self.now));
        }
        if until > self.now {
            self.step_to(until);
        }
    }

    /// Lets `duration` pass.
    pub fn pass(&mut self, duration: Duration) {
        self.advance(self.now + duration);
    }

    fn step_to(&mut self, moment: Timestamp) {
        self.now = moment;
        self.store.set_now(moment);
        while let Some(due) = self.mends.first_entry().filter(|due| *due.key() <= moment) {
            for mend in due.remove() {
                self.mend(&mend, moment);
            }
        }
        let names = resolver(&self.store);
        self.starrocks.advance(&names, moment);
        drop(names);
        self.settle();
    }

    /// Creates user tables with up to three replicas, as many as the backends allow, in the cluster of a namespace.
    pub fn seed_tables(&mut self, namespace: &str, backends: u32) {
        let replication = usize::try_from(backends.clamp(1, 3)).unwrap_or(1);
        self.starrocks.seed_tables(namespace, DATABASE, 4, 6, replication);
        self.shaken();
    }

    /// Ends a mishap after a while; it has begun just now.
    pub(super) fn mend_later(&mut self, lasting: Duration, mend: Mend) {
        let mut end = self.now + lasting;
        // Of two mishaps of one kind that overlap, the end of the earlier one must not end the later one.
        self.mends.retain(|at, pending| {
            if pending.contains(&mend) {
                end = end.max(*at);
                pending.retain(|other| *other != mend);
            }
            !pending.is_empty()
        });
        self.mends.entry(end).or_default().push(mend);
        self.shaken();
    }

    /// Whether every mishap has ended.
    pub fn is_mended(&self) -> bool {
        self.mends.is_empty()
    }

    /// Lets everything feel what was just done to the world from outside.
    pub(super) fn shaken(&mut self) {
        self.settle();
        self.changed.notify_one();
    }

    /// One SQL text to whoever listens at an address.
    pub fn query(&mut self, ip: IpAddr, port: u16, login: &Login, sql: &str) -> SqlReply {
        let names = resolver(&self.store);
        let reply = self.starrocks.query(ip, port, login, sql, &names, self.now);
        drop(names);
        self.settle();
        self.changed.notify_one();
        reply
    }

    /// Where a client that connects to a port of a host name may arrive: one address for each ready pod of a Service.
    pub fn destinations(&self, host: &str, port: u16) -> Vec<SocketAddr> {
        resolver(&self.store).destinations(host, port)
    }

    /// One HTTP GET to whoever listens at an address.
    pub fn http(&self, ip: IpAddr, port: u16, path: &str) -> HttpReply {
        self.starrocks.http(ip, port, path, self.now)
    }
}

impl Backend for World {
    fn store(&mut self) -> &mut Store {
        &mut self.store
    }

    fn touched(&mut self) {
        self.settle();
        self.changed.notify_one();
    }

    fn log(&self, namespace: &str, pod: &str, container: &str, previous: bool) -> Option<String> {
        self.plane.log(&self.starrocks, (namespace, pod), container, previous)
    }
}
