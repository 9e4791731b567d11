//! What Kubernetes refuses for good: told by the cluster it concerns, tried for ever, and paid for by nobody else.

use serde_json::{Value, json};
use starrocks_operator::api::StarRocksClusterStatus;
use starrocks_operator::sim::crash::{self, SUBJECT, Subject, resource};
use starrocks_operator::sim::embedded::Embedded;
use starrocks_operator::sim::kube::{ApiError, Verdict};

use crate::harness::{apply, pass, play, risen, status, until};

const HOUR: u64 = 3_600;
const CODE: &str = "SR-2405";
const OTHER: Subject<'static> = Subject { namespace: "prod", name: "other" };

/// A Service that asks every node of Kubernetes for this port.
fn at_node_port(container_port: u16, node_port: u16) -> Value {
    json!({"type": "NodePort", "ports": [{"name": "query", "containerPort": container_port, "nodePort": node_port}]})
}

fn other(section: &str, service: &Value) -> Value {
    let mut wanted = resource("3.5.9", [3, 1, 0]);
    wanted["metadata"]["name"] = json!(OTHER.name);
    wanted["spec"][section]["service"] = service.clone();
    wanted
}

fn stored(embedded: &Embedded, kind: &str, name: &str) -> Option<Value> {
    embedded.world().store.get(kind, "prod", name).cloned()
}

fn told(embedded: &Embedded) -> StarRocksClusterStatus {
    crash::status(&embedded.world(), OTHER)
}

fn condition(status: &StarRocksClusterStatus, name: &str) -> (bool, String, String) {
    let found = status.conditions.iter().find(|condition| condition.condition_type == name).expect("it is told");
    (found.status == "True", found.reason.clone(), found.message.clone())
}

fn is_refused(status: &StarRocksClusterStatus) -> bool {
    status.blocked.iter().any(|blocked| blocked.code == CODE)
}

fn is_ready(status: &StarRocksClusterStatus) -> bool {
    condition(status, "Ready").0
}

/// Events with the code in their text.
fn events(embedded: &Embedded) -> usize {
    let world = embedded.world();
    let events = world.store.list("Event", Some("prod"));
    let note = |event: &&&Value| event["note"].as_str().or(event["message"].as_str()).is_some_and(|note| note.contains(CODE));
    events.iter().filter(note).count()
}

/// Writes of one hour, by verb and resource.
async fn hourly_writes(embedded: &Embedded) -> std::collections::BTreeMap<String, u64> {
    let before = embedded.ledger.tally();
    pass(HOUR).await;
    let after = embedded.ledger.tally();
    let grown = after.writes.iter().map(|(what, count)| (what.clone(), count - before.writes.get(what).unwrap_or(&0)));
    grown.filter(|(_, count)| *count > 0).collect()
}

#[test]
fn a_node_port_that_another_cluster_holds_is_named_and_taken_once_it_is_free() {
    play(async {
        let embedded = risen(1, "3.5.9", [3, 1, 0]).await;
        embedded
            .patch_cluster("prod", "kube", json!({"spec": {"starRocksFeSpec": {"service": at_node_port(9030, 30_930)}}}))
            .await
            .expect("accepted");
        pass(60).await;
        let first = (status(&embedded), stored(&embedded, "Service", "kube-fe-service"));

        embedded.apply(&other("starRocksFeSpec", &at_node_port(9030, 30_930))).await.expect("accepted");
        until("the refusal is told", 30, || is_refused(&told(&embedded))).await;
        pass(600).await;
        let second = told(&embedded);
        let (stalled, reason, message) = condition(&second, "Stalled");
        assert!(stalled && !is_ready(&second) && second.phase == "failed", "{second:?}");
        assert_eq!(reason, "RequestRefused");
        for part in ["Service other-fe-service", "spec.ports[", "nodePort", "provided port is already allocated", "starRocksFeSpec.service"]
        {
            assert!(message.contains(part), "{part}: {message}");
        }
        assert_eq!(second.blocked.iter().filter(|blocked| blocked.code == CODE).count(), 1, "{:?}", second.blocked);
        assert!(stored(&embedded, "Service", "other-fe-search").is_some(), "it does not depend on the refused one");
        for service in ["other-be-search", "other-be-service"] {
            assert!(stored(&embedded, "Service", service).is_none(), "{service} comes with its nodes, which wait for the frontends");
        }
        assert!(stored(&embedded, "StatefulSet", "other-fe").is_none(), "frontends find each other by the refused Service");

        assert_eq!(events(&embedded), 1);
        let writes = hourly_writes(&embedded).await;
        println!("an hour with a refused Service: {writes:?}");
        assert_eq!(writes.keys().collect::<Vec<_>>(), ["patch services"], "{writes:?}");
        assert!(writes["patch services"] <= 15, "{writes:?}");
        assert_eq!((status(&embedded), stored(&embedded, "Service", "kube-fe-service")), first, "the first cluster was touched");

        pass(3 * HOUR).await;
        let free =
            json!({"spec": {"starRocksFeSpec": {"service": {"ports": [{"name": "query", "containerPort": 9030, "nodePort": 30_931}]}}}});
        embedded.patch_cluster("prod", "kube", free).await.expect("accepted");
        let taken = until("the port is taken", 400, || stored(&embedded, "Service", "other-fe-service").is_some()).await;
        println!("a port that became free is taken after {taken:?}");
        crash::settle(&embedded, OTHER, 1).await.expect("the second cluster comes up");
        assert!(!is_refused(&told(&embedded)));
    });
}

