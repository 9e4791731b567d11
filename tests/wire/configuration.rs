//! Configuration files that change under running nodes: set in all of them without a restart, rolled where only a start reads them, refused with words.

use serde_json::Value;
use starrocks_operator::api::ConfigurationStatus;
use starrocks_operator::sim::crash::SUBJECT;
use starrocks_operator::sim::embedded::Embedded;
use starrocks_operator::sim::starrocks::{Login, SqlReply};

use crate::harness::{pass, play, risen_with_files, status, until, write};

const FRONTENDS: [&str; 3] = ["kube-fe-0", "kube-fe-1", "kube-fe-2"];

async fn risen(seed: u64, update: Option<&str>) -> Embedded {
    risen_with_files(seed, ["max_running_txn_num_per_db = 1000\n", "compact_threads = 4\nmem_limit = 90%\n"], update).await
}

/// What one frontend answers.
fn ask(embedded: &Embedded, pod: &str, sql: &str) -> Vec<Vec<String>> {
    let mut world = embedded.world();
    let found = world.store.get("Pod", SUBJECT.namespace, pod).cloned();
    let Some(ip) = found.and_then(|pod| pod["status"]["podIP"].as_str()?.parse().ok()) else { return Vec::new() };
    match world.query(ip, 9030, &Login { user: "root".to_owned(), password: String::new() }, sql) {
        SqlReply::Rows { rows, .. } => rows.into_iter().map(|row| row.into_iter().map(Option::unwrap_or_default).collect()).collect(),
        _ => Vec::new(),
    }
}

/// A frontend's own value of a key.
fn frontend_value(embedded: &Embedded, pod: &str, key: &str) -> String {
    ask(embedded, pod, &format!("ADMIN SHOW FRONTEND CONFIG LIKE '{key}'")).first().map(|row| row[2].clone()).unwrap_or_default()
}

/// The value of a key in every backend.
fn backend_values(embedded: &Embedded, key: &str) -> Vec<String> {
    let rows = ask(embedded, FRONTENDS[0], &format!("SELECT * FROM information_schema.be_configs WHERE NAME IN ('{key}')"));
    rows.into_iter().map(|row| row[2].clone()).collect()
}

fn restarts(embedded: &Embedded) -> usize {
    let world = embedded.world();
    world.starrocks.metrics(world.now()).restarts.len()
}

fn pods(embedded: &Embedded) -> Vec<Value> {
    embedded.world().store.list("Pod", Some(SUBJECT.namespace)).iter().map(|pod| pod["metadata"]["uid"].clone()).collect()
}

fn entry(embedded: &Embedded, component: &str) -> ConfigurationStatus {
    status(embedded).configuration.into_iter().find(|entry| entry.component == component).unwrap_or_default()
}

async fn in_force(embedded: &Embedded, component: &str, key: &str) {
    until("the change is in force", 1_800, || {
        let told = entry(embedded, component);
        told.change.is_none() && told.last_change.is_some_and(|change| change.keys == [key]) && status(embedded).operation.is_none()
    })
    .await;
}

fn blocked(embedded: &Embedded, code: &str) -> Option<String> {
    status(embedded).blocked.into_iter().find(|blocked| blocked.code == code).map(|blocked| blocked.message)
}

#[test]
fn what_nodes_can_change_is_set_in_all_of_them_and_stays_when_one_restarts() {
    play(async {
        let embedded = risen(1, Some("Live")).await;
        let (before, made) = (restarts(&embedded), pods(&embedded));
        write(&embedded, "fe-conf", "fe.conf", "max_running_txn_num_per_db = 2000\n").await;
        in_force(&embedded, "fe", "max_running_txn_num_per_db").await;
        write(&embedded, "be-conf", "be.conf", "compact_threads = 8\nmem_limit = 90%\n").await;
        in_force(&embedded, "be", "compact_threads").await;
        let value = |pod: &str| frontend_value(&embedded, pod, "max_running_txn_num_per_db");
        assert_eq!(FRONTENDS.map(value), ["2000", "2000", "2000"]);
        assert_eq!(backend_values(&embedded, "compact_threads"), ["8", "8", "8"]);
        assert_eq!((restarts(&embedded), pods(&embedded)), (before, made), "no pod was touched");
        let tally = embedded.ledger.tally();
        pass(3_600).await;
        let after = embedded.ledger.tally();
        assert_eq!(after.statements, tally.statements, "nothing is set again at rest");
        assert_eq!(after.write_count(), tally.write_count());
        // The memory of a process that ends is lost, and the file brings the value back.
        let now = embedded.world().now();
        embedded.world().starrocks.kill(SUBJECT.namespace, FRONTENDS[1], now);
        until("it is back", 300, || value(FRONTENDS[1]) == "2000").await;
        pass(300).await;
        assert_eq!(embedded.ledger.tally().statements, tally.statements);
    });
}

