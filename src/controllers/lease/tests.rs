//! Promises of leader election, against a Lease that an API server in miniature keeps.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::*;
use crate::apply::testing::{Recorded, Reply, failure, scripted};
use crate::model::Timestamp;

/// A Lease as an API server keeps it: versions rise, writes over an old version conflict.
#[derive(Default)]
struct Server {
    lease: Option<Value>,
    version: u64,
    down: bool,
}

impl Server {
    fn answer(&mut self, request: &Recorded) -> Reply {
        if self.down {
            return failure(503, "ServiceUnavailable");
        }
        match (request.method.as_str(), self.lease.clone()) {
            ("GET", None) => failure(404, "NotFound"),
            ("GET", Some(lease)) => Reply::Json(200, lease),
            ("POST", None) => self.store(request.body.clone(), 201),
            ("POST", Some(_)) => failure(409, "AlreadyExists"),
            (_, Some(lease)) if lease["metadata"]["resourceVersion"] != request.body["metadata"]["resourceVersion"] => {
                failure(409, "Conflict")
            }
            (_, Some(_)) => self.store(request.body.clone(), 200),
            (_, None) => failure(404, "NotFound"),
        }
    }

    fn store(&mut self, mut lease: Value, code: u16) -> Reply {
        self.version += 1;
        lease["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.lease = Some(lease.clone());
        Reply::Json(code, lease)
    }

    fn holder(&self) -> String {
        self.lease.as_ref().map(|lease| lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()).unwrap_or_default()
    }
}

fn server() -> (Arc<Mutex<Server>>, Client) {
    let server = Arc::new(Mutex::new(Server::default()));
    let state = Arc::clone(&server);
    let (client, _) = scripted(move |request| state.lock().expect("no panic").answer(request));
    (server, client)
}

fn lease(client: &Client, identity: &str) -> Lease {
    Lease::new(client.clone(), "starrocks", "l", identity, Clock::tokio(Timestamp::from_seconds(1_795_447_716)))
}

#[tokio::test(start_paused = true)]
async fn a_free_lease_is_taken_at_once_with_the_times_of_the_clock() {
    let (server, client) = server();
    let mut one = lease(&client, "one");
    one.acquire().await;
    let state = server.lock().expect("no panic");
    let spec = &state.lease.as_ref().expect("it exists")["spec"];
    assert_eq!((spec["holderIdentity"].as_str(), spec["leaseDurationSeconds"].as_i64()), (Some("one"), Some(15)));
    assert_eq!(spec["renewTime"], "2026-11-23T15:28:36.000000Z");
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_renewed_is_never_taken() {
    let (server, client) = server();
    let mut one = lease(&client, "one");
    one.acquire().await;
    let mut two = lease(&client, "two");
    tokio::select! {
        lost = one.hold() => unreachable!("{lost}"),
        () = two.acquire() => unreachable!("taken while held"),
        () = sleep(Duration::from_secs(120)) => {}
    }
    assert_eq!(server.lock().expect("no panic").holder(), "one");
}

#[tokio::test(start_paused = true)]
async fn a_lease_whose_holder_died_is_taken_after_its_whole_duration_and_not_before() {
    let (server, client) = server();
    lease(&client, "one").acquire().await;
    let start = Instant::now();
    lease(&client, "two").acquire().await;
    assert!(start.elapsed() >= Duration::from_secs(15) && start.elapsed() <= Duration::from_secs(18), "{:?}", start.elapsed());
    let state = server.lock().expect("no panic");
    assert_eq!(state.holder(), "two");
    assert_eq!(state.lease.as_ref().expect("it exists")["spec"]["leaseTransitions"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_holder_cut_off_from_the_server_gives_up_before_another_may_take_over() {
    let (server, client) = server();
    let mut one = lease(&client, "one");
    one.acquire().await;
    server.lock().expect("no panic").down = true;
    let start = Instant::now();
    one.hold().await;
    assert!(start.elapsed() >= Duration::from_secs(10) && start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_holder_notices_at_once_that_somebody_else_took_the_lease() {
    let (server, client) = server();
    let mut one = lease(&client, "one");
    one.acquire().await;
    {
        let mut state = server.lock().expect("no panic");
        let mut stolen = state.lease.clone().expect("it exists");
        stolen["spec"]["holderIdentity"] = json!("two");
        state.store(stolen, 200);
    }
    let start = Instant::now();
    assert_eq!(one.hold().await, "another process holds the lease");
    assert!(start.elapsed() <= Duration::from_secs(2));
    one.release().await;
    assert_eq!(server.lock().expect("no panic").holder(), "two");
}

#[tokio::test(start_paused = true)]
async fn a_lease_given_back_is_free_for_the_next_at_once() {
    let (server, client) = server();
    let mut one = lease(&client, "one");
    one.acquire().await;
    one.release().await;
    let start = Instant::now();
    lease(&client, "two").acquire().await;
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!(server.lock().expect("no panic").holder(), "two");
}