#[test]
fn a_refused_service_that_no_node_needs_keeps_no_node_from_serving_or_rolling() {
    play(async {
        let embedded = risen(1, "3.5.9", [3, 1, 0]).await;
        let service = json!({"type": "NodePort", "ports": [{"name": "webserver", "containerPort": 8040, "nodePort": 30_804}]});
        embedded.patch_cluster("prod", "kube", json!({"spec": {"starRocksBeSpec": {"service": service}}})).await.expect("accepted");
        pass(60).await;
        embedded.apply(&other("starRocksBeSpec", &service)).await.expect("accepted");
        let ready = |embedded: &Embedded, kind: &str, count: i64| {
            stored(embedded, "StatefulSet", kind).is_some_and(|set| set["status"]["readyReplicas"].as_i64() == Some(count))
        };
        until("every pod runs", 600, || ready(&embedded, "other-fe", 3) && ready(&embedded, "other-be", 1)).await;
        pass(120).await;
        assert!(is_refused(&told(&embedded)) && !is_ready(&told(&embedded)), "{:?}", told(&embedded));

        // A change of the frontends' template is rolled through all the same.
        let old = stored(&embedded, "Pod", "other-fe-0").expect("it runs")["metadata"]["uid"].clone();
        let change = json!({"spec": {"starRocksFeSpec": {"annotations": {"round": "two"}}}});
        embedded.patch_cluster("prod", "other", change).await.expect("accepted");
        until("every frontend is made anew", 1_800, || {
            let uid = stored(&embedded, "Pod", "other-fe-0").map(|pod| pod["metadata"]["uid"].clone());
            uid.is_some_and(|uid| uid != old)
        })
        .await;

        // Whoever corrects the resource need not wait for the next attempt.
        pass(HOUR).await;
        let change = json!({"spec": {"starRocksBeSpec": {"service": {"ports": null}}}});
        let generation = embedded.patch_cluster("prod", "other", change).await.expect("accepted");
        let healed = until("the corrected Service is made", 30, || stored(&embedded, "Service", "other-be-service").is_some()).await;
        assert!(healed.as_secs() < 5, "{healed:?}");
        crash::settle(&embedded, OTHER, generation).await.expect("it is ready");
    });
}

