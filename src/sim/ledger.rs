//! Counts what a client asks of the embedded API and of StarRocks, and cuts it off after the n-th change; never changes an answer otherwise.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::kube::{ApiError, Gatekeeper, RequestInfo, Verdict};

/// What one client did, and the wire that can be cut under it.
#[derive(Default)]
pub struct Ledger {
    user: String,
    state: Mutex<State>,
    tripped: Notify,
    witness: Mutex<Option<Witness>>,
    obstacle: Mutex<Option<Obstacle>>,
}

/// Told of every change right after it was made, in a few words.
pub type Witness = Box<dyn FnMut(&str) + Send>;

/// What becomes of an API request of the client; `None` lets it pass.
pub type Obstacle = Box<dyn Fn(&RequestInfo) -> Option<Verdict> + Send>;

#[derive(Debug, Default)]
struct State {
    tally: Tally,
    refused: Vec<String>,
    changes_left: Option<u64>,
    cut: bool,
}

/// Counts by kind of act.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// API requests that change something, by `verb resource[/subresource]`.
    pub writes: BTreeMap<String, u64>,
    /// API requests that read, by `verb resource`.
    pub reads: BTreeMap<String, u64>,
    /// SQL texts that change something, by their first words.
    pub statements: BTreeMap<String, u64>,
    /// SQL texts that read.
    pub queries: u64,
    /// HTTP requests to StarRocks.
    pub http_requests: u64,
}

impl Tally {
    /// All API writes.
    pub fn write_count(&self) -> u64 {
        self.writes.values().sum()
    }

    /// All API reads; a watch counts once per connection.
    pub fn read_count(&self) -> u64 {
        self.reads.values().sum()
    }

    /// All changing SQL texts.
    pub fn statement_count(&self) -> u64 {
        self.statements.values().sum()
    }

    /// Every API write and changing SQL text: the points at which a crash matters.
    pub fn change_count(&self) -> u64 {
        self.write_count() + self.statement_count()
    }
}

/// What becomes of an SQL text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It is executed and answered.
    Open,
    /// It is executed and never answered: the client was lost at that moment.
    ExecutedUnheard,
    /// It never arrives.
    Cut,
}

impl Ledger {
    /// An empty ledger for the requests of one API user; those of others pass unrecorded.
    pub fn new(user: &str) -> Arc<Self> {
        Arc::new(Self { user: user.to_owned(), ..Self::default() })
    }

    /// The counts so far.
    pub fn tally(&self) -> Tally {
        self.lock().tally.clone()
    }

    /// Requests that the API refused for lack of rights; the generated role is complete while this is empty.
    pub fn refused(&self) -> Vec<String> {
        self.lock().refused.clone()
    }

    /// Cuts the wire right after the `changes`-th change from now on (0: not at all), and mends a cut one.
    pub fn cut_after(&self, changes: Option<u64>) {
        let mut state = self.lock();
        state.changes_left = changes;
        state.cut = false;
    }

    /// Has every change witnessed from now on, those of leases and events aside; `None` ends it.
    pub fn witness(&self, witness: Option<Witness>) {
        *self.witness.lock().unwrap_or_else(PoisonError::into_inner) = witness;
    }

    /// Puts something between the client and the API; `None` clears the way.
    pub fn obstruct(&self, obstacle: Option<Obstacle>) {
        *self.obstacle.lock().unwrap_or_else(PoisonError::into_inner) = obstacle;
    }