#[test]
fn what_only_a_start_reads_rolls_its_component_and_no_other() {
    play(async {
        let mut embedded = risen(2, Some("Live")).await;
        let before = restarts(&embedded);
        write(&embedded, "be-conf", "be.conf", "compact_threads = 4\nmem_limit = 80%\n").await;
        until("the first restart", 600, || restarts(&embedded) > before).await;
        embedded.lose_operator();
        embedded.start_operator();
        in_force(&embedded, "be", "mem_limit").await;
        assert_eq!(restarts(&embedded), before + 3);
        assert_eq!(backend_values(&embedded, "mem_limit"), ["80%", "80%", "80%"]);
        assert!(entry(&embedded, "be").last_change.is_some_and(|change| change.at_start.contains_key("mem_limit")));
        pass(600).await;
        assert_eq!(restarts(&embedded), before + 3);
    });
}

#[test]
fn what_starrocks_refuses_is_told_with_its_words_and_restarts_nothing() {
    play(async {
        let embedded = risen(3, Some("Live")).await;
        let before = restarts(&embedded);
        write(&embedded, "fe-conf", "fe.conf", "max_running_txn_num_per_db = many\n").await;
        until("it is told", 600, || blocked(&embedded, "SR-2232").is_some()).await;
        let words = blocked(&embedded, "SR-2232").unwrap_or_default();
        assert!(words.contains("For input string: \"many\""), "{words}");
        let sent = embedded.ledger.tally().statement_count();
        pass(3_600).await;
        let again = embedded.ledger.tally().statement_count() - sent;
        assert!((5..=30).contains(&again), "tried {again} times in an hour");
        assert_eq!(restarts(&embedded), before);
        write(&embedded, "fe-conf", "fe.conf", "max_running_txn_num_per_db = 3000\n").await;
        in_force(&embedded, "fe", "max_running_txn_num_per_db").await;
        assert_eq!(blocked(&embedded, "SR-2232"), None);
        assert_eq!(frontend_value(&embedded, FRONTENDS[2], "max_running_txn_num_per_db"), "3000");
    });
}

#[test]
fn without_the_field_a_changed_file_is_nobodys_business() {
    play(async {
        let embedded = risen(4, None).await;
        let tally = embedded.ledger.tally();
        write(&embedded, "fe-conf", "fe.conf", "max_running_txn_num_per_db = 2000\n").await;
        pass(3 * 3_600).await;
        let after = embedded.ledger.tally();
        assert_eq!((after.write_count(), &after.statements), (tally.write_count(), &tally.statements));
        assert_eq!(frontend_value(&embedded, FRONTENDS[0], "max_running_txn_num_per_db"), "1000");
        assert!(status(&embedded).configuration.is_empty());
    });
}

#[test]
fn an_operator_that_dies_while_it_sets_a_key_leaves_it_to_the_next() {
    play(async {
        let mut embedded = risen(5, Some("Live")).await;
        let before = restarts(&embedded);
        let statements = embedded.ledger.tally().statement_count();
        write(&embedded, "be-conf", "be.conf", "compact_threads = 8\nmem_limit = 90%\n").await;
        until("one of three nodes is set", 600, || embedded.ledger.tally().statement_count() > statements).await;
        embedded.lose_operator();
        pass(60).await;
        embedded.start_operator();
        in_force(&embedded, "be", "compact_threads").await;
        assert_eq!(backend_values(&embedded, "compact_threads"), ["8", "8", "8"]);
        assert_eq!(restarts(&embedded), before);
    });
}
