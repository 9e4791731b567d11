//! Nodes for a real Kubernetes control plane: pods bound to them are played with StarRocks in them, on real sockets and in real time; decides nothing
//! that controllers or a scheduler decide, and binds addresses that only the network namespace of tests/controlplane has.

mod control_plane;
mod feed;
mod http_server;
mod listeners;
mod mirror;
mod nodes;
mod outbox;
mod packets;
mod sql_server;
mod volumes;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use kube::Client;
use tokio::sync::Notify;
use tokio::task::JoinSet;

pub use self::control_plane::{ControlPlaneSettings, serve_control_plane};

use self::listeners::Listeners;
use self::mirror::Mirror;
use crate::clock::Clock;
use crate::sim::cluster::Timings;
use crate::sim::runtime::ContainerRuntime;
use crate::sim::starrocks;
use crate::sim::world::World;

/// How long the world may go without being looked at.
const LONGEST_NAP: Duration = Duration::from_secs(1);
/// Changes that come in together are looked at together.
const SHORTEST_NAP: Duration = Duration::from_millis(2);
/// Changes of the mirror that are remembered: a burst of this size between two looks is not noticed as a gap.
const HISTORY: usize = 200_000;

/// What the nodes are like.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Decides everything that is drawn.
    pub seed: u64,
    /// How many nodes; at most 200.
    pub nodes: u8,
    /// Pods that one node takes; its range has addresses for 253.
    pub pods_per_node: u8,
    /// How long things take, in percent of what they take in a small healthy cluster.
    pub percent: u32,
    /// Whether events are recorded: they are most of what kubelets write.
    pub events: bool,
}

impl Settings {
    fn timings(&self) -> Timings {
        let usual = Timings::default();
        Timings {
            pull: self.scaled(usual.pull),
            sandbox: self.scaled(usual.sandbox),
            init: self.scaled(usual.init),
            relist: self.scaled(usual.relist),
            removal: self.scaled(usual.removal),
            provision: self.scaled(usual.provision),
            node_names: (1..=self.nodes).map(|number| format!("worker-{number}")).collect(),
            ..usual
        }
    }

    fn starrocks(&self) -> starrocks::Settings {
        let usual = starrocks::Settings::default();
        starrocks::Settings {
            start_percent: self.percent,
            frontend_graceful: self.scaled(usual.frontend_graceful),
            backend_graceful: self.scaled(usual.backend_graceful),
            // However quickly pods start: hundreds of leaders that look around all the time leave no time for anything else.
            checkpoint_round: usual.checkpoint_round * self.percent.max(10) / 100,
            ..usual
        }
    }

    fn scaled(&self, duration: Duration) -> Duration {
        duration * self.percent / 100
    }
}

/// What all parts of the bed share.
struct Bed {
    mirror: Mutex<Mirror>,
    clock: Clock,
    /// Woken when orders for the API wait.
    orders: Notify,
}

impl Bed {
    fn mirror(&self) -> MutexGuard<'_, Mirror> {
        self.mirror.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Plays nodes until something fails for good.
///
/// # Errors
/// When the API server refuses the nodes, or a part of the bed ends.
pub async fn run(client: Client, clock: Clock, settings: Settings) -> anyhow::Result<()> {
    let timings = settings.timings();
    let mut world = World::of_nodes(settings.seed, timings.clone(), settings.starrocks(), clock.now());
    world.store.set_history_limit(HISTORY);
    let bed = Arc::new(Bed { mirror: Mutex::new(Mirror::new(world, settings.events)), clock, orders: Notify::new() });
    volumes::prepare(&client).await?;
    nodes::register(&client, &timings.node_names, settings.pods_per_node, clock).await?;
    let mut parts = JoinSet::new();
    for source in feed::SOURCES {
        parts.spawn(feed::follow(client.clone(), Arc::clone(&bed), source));
    }
    parts.spawn(nodes::stay_alive(client.clone(), Arc::clone(&bed), timings.node_names.clone()));
    parts.spawn(volumes::provide(client.clone(), Arc::clone(&bed), timings.provision));
    parts.spawn(outbox::deliver(client, Arc::clone(&bed)));
    parts.spawn(drive(bed));
    tracing::info!(nodes = settings.nodes, percent = settings.percent, "nodes are ready");
    let ended = parts.join_next().await.context("there is nothing to run")?;
    ended.context("a part of the bed was lost")
}

/// Lets the world follow the clock, opens and closes sockets with its processes, and wakes whoever tells the API.
async fn drive(bed: Arc<Bed>) {
    let mut listeners = Listeners::new(Arc::clone(&bed));
    let mut known = None;
    loop {
        let now = bed.clock.now();
        let (sockets, waiting, changed, nap) = {
            let mut mirror = bed.mirror();
            mirror.advance(now);
            let next = mirror.world.next_wakeup().map_or(LONGEST_NAP, |next| next.since(now));
            let generation = Some(mirror.world.starrocks.generation());
            let sockets = (known != generation || listeners.lacks_some()).then(|| mirror.world.starrocks.sockets());
            known = generation;
            (sockets, mirror.has_orders(), mirror.world.changed(), next.clamp(SHORTEST_NAP, LONGEST_NAP))
        };
        if let Some(sockets) = sockets {
            listeners.follow(&sockets);
        }
        if waiting {
            bed.orders.notify_one();
        }
        tokio::select! {
            () = tokio::time::sleep(nap) => {}
            () = changed.notified() => tokio::time::sleep(SHORTEST_NAP).await,
        }
    }
}
