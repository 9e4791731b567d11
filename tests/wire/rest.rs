//! A cluster at rest costs nothing, and an operator that starts beside one at rest changes nothing.

use std::collections::BTreeMap;

use crate::harness::{pass, play, risen, status};

const HOUR: u64 = 3_600;

#[test]
fn an_hour_of_rest_costs_no_write_and_no_read_but_renewed_watches() {
    play(async {
        let embedded = risen(1, "3.5.9", [3, 3, 2]).await;
        pass(300).await;
        let before = embedded.ledger.tally();
        let told = status(&embedded);
        pass(HOUR).await;
        let after = embedded.ledger.tally();
        assert_eq!(after.writes, before.writes);
        assert_eq!(after.statements, before.statements);
        // A watch lives 290 s, so it is renewed twelve or thirteen times an hour; there are eleven kinds.
        let renewed: BTreeMap<&String, u64> = after
            .reads
            .iter()
            .map(|(what, count)| (what, count - before.reads.get(what).unwrap_or(&0)))
            .filter(|(_, count)| *count > 0)
            .collect();
        assert_eq!(renewed.len(), 11, "{renewed:?}");
        assert!(renewed.iter().all(|(what, count)| what.starts_with("watch ") && (12..=13).contains(count)), "{renewed:?}");
        // One look every five minutes at three frontends.
        let queries = after.queries - before.queries;
        println!("an hour at rest: {renewed:?}, {queries} queries, {} HTTP requests", after.http_requests - before.http_requests);
        assert!(queries <= 12 * 30, "{queries} queries");
        assert_eq!(status(&embedded), told);
    });
}

#[test]
fn an_operator_that_starts_beside_a_cluster_at_rest_lists_once_and_writes_nothing() {
    play(async {
        let mut embedded = risen(1, "3.5.9", [3, 1, 1]).await;
        pass(300).await;
        let before = embedded.ledger.tally();
        let told = status(&embedded);
        for _ in 0..3 {
            embedded.start_operator();
            pass(120).await;
        }
        embedded.stop_operator().await;
        embedded.start_operator();
        pass(HOUR).await;
        let after = embedded.ledger.tally();
        assert_eq!(after.change_count(), before.change_count(), "{:?}", after.writes);
        assert_eq!(after.write_count(), before.write_count(), "not even an event");
        assert_eq!(status(&embedded), told);
        for (what, count) in after.reads.iter().filter(|(what, _)| what.starts_with("list ")) {
            assert_eq!(count - before.reads[what], 4, "{what}");
        }
    });
}
