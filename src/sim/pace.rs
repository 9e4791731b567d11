//! Lets simulated time pass: drives a world along a paused tokio clock and holds it back to a chosen speed for people who watch.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::kube::ApiServer;
use super::world::World;
use crate::clock::{Clock, Stopwatch};

/// How long a world may go without being looked at; watchers see its changes at most this late.
const LONGEST_NAP: Duration = Duration::from_secs(1);

/// Advances the world with the clock and tells the watches of its API, for ever.
pub async fn drive(world: Arc<Mutex<World>>, server: ApiServer<World>, clock: Clock) {
    let mut told = 0;
    loop {
        let (nap, changed, revision) = {
            let mut world = world.lock().unwrap_or_else(PoisonError::into_inner);
            let now = clock.now();
            world.advance(now);
            let next = world.next_wakeup().map_or(LONGEST_NAP, |next| next.since(now));
            (next.clamp(Duration::from_millis(1), LONGEST_NAP), world.changed(), world.store.revision())
        };
        if revision != told {
            told = revision;
            server.notify();
        }
        tokio::select! {
            () = tokio::time::sleep(nap) => {}
            () = changed.notified() => {}
        }
    }
}

/// Keeps a paused clock from running faster than `speed` simulated seconds per real second, for ever.
///
/// The thread is put to sleep, which holds back everything on a current-thread runtime: that is the purpose.
pub async fn hold_back(speed: f64) {
    let stride = Duration::from_millis(50).mul_f64(speed.clamp(1.0, 20.0));
    let started = Stopwatch::start();
    let mut simulated = Duration::ZERO;
    loop {
        tokio::time::sleep(stride).await;
        simulated += stride;
        let due = simulated.div_f64(speed.max(0.01));
        if let Some(ahead) = due.checked_sub(started.elapsed()) {
            std::thread::sleep(ahead);
        }
    }
}
