//! How many requests it takes to bring a cluster up: writes are what an API server and its users pay for.

use starrocks_operator::sim::crash::{Act, SUBJECT, resource};

use crate::harness::{play, props};

#[test]
fn a_cluster_of_one_frontend_and_one_backend_comes_up_with_ten_writes_at_most() {
    play(async {
        let empty = props().empty_world(1, SUBJECT.namespace).await.expect("a world");
        let created = props().rehearse(empty, SUBJECT, &Act::Create(resource("3.5.9", [1, 1, 0]))).await.expect("a creation");
        let told = created.told().filter(|(what, _)| what.contains("/status")).count();
        println!("{:?} in {} s, {told} of them tell how it goes", created.tally.writes, created.lasted.as_secs());
        assert!(created.tally.write_count() <= 10, "{:?}", created.tally.writes);
    });
}