    fn tell_witness(&self, what: &str) {
        if let Some(witness) = self.witness.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            witness(what);
        }
    }

    /// Waits until the wire is cut.
    pub async fn cut(&self) {
        loop {
            let notified = self.tripped.notified();
            if self.lock().cut {
                return;
            }
            notified.await;
        }
    }

    /// Records an SQL text on its way to a frontend.
    pub fn sql(&self, text: &str) -> Passage {
        let mut state = self.lock();
        if state.cut {
            return Passage::Cut;
        }
        let words = first_words(text);
        if is_query(&words) {
            state.tally.queries += 1;
            return Passage::Open;
        }
        *state.tally.statements.entry(words).or_default() += 1;
        if self.count_down(&mut state) { Passage::ExecutedUnheard } else { Passage::Open }
    }

    /// Records that an SQL text was executed.
    pub fn sql_done(&self, text: &str) {
        let words = first_words(text);
        if !is_query(&words) {
            self.tell_witness(&words);
        }
    }

    /// Records an HTTP request on its way to a StarRocks node; `false` when the wire is cut.
    pub fn http(&self) -> bool {
        let mut state = self.lock();
        state.tally.http_requests += 1;
        !state.cut
    }

    fn count_down(&self, state: &mut State) -> bool {
        let Some(left) = state.changes_left.as_mut() else { return false };
        *left = left.saturating_sub(1);
        if *left > 0 {
            return false;
        }
        state.changes_left = None;
        state.cut = true;
        self.tripped.notify_waiters();
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gatekeeper for Ledger {
    fn before(&self, request: &RequestInfo) -> Verdict {
        if request.user != self.user {
            return Verdict::Proceed;
        }
        let mut state = self.lock();
        if state.cut {
            return Verdict::Hang;
        }
        if let Some(obstacle) = self.obstacle.lock().unwrap_or_else(PoisonError::into_inner).as_ref()
            && let Some(verdict) = obstacle(request)
        {
            return verdict;
        }
        if is_counted(request) && self.count_down(&mut state) { Verdict::LoseReply } else { Verdict::Proceed }
    }

    fn after(&self, request: &RequestInfo, code: u16, _refusal: Option<&ApiError>) {
        if request.user != self.user {
            return;
        }
        let mut state = self.lock();
        let slash = if request.subresource.is_empty() { "" } else { "/" };
        let what = format!("{} {}{slash}{}", request.verb, request.resource, request.subresource);
        if code == 403 {
            state.refused.push(what.clone());
        }
        let side = if request.is_write() { &mut state.tally.writes } else { &mut state.tally.reads };
        *side.entry(what.clone()).or_default() += 1;
        drop(state);
        if is_counted(request) {
            self.tell_witness(&format!("{what} {}: {code}", request.name));
        }
    }
}

/// Leases and events are no part of a cluster's life; a crash after one of them would only repeat others.
fn is_counted(request: &RequestInfo) -> bool {
    request.is_write() && !matches!(request.resource.as_str(), "leases" | "events")
}

fn is_query(words: &str) -> bool {
    ["SHOW", "SELECT", "DESC", "ADMIN SHOW"].iter().any(|read| words.starts_with(read))
}

fn first_words(text: &str) -> String {
    let words: Vec<String> = text
        .split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))
        .filter(|word| !word.is_empty())
        .take(4)
        .map(str::to_ascii_uppercase)
        .collect();
    let length = match words.first().map(String::as_str) {
        Some("ADMIN") if words.get(1).is_some_and(|word| word == "SET") => 4,
        Some("ADMIN" | "CANCEL" | "SET") => 2,
        Some("ALTER") => 4,
        Some("RESUME") => 3,
        _ => 1,
    };
    words.into_iter().take(length).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_is_cut_after_the_change_that_was_named() {
        let ledger = Ledger::new("operator");
        ledger.cut_after(Some(2));
        assert_eq!(ledger.sql("SHOW FRONTENDS"), Passage::Open);
        assert_eq!(ledger.sql("ALTER SYSTEM CREATE IMAGE"), Passage::Open);
        assert_eq!(ledger.sql("ALTER SYSTEM CREATE IMAGE"), Passage::ExecutedUnheard);
        assert_eq!(ledger.sql("SHOW FRONTENDS"), Passage::Cut);
        ledger.cut_after(None);
        assert_eq!(ledger.sql("SHOW FRONTENDS"), Passage::Open);
        assert_eq!(ledger.tally().statements.get("ALTER SYSTEM CREATE IMAGE"), Some(&2));
    }
}
