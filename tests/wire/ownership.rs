//! What is the operator's is kept as described; what is someone else's is left alone; what goes, goes whole.

use serde_json::{Value, json};
use starrocks_operator::sim::crash::{self, SUBJECT, resource};
use starrocks_operator::sim::embedded::Embedded;

use crate::harness::{apply, delete, pass, play, risen, stage, status, until};

fn get(embedded: &Embedded, kind: &str, name: &str) -> Option<Value> {
    embedded.world().store.get(kind, "prod", name).cloned()
}

#[test]
fn an_owned_object_changed_by_hand_is_put_back_once() {
    play(async {
        let embedded = risen(1, "3.5.9", [3, 1, 0]).await;
        pass(60).await;
        let before = embedded.ledger.tally();
        let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kube-fe-service", "namespace": "prod"},
            "spec": {"selector": {"app.kubernetes.io/component": "nobody"}}});
        let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": "kube-be", "namespace": "prod", "labels": {"app.kubernetes.io/component": "nobody"}}});
        embedded.apply(&service).await.expect("accepted");
        embedded.apply(&set).await.expect("accepted");
        until("both are put back", 60, || {
            get(&embedded, "Service", "kube-fe-service")
                .is_some_and(|service| service["spec"]["selector"]["app.kubernetes.io/component"] == "fe")
                && get(&embedded, "StatefulSet", "kube-be")
                    .is_some_and(|set| set["metadata"]["labels"]["app.kubernetes.io/component"] == "be")
        })
        .await;
        pass(900).await;
        let after = embedded.ledger.tally();
        let grown = |what: &str| after.writes.get(what).unwrap_or(&0) - before.writes.get(what).unwrap_or(&0);
        assert_eq!((grown("patch services"), grown("patch statefulsets"), grown("delete pods")), (1, 1, 0));
        assert_eq!(status(&embedded).phase, "running");
    });
}

#[test]
fn an_object_of_someone_else_under_our_name_is_left_alone_and_named() {
    play(async {
        let mut embedded = stage(1).await;
        let foreign = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kube-be-service", "namespace": "prod"},
            "spec": {"selector": {"app": "shop"}, "ports": [{"port": 80}]}});
        embedded.apply(&foreign).await.expect("accepted");
        let before = get(&embedded, "Service", "kube-be-service").expect("it exists");
        embedded.start_operator();
        let generation = embedded.apply(&resource("3.5.9", [1, 1, 0])).await.expect("accepted")["metadata"]["generation"].as_i64();
        until("SR-2402", 120, || status(&embedded).blocked.iter().any(|blocked| blocked.code == "SR-2402")).await;
        pass(600).await;
        let told = status(&embedded);
        assert!(told.blocked.iter().any(|blocked| blocked.code == "SR-2402" && blocked.message.contains("kube-be-service")), "{told:?}");
        assert_eq!(told.phase, "failed");
        assert_eq!(get(&embedded, "Service", "kube-be-service").expect("it exists"), before);

        let writes = embedded.ledger.tally().write_count();
        pass(3_600).await;
        assert_eq!(embedded.ledger.tally().write_count(), writes, "it waits without a word");

        embedded.world().store.delete("Service", "prod", "kube-be-service", Default::default()).expect("deleted");
        crash::settle(&embedded, SUBJECT, generation.expect("a generation"))
            .await
            .expect("the cluster comes to rest once the name is free");
    });
}

#[test]
fn a_deleted_cluster_takes_its_objects_along_and_leaves_its_claims() {
    play(async {
        let embedded = risen(1, "3.5.9", [3, 1, 1]).await;
        delete(&embedded, SUBJECT).await;
        until("everything owned goes", 900, || {
            let world = embedded.world();
            ["StatefulSet", "Service", "Pod"].iter().all(|kind| world.store.list(kind, Some("prod")).is_empty())
        })
        .await;
        pass(600).await;
        let world = embedded.world();
        assert_eq!(world.store.list("PersistentVolumeClaim", Some("prod")).len(), 4);
        assert!(world.store.list("StatefulSet", Some("prod")).is_empty(), "nothing is made anew");
    });
}

#[test]
fn a_resource_that_is_to_be_ignored_is_not_touched_until_it_is_not() {
    play(async {
        let mut embedded = stage(1).await;
        embedded.start_operator();
        let mut wanted = resource("3.5.9", [1, 1, 0]);
        wanted["metadata"]["annotations"] = json!({"starrocks.com/ignored": "true"});
        embedded.apply(&wanted).await.expect("accepted");
        pass(300).await;
        assert_eq!(embedded.ledger.tally().write_count(), 0);
        wanted["metadata"]["annotations"] = json!({"starrocks.com/ignored": "false"});
        apply(&embedded, &wanted).await;
    });
}
