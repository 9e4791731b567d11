//! Counts what a client asks of the embedded API and of StarRocks, and lets the n-th change go wrong; never changes an answer otherwise.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::kube::{ApiError, Gatekeeper, RequestInfo, Verdict};

/// What one client did, and what goes wrong with one of its changes.
#[derive(Default)]
pub struct Ledger {
    user: String,
    state: Mutex<State>,
    tripped: Notify,
    witness: Mutex<Option<Witness>>,
    obstacle: Mutex<Option<Obstacle>>,
}

/// Told of every change right before and right after it is carried out: an SQL text, or an API request in a few words and, afterwards,
/// with the code of its answer.
pub type Witness = Box<dyn FnMut(Stage, &str) + Send>;

/// When a witness is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nothing has changed yet.
    Before,
    /// The change is made, and nobody has heard of it.
    After,
}

/// How a change goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strike {
    /// It is carried out, and the client is lost before it hears of it: nothing of it gets through any more.
    ClientLost,
    /// It is carried out and the answer never comes; the client goes on.
    AnswerLost,
    /// It never arrives; the client goes on.
    RequestLost,
}

/// What becomes of an API request of the client; `None` lets it pass.
pub type Obstacle = Box<dyn Fn(&RequestInfo) -> Option<Verdict> + Send>;

#[derive(Debug, Default)]
struct State {
    tally: Tally,
    refused: Vec<String>,
    /// Which change from now on goes wrong, from 1, and how.
    strike: Option<(u64, Strike)>,
    struck: Option<String>,
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
    /// It goes wrong.
    Struck(Strike),
    /// The client is lost, and nothing of it arrives.
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

    /// Lets the `change`-th change from now on (from 1) go wrong, or none; a lost client is forgotten.
    pub fn strike(&self, strike: Option<(u64, Strike)>) {
        let mut state = self.lock();
        (state.strike, state.struck, state.cut) = (strike, None, false);
    }

    /// Has every change witnessed from now on, those of leases and events aside; `None` ends it.
    pub fn witness(&self, witness: Option<Witness>) {
        *self.witness.lock().unwrap_or_else(PoisonError::into_inner) = witness;
    }

    /// Puts something between the client and the API; `None` clears the way.
    pub fn obstruct(&self, obstacle: Option<Obstacle>) {
        *self.obstacle.lock().unwrap_or_else(PoisonError::into_inner) = obstacle;
    }

    fn tell_witness(&self, stage: Stage, what: &str) {
        if let Some(witness) = self.witness.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            witness(stage, what);
        }
    }

    /// Waits until a change has gone wrong; returns which.
    pub async fn struck(&self) -> String {
        loop {
            let notified = self.tripped.notified();
            if let Some(what) = self.lock().struck.clone() {
                return what;
            }
            notified.await;
        }
    }

    /// Records an SQL text on its way to a frontend.
    pub fn sql(&self, text: &str) -> Passage {
        let words = first_words(text);
        {
            let mut state = self.lock();
            if state.cut {
                return Passage::Cut;
            }
            if is_query(&words) {
                state.tally.queries += 1;
                return Passage::Open;
            }
            *state.tally.statements.entry(words).or_default() += 1;
        }
        self.tell_witness(Stage::Before, text);
        self.count_down(text).map_or(Passage::Open, Passage::Struck)
    }

    /// Records that an SQL text was executed.
    pub fn sql_done(&self, text: &str) {
        if !is_query(&first_words(text)) {
            self.tell_witness(Stage::After, text);
        }
    }

    /// Records an HTTP request on its way to a StarRocks node; `false` when the wire is cut.
    pub fn http(&self) -> bool {
        let mut state = self.lock();
        state.tally.http_requests += 1;
        !state.cut
    }

    /// Counts a change; how it goes wrong, if it does.
    fn count_down(&self, what: &str) -> Option<Strike> {
        let mut state = self.lock();
        let (left, strike) = state.strike?;
        if left > 1 {
            state.strike = Some((left - 1, strike));
            return None;
        }
        state.strike = None;
        state.struck = Some(what.to_owned());
        state.cut = strike == Strike::ClientLost;
        drop(state);
        self.tripped.notify_waiters();
        Some(strike)
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
        if self.lock().cut {
            return Verdict::Hang;
        }
        if let Some(obstacle) = self.obstacle.lock().unwrap_or_else(PoisonError::into_inner).as_ref()
            && let Some(verdict) = obstacle(request)
        {
            return verdict;
        }
        if !is_counted(request) {
            return Verdict::Proceed;
        }
        let what = format!("{} {}", kind_of(request), request.name);
        self.tell_witness(Stage::Before, &what);
        match self.count_down(&what) {
            None => Verdict::Proceed,
            Some(Strike::ClientLost | Strike::AnswerLost) => Verdict::LoseReply,
            Some(Strike::RequestLost) => Verdict::Disconnect,
        }
    }

    fn after(&self, request: &RequestInfo, code: u16, _refusal: Option<&ApiError>) {
        if request.user != self.user {
            return;
        }
        let mut state = self.lock();
        let what = kind_of(request);
        if code == 403 {
            state.refused.push(what.clone());
        }
        let side = if request.is_write() { &mut state.tally.writes } else { &mut state.tally.reads };
        *side.entry(what.clone()).or_default() += 1;
        drop(state);
        if is_counted(request) {
            self.tell_witness(Stage::After, &format!("{what} {}: {code}", request.name));
        }
    }
}

fn kind_of(request: &RequestInfo) -> String {
    let slash = if request.subresource.is_empty() { "" } else { "/" };
    format!("{} {}{slash}{}", request.verb, request.resource, request.subresource)
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

    const IMAGE: &str = "ALTER SYSTEM CREATE IMAGE";

    #[test]
    fn a_client_is_lost_with_the_change_that_was_named() {
        let ledger = Ledger::new("operator");
        ledger.strike(Some((2, Strike::ClientLost)));
        assert_eq!(ledger.sql("SHOW FRONTENDS"), Passage::Open);
        assert_eq!(ledger.sql(IMAGE), Passage::Open);
        assert_eq!(ledger.sql(IMAGE), Passage::Struck(Strike::ClientLost));
        assert_eq!(ledger.sql("SHOW FRONTENDS"), Passage::Cut);
        ledger.strike(None);
        assert_eq!(ledger.sql("SHOW FRONTENDS"), Passage::Open);
        assert_eq!(ledger.tally().statements.get(IMAGE), Some(&2));
    }

    #[test]
    fn a_client_whose_answer_or_request_was_lost_goes_on() {
        for strike in [Strike::AnswerLost, Strike::RequestLost] {
            let ledger = Ledger::new("operator");
            ledger.strike(Some((1, strike)));
            assert_eq!(ledger.sql(IMAGE), Passage::Struck(strike));
            assert_eq!(ledger.sql("SHOW FRONTENDS"), Passage::Open);
            assert_eq!(ledger.sql(IMAGE), Passage::Open);
        }
    }

    #[test]
    fn a_witness_is_told_before_and_after_a_change_and_of_no_question() {
        let (ledger, told) = (Ledger::new("operator"), Arc::new(Mutex::new(Vec::new())));
        let kept = Arc::clone(&told);
        ledger.witness(Some(Box::new(move |stage, what| kept.lock().unwrap().push((stage, what.to_owned())))));
        for sql in ["SHOW FRONTENDS", IMAGE] {
            ledger.sql(sql);
            ledger.sql_done(sql);
        }
        assert_eq!(*told.lock().unwrap(), [(Stage::Before, IMAGE.to_owned()), (Stage::After, IMAGE.to_owned())]);
    }
}
