//! Which cluster is looked at next: keys and delays in, due keys out; never the same key twice at once, and failures wait longer each time.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::spread::spread;

/// Events come in bursts (a StatefulSet, its pods, its claims); one pass answers them all.
pub(super) const DEBOUNCE: Duration = Duration::from_millis(40);
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(60);

/// A queue of keys with due times. It has one reader; anyone may add.
#[derive(Debug)]
pub(super) struct Queue<K> {
    state: Mutex<State<K>>,
    changed: Notify,
    opened: Instant,
}

#[derive(Debug)]
struct State<K> {
    due: BTreeMap<K, Instant>,
    order: BTreeSet<(Instant, K)>,
    /// Keys being worked on, and when they are due again because of what happened meanwhile.
    running: BTreeMap<K, Option<Instant>>,
    failures: BTreeMap<K, u32>,
}

/// How a pass over a key ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Nothing more until something happens.
    Rest,
    /// Look again after this time.
    After(Duration),
    /// It failed: look again after a time that doubles with each failure in a row.
    Retry,
}

impl<K: Ord + Clone + Hash> Queue<K> {
    pub(super) fn new() -> Self {
        let state = State { due: BTreeMap::new(), order: BTreeSet::new(), running: BTreeMap::new(), failures: BTreeMap::new() };
        Self { state: Mutex::new(state), changed: Notify::new(), opened: Instant::now() }
    }

    /// Adds a key because something happened.
    pub(super) fn add(&self, key: K) {
        self.add_after(key, DEBOUNCE);
    }

    /// Adds a key before all others: somebody has been waiting since before the queue was there.
    pub(super) fn add_first(&self, key: K) {
        self.lock().add(key, self.opened);
        self.changed.notify_one();
    }

    /// Adds a key for later. A key that is already due earlier stays so: a burst without end cannot put a key off for ever.
    pub(super) fn add_after(&self, key: K, delay: Duration) {
        self.lock().add(key, Instant::now() + delay);
        self.changed.notify_one();
    }

    /// Waits for the next due key and hands it out; it is not handed out again before `done`.
    pub(super) async fn next(&self) -> K {
        loop {
            let earliest = {
                let mut state = self.lock();
                match state.order.first().cloned() {
                    Some((due, key)) if due <= Instant::now() => {
                        state.start(due, &key);
                        return key;
                    }
                    other => other.map(|(due, _)| due),
                }
            };
            match earliest {
                Some(due) => tokio::select! {
                    () = sleep_until(due) => {}
                    () = self.changed.notified() => {}
                },
                None => self.changed.notified().await,
            }
        }
    }

    /// Ends the work on a key.
    pub(super) fn done(&self, key: &K, next: Next) {
        let mut state = self.lock();
        let again = state.running.remove(key).flatten();
        let now = Instant::now();
        let wanted = match next {
            Next::Rest => None,
            Next::After(delay) => Some(now + delay),
            Next::Retry => {
                let failures = state.failures.entry(key.clone()).or_default();
                *failures = failures.saturating_add(1);
                Some(now + backoff(key, *failures))
            }
        };
        if next != Next::Retry {
            state.failures.remove(key);
        }
        // What happened during a failed pass does not shorten the wait: it may be the very cause of the failure.
        let due = match (wanted, again) {
            (Some(wanted), Some(_)) if next == Next::Retry => Some(wanted),
            (Some(wanted), Some(again)) => Some(wanted.min(again)),
            (wanted, again) => wanted.or(again),
        };
        if let Some(due) = due {
            state.add(key.clone(), due);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Keys that are waiting or being worked on.
    pub(super) fn len(&self) -> usize {
        let state = self.lock();
        state.due.len() + state.running.len()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Ord + Clone> State<K> {
    fn add(&mut self, key: K, due: Instant) {
        if let Some(again) = self.running.get_mut(&key) {
            *again = Some(again.map_or(due, |earlier| earlier.min(due)));
            return;
        }
        match self.due.get(&key) {
            Some(present) if *present <= due => return,
            Some(present) => drop(self.order.remove(&(*present, key.clone()))),
            None => {}
        }
        self.order.insert((due, key.clone()));
        self.due.insert(key, due);
    }

    fn start(&mut self, due: Instant, key: &K) {
        self.order.remove(&(due, key.clone()));
        self.due.remove(key);
        self.running.insert(key.clone(), None);
    }
}

/// 1, 2, 4 … 60 s, spread by up to a quarter so that clusters that failed together do not come back together.
fn backoff(key: &impl Hash, failures: u32) -> Duration {
    let doubled = FIRST_RETRY.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1).min(16)).unwrap_or(u32::MAX));
    spread(doubled.min(LONGEST_RETRY), 25, &(key, failures))
}

#[cfg(test)]
mod tests {
    use tokio::time::{advance, timeout};