#[test]
fn a_change_that_a_quota_forbids_is_told_before_anyone_believes_it_done() {
    play(async {
        let mut embedded = risen(1, "3.5.9", [3, 1, 0]).await;
        embedded.ledger.obstruct(Some(Box::new(|request| {
            let words = "exceeded quota: team, requested: services.nodeports=5, used: services.nodeports=0, limited: services.nodeports=0";
            let refusal = ApiError::forbidden("", "services", "kube-fe-service", words);
            (request.verb == "patch" && request.name == "kube-fe-service").then_some(Verdict::Refuse(refusal))
        })));
        let change = json!({"spec": {"starRocksFeSpec": {"service": {"type": "NodePort"}}}});
        let generation = embedded.patch_cluster("prod", "kube", change).await.expect("accepted");
        let answered = |status: &StarRocksClusterStatus| status.observed_generation == Some(generation);
        for _ in 0..600 {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            let now = status(&embedded);
            assert!(!(answered(&now) && is_ready(&now)), "the change is not in force: {now:?}");
        }
        let (stalled, _, message) = condition(&status(&embedded), "Stalled");
        assert!(stalled && message.contains("exceeded quota: team") && message.contains("kube-fe-service"), "{message}");
        assert!(!condition(&status(&embedded), "Degraded").0, "every node serves");

        // A new operator finds the same, without calling it ready meanwhile.
        for _ in 0..3 {
            embedded.start_operator();
            for _ in 0..200 {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                assert!(!is_ready(&status(&embedded)));
            }
            assert!(is_refused(&status(&embedded)));
        }
        let writes = hourly_writes(&embedded).await;
        assert_eq!(writes.keys().collect::<Vec<_>>(), ["patch services"], "{writes:?}");

        embedded.ledger.obstruct(None);
        crash::settle(&embedded, SUBJECT, generation).await.expect("it is done once the quota allows it");
        assert_eq!(stored(&embedded, "Service", "kube-fe-service").expect("it exists")["spec"]["type"], "NodePort");
    });
}

#[test]
fn a_pod_that_may_not_be_deleted_stops_the_roll_and_says_why() {
    play(async {
        let embedded = risen(1, "3.5.9", [3, 1, 0]).await;
        embedded.ledger.obstruct(Some(Box::new(|request| {
            let refusal = ApiError::forbidden(
                "",
                "pods",
                "kube-fe-2",
                "admission webhook \"freeze.example.com\" denied the request: no changes today",
            );
            (request.verb == "delete" && request.resource == "pods").then_some(Verdict::Refuse(refusal))
        })));
        let change = json!({"spec": {"starRocksFeSpec": {"annotations": {"round": "two"}}}});
        let generation = embedded.patch_cluster("prod", "kube", change).await.expect("accepted");
        until("the refusal is told", 120, || is_refused(&status(&embedded))).await;
        let (stalled, _, message) = condition(&status(&embedded), "Stalled");
        assert!(stalled && message.contains("no changes today") && message.contains("kube-fe-"), "{message}");
        let writes = hourly_writes(&embedded).await;
        println!("an hour with a refused deletion: {writes:?}");
        assert!(writes.values().sum::<u64>() <= 25, "{writes:?}");
        embedded.ledger.obstruct(None);
        crash::settle(&embedded, SUBJECT, generation).await.expect("the roll goes on");
    });
}

#[test]
fn a_name_taken_by_the_service_that_all_nodes_need_costs_nothing_while_it_lasts() {
    play(async {
        let mut embedded = crate::harness::stage(1).await;
        let foreign = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kube-fe-service", "namespace": "prod"},
            "spec": {"selector": {"app": "shop"}, "ports": [{"port": 80}]}});
        embedded.apply(&foreign).await.expect("accepted");
        let before = stored(&embedded, "Service", "kube-fe-service");
        embedded.start_operator();
        embedded.apply(&resource("3.5.9", [3, 1, 0])).await.expect("accepted");
        until("SR-2402", 120, || status(&embedded).blocked.iter().any(|blocked| blocked.code == "SR-2402")).await;
        pass(900).await;
        let codes: Vec<String> = status(&embedded).blocked.into_iter().map(|blocked| blocked.code).collect();
        let writes = hourly_writes(&embedded).await;
        println!("an hour beside a foreign frontend Service: {writes:?}, {codes:?}");
        assert!(writes.is_empty(), "{writes:?}");
        assert_eq!(codes.iter().filter(|code| *code == "SR-2402").count(), 1, "{codes:?}");
        assert_eq!(stored(&embedded, "Service", "kube-fe-service"), before);

        embedded.world().store.delete("Service", "prod", "kube-fe-service", Default::default()).expect("deleted");
        crash::settle(&embedded, SUBJECT, 1).await.expect("the cluster comes up once the name is free");
        // The corner case of two resources that want the same thing is over as well.
        let mut wanted = resource("3.5.9", [1, 0, 0]);
        wanted["metadata"]["name"] = json!("third");
        apply(&embedded, &wanted).await;
    });
}
