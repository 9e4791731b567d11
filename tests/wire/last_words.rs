//! Why a node does not run: told in the words of its log, each log read once per run, and no log of a node that works.

use starrocks_operator::generate::rbac;
use starrocks_operator::sim::crash::SUBJECT;
use starrocks_operator::sim::embedded::Embedded;
use starrocks_operator::sim::kube::Rules;
use starrocks_operator::sim::starrocks::Component;

use crate::harness::{apply, pass, play, props, risen, status, until};

const LOGS: &str = "get pods/log";

/// Lets backends of a release end three seconds after each start, or run again.
fn crash(embedded: &Embedded, version: &str, on: bool) {
    embedded.world().starrocks.crash_on_start(Component::Backend, version, on);
}

fn restarts(embedded: &Embedded, pod: &str) -> u64 {
    let world = embedded.world();
    let pod = world.store.get("Pod", SUBJECT.namespace, pod).expect("a pod");
    pod["status"]["containerStatuses"][0]["restartCount"].as_u64().unwrap_or(0)
}

fn logs_read(embedded: &Embedded) -> u64 {
    embedded.ledger.tally().reads.get(LOGS).copied().unwrap_or(0)
}

fn told(embedded: &Embedded, code: &str) -> Option<String> {
    status(embedded).blocked.into_iter().find(|blocked| blocked.code == code).map(|blocked| blocked.message)
}

#[test]
fn a_crash_loop_stops_the_roll_and_is_told_in_the_words_of_its_log() {
    play(async {
        let embedded = risen(1, "3.4.10", [3, 3, 0]).await;
        assert_eq!(logs_read(&embedded), 0, "no log of a node that works is read");
        crash(&embedded, "3.5.20", true);
        let generation = embedded.set_version(SUBJECT.namespace, SUBJECT.name, "3.5.20").await.expect("accepted");
        let named = || told(&embedded, "SR-2002").is_some_and(|message| message.contains("its log says: ERROR crashed"));
        until("the crash is told", 1_200, named).await;
        pass(900).await;
        let (reads, restarts) = (logs_read(&embedded), restarts(&embedded, "kube-be-2"));
        // Once its time is up, the log of a run is read while it lasts and when it has ended.
        assert!(restarts > 4 && reads >= 1 && reads <= 2 * (restarts + 1), "{reads} logs in {restarts} restarts");
        pass(250).await;
        assert!(logs_read(&embedded) <= reads + 2, "not again before the container is started again");
        let upgrades =
            embedded.world().store.list("StarRocksUpgrade", Some(SUBJECT.namespace)).first().map(|upgrade| upgrade["status"].to_string());
        assert!(upgrades.is_some_and(|status| status.contains("its log says: ERROR crashed")), "the StarRocksUpgrade says so as well");

        crash(&embedded, "3.5.20", false);
        starrocks_operator::sim::crash::settle(&embedded, SUBJECT, generation).await.expect("it arrives once the cause is gone");
        assert_eq!(told(&embedded, "SR-2002"), None);
    });
}

#[test]
fn an_operator_that_may_not_read_logs_tells_the_crash_without_them() {
    play(async {
        let is_log =
            |rule: &k8s_openapi::api::rbac::v1::PolicyRule| rule.resources.as_ref().is_some_and(|all| all.contains(&"pods/log".to_owned()));
        let rules: Vec<_> = rbac::cluster_role_rules().into_iter().filter(|rule| !is_log(rule)).collect();
        let world = props().empty_world(1, SUBJECT.namespace).await.expect("a world");
        let rules = Rules::cluster_wide(rules).with_namespace("starrocks", rbac::lease_role_rules());
        let mut embedded = Embedded::within(world, rules);
        embedded.start_operator();
        apply(&embedded, &starrocks_operator::sim::crash::resource("3.5.9", [3, 3, 0])).await;
        crash(&embedded, "3.5.9", true);
        embedded.world().kill(SUBJECT.namespace, "kube-be-1");
        until("the crash is told", 600, || told(&embedded, "SR-2002").is_some()).await;
        assert!(told(&embedded, "SR-2002").is_some_and(|message| message.contains("exit code 1") && !message.contains("its log says")));
        crash(&embedded, "3.5.9", false);
        until("the backend comes back", 900, || status(&embedded).phase == "running").await;
    });
}