    use super::*;

    async fn is_idle(queue: &Queue<&'static str>, span: Duration) -> bool {
        timeout(span, queue.next()).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_of_events_leads_to_one_pass() {
        let queue = Queue::new();
        for _ in 0..50 {
            queue.add("a");
        }
        assert_eq!(queue.next().await, "a");
        queue.done(&"a", Next::Rest);
        assert!(is_idle(&queue, Duration::from_secs(3_600)).await);
        assert_eq!(queue.len(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_without_end_does_not_put_a_key_off() {
        let queue = Queue::new();
        let start = Instant::now();
        let events = async {
            loop {
                queue.add("a");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            () = events => unreachable!("events never end"),
            _key = queue.next() => {}
        }
        assert!(start.elapsed() <= DEBOUNCE + Duration::from_millis(1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_asked_while_nobody_was_there_comes_first() {
        let queue = Queue::new();
        for key in ["a", "b", "c"] {
            queue.add(key);
        }
        advance(Duration::from_secs(1)).await;
        queue.add_first("c");
        assert_eq!(queue.next().await, "c");
        assert_eq!(queue.next().await, "a");
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_never_handed_out_twice_at_once_and_what_happened_meanwhile_is_not_lost() {
        let queue = Queue::new();
        queue.add("a");
        assert_eq!(queue.next().await, "a");
        queue.add("a");
        queue.add("b");
        assert_eq!(queue.next().await, "b");
        assert!(is_idle(&queue, Duration::from_secs(60)).await);
        queue.done(&"a", Next::Rest);
        assert_eq!(queue.next().await, "a");
    }

    #[tokio::test(start_paused = true)]
    async fn failures_wait_longer_each_time_and_success_forgets_them() {
        let queue = Queue::new();
        queue.add("a");
        let mut waits = Vec::new();
        for _ in 0..9 {
            let start = Instant::now();
            queue.next().await;
            waits.push(start.elapsed().as_secs());
            queue.done(&"a", Next::Retry);
        }
        assert_eq!(waits[1], 1);
        assert!(waits.windows(2).take(6).all(|pair| pair[0] < pair[1]), "{waits:?}");
        assert!(waits.iter().all(|wait| *wait <= 75), "{waits:?}");
        queue.next().await;
        queue.done(&"a", Next::After(Duration::from_secs(5)));
        queue.next().await;
        queue.done(&"a", Next::Retry);
        let start = Instant::now();
        queue.next().await;
        assert!(start.elapsed() < Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_brings_a_look_forward_that_was_planned_for_later() {
        let queue = Queue::new();
        queue.add_after("a", Duration::from_secs(600));
        advance(Duration::from_secs(1)).await;
        queue.add("a");
        let start = Instant::now();
        queue.next().await;
        assert!(start.elapsed() < Duration::from_secs(1));
        queue.done(&"a", Next::Rest);
        assert!(is_idle(&queue, Duration::from_secs(3_600)).await);
    }
}
