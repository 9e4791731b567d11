//! Clusters of the Go operator come over without a touched pod, and go back the same way.

use serde_json::{Value, json};
use starrocks_operator::sim::crash::{self, Subject};
use starrocks_operator::sim::embedded::Embedded;
use starrocks_operator::sim::ledger::Strike;

use crate::go_operator::{COPY, GoOperator, HASH, MANAGER, NAME, NAMESPACE, differing, identity, text};
use crate::harness::{pass, play, rules, stage, until};

const CLUSTER: Subject<'static> = Subject { namespace: NAMESPACE, name: NAME };
/// StatefulSets, Services, autoscaler, and the proxy's Deployment, Service and ConfigMap.
const OBJECTS: u64 = 13;

pub fn unchanged(_: &mut Vec<Value>) {}

pub fn named<'o>(objects: &'o mut [Value], kind: &str, name: &str) -> &'o mut Value {
    objects.iter_mut().find(|object| object["kind"] == kind && object["metadata"]["name"] == name).expect("it is one of the objects")
}

async fn generation(embedded: &Embedded) -> i64 {
    embedded.world().store.get("StarRocksCluster", NAMESPACE, NAME).expect("it exists")["metadata"]["generation"]
        .as_i64()
        .expect("a number")
}

async fn taken_over(embedded: &mut Embedded) {
    embedded.start_operator();
    let generation = generation(embedded).await;
    crash::settle(embedded, CLUSTER, generation).await.expect("the cluster comes to rest");
}

async fn change(embedded: &Embedded, patch: Value) {
    let generation = embedded.patch_cluster(NAMESPACE, NAME, patch).await.expect("the change is accepted");
    crash::settle(embedded, CLUSTER, generation).await.expect("the cluster comes to rest");
}

fn codes(embedded: &Embedded) -> Vec<String> {
    crash::status(&embedded.world(), CLUSTER).blocked.into_iter().map(|blocked| blocked.code).collect()
}

/// Managers of an object with the operation by which they own fields, those of the status left out.
pub fn managers(object: &Value) -> Vec<String> {
    let entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let spec = entries.iter().filter(|entry| entry.get("subresource").is_none());
    spec.map(|entry| format!("{} {}", text(entry, "/manager"), text(entry, "/operation"))).collect()
}

#[test]
fn a_cluster_of_the_go_operator_is_taken_over_and_no_pod_notices() {
    play(async {
        let mut embedded = stage(1).await;
        let go = GoOperator::creates(&embedded, unchanged).await;
        let (before, objects): (_, Vec<Value>) = (identity(&embedded), go.objects().cloned().collect());
        assert!(objects.iter().all(|object| !go.sees_change(object)));
        drop(go);
        taken_over(&mut embedded).await;
        pass(900).await;
        assert_eq!(differing(&before, &identity(&embedded)), Vec::<String>::new());
        assert_eq!(codes(&embedded), Vec::<String>::new(), "nothing is held back");
        for object in &objects {
            let (kind, name) = (text(object, "/kind"), text(object, "/metadata/name"));
            let live = embedded.world().store.get(&kind, NAMESPACE, &name).cloned().expect("it exists");
            assert!(managers(&live).iter().all(|manager| !manager.starts_with(MANAGER)), "{kind} {name}: {:?}", managers(&live));
            assert!(managers(&live).contains(&"starrocks-operator Apply".to_owned()), "{kind} {name}: {:?}", managers(&live));
            assert!(live["metadata"]["annotations"].get(HASH).is_none(), "{kind} {name}");
            assert_eq!(live["metadata"]["annotations"].get(COPY).is_some(), kind != "HorizontalPodAutoscaler", "{kind} {name}");
            if kind == "StatefulSet" {
                assert_eq!(live["spec"]["updateStrategy"]["type"], "RollingUpdate");
            }
        }
        let status = crash::status(&embedded.world(), CLUSTER);
        assert_eq!(status.phase, "running");
        let scaler = status.star_rocks_cn_status.and_then(|status| status.horizontal_scaler).expect("the Go operator deletes by it");
        assert_eq!((scaler.name.as_deref(), scaler.version.as_deref()), (Some("a-cn-autoscaler"), Some("v2")));

        let tally = embedded.ledger.tally();
        let of_objects: u64 = tally
            .writes
            .iter()
            .filter(|(what, _)| !what.contains("starrocksclusters") && !what.contains("events"))
            .map(|(_, count)| count)
            .sum();
        assert_eq!(of_objects, 2 * OBJECTS, "once the books and once the apply: {:?}", tally.writes);
        pass(3_600).await;
        assert_eq!(embedded.ledger.tally().write_count(), tally.write_count(), "then it rests");
        assert_eq!(embedded.ledger.refused(), Vec::<String>::new());
    });
}

#[test]
fn an_upgrade_after_the_take_over_goes_the_usual_way() {
    play(async {
        let mut embedded = stage(1).await;
        GoOperator::creates(&embedded, unchanged).await;
        taken_over(&mut embedded).await;
        let image = |component: &str| json!({"image": format!("starrocks/{component}-ubuntu:3.5.9")});
        let spec = json!({"starRocksFeSpec": image("fe"), "starRocksBeSpec": image("be"), "starRocksCnSpec": image("cn")});
        let generation = embedded.patch_cluster(NAMESPACE, NAME, json!({"spec": spec})).await.expect("accepted");
        let strategy = |embedded: &Embedded, name: &str| {
            embedded.world().store.get("StatefulSet", NAMESPACE, name).expect("it exists")["spec"]["updateStrategy"].clone()
        };
        until("the backends' restarts are ordered by the operator", 900, || strategy(&embedded, "a-be") == json!({"type": "OnDelete"}))
            .await;
        crash::settle(&embedded, CLUSTER, generation).await.expect("the upgrade ends");
        assert_eq!(crash::status(&embedded.world(), CLUSTER).version.as_deref(), Some("3.5.9"));
        for name in ["a-fe", "a-be", "a-cn"] {
            assert_eq!(strategy(&embedded, name)["type"], "RollingUpdate", "{name}");
        }
        assert_eq!(embedded.ledger.refused(), Vec::<String>::new());
    });
}

#[test]
fn the_go_operator_sees_what_changed_while_it_was_away_and_restarts_nothing() {
    play(async {
        let mut embedded = stage(1).await;
        GoOperator::creates(&embedded, unchanged).await;
        taken_over(&mut embedded).await;
        let taken = identity(&embedded);
        change(&embedded, json!({"spec": {"starRocksBeSpec": {"annotations": {"config": "2"}}}})).await;
        pass(120).await;
        embedded.stop_operator().await;
        let before = identity(&embedded);
        let others: Vec<String> = differing(&taken, &before).into_iter().filter(|what| !what.contains(" a-be")).collect();
        assert_eq!(others, Vec::<String>::new(), "a change of the backends is theirs alone");

        let edited = |objects: &mut Vec<Value>| {
            named(objects, "StatefulSet", "a-be")["spec"]["template"]["metadata"]["annotations"] = json!({"config": "2"})
        };
        let mut go = GoOperator::returns(&embedded);
        let changed = go.resumes(edited).await;
        assert!(changed.contains(&"StatefulSet a-be".to_owned()), "{changed:?}");
        pass(300).await;
        assert_eq!(differing(&before, &identity(&embedded)), Vec::<String>::new(), "nothing rolls on the way back");

        go.resumes(|objects| {
            named(objects, "StatefulSet", "a-cn")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = json!(90)
        })
        .await;
        drop(go);
        pass(300).await;
        assert_ne!(identity(&embedded), before, "and an edit under it does");
        embedded
            .patch_cluster(NAMESPACE, NAME, json!({"spec": {"starRocksCnSpec": {"terminationGracePeriodSeconds": 90}}}))
            .await
            .expect("accepted");
        let before = identity(&embedded);
        taken_over(&mut embedded).await;
        pass(300).await;
        assert_eq!(differing(&before, &identity(&embedded)), Vec::<String>::new(), "and over again");
        let set = embedded.world().store.get("StatefulSet", NAMESPACE, "a-cn").cloned().expect("it exists");
        assert!(managers(&set).iter().all(|manager| !manager.starts_with(MANAGER)) && set["metadata"]["annotations"].get(HASH).is_none());
    });
}

/// What releases before 1.9 made: pods one after the other, another name of the Service, volumes named after their source alone.
fn as_older_releases_did(objects: &mut Vec<Value>) {
    named(objects, "StatefulSet", "a-be")["spec"]["podManagementPolicy"] = json!("OrderedReady");
    let mut service = named(objects, "Service", "a-be-search").clone();
    service["metadata"]["name"] = json!("a-be-domain-search");
    objects.insert(0, service);
    named(objects, "StatefulSet", "a-be")["spec"]["serviceName"] = json!("a-be-domain-search");
    for (kind, name) in [("StatefulSet", "a-fe"), ("Deployment", "a-fe-proxy")] {
        let pod = &mut named(objects, kind, name)["spec"]["template"]["spec"];
        let text = pod.to_string().replace("c1-6062", "c1").replace("s1-2673", "s1").replace("a-fe-proxy-3092", "a-fe-proxy");
        *pod = serde_json::from_str(&text).expect("JSON");
    }
}

#[test]
fn what_older_releases_of_the_go_operator_made_keeps_its_form() {
    play(async {
        let mut embedded = stage(1).await;
        GoOperator::creates(&embedded, as_older_releases_did).await;
        let before = identity(&embedded);
        taken_over(&mut embedded).await;
        pass(900).await;
        assert_eq!((differing(&before, &identity(&embedded)), codes(&embedded)), (Vec::new(), Vec::new()));

        // A change that touches pods of the frontends brings them today's names; the others keep what they have.
        change(&embedded, json!({"spec": {"starRocksFeSpec": {"limits": {"memory": "8Gi"}}}})).await;
        let names = |name: &str| {
            embedded.world().store.get("StatefulSet", NAMESPACE, name).expect("it exists")["spec"]["template"]["spec"]["volumes"]
                .to_string()
        };
        assert!(names("a-fe").contains("c1-6062"));
        let after = identity(&embedded);
        let kept = |what: &str| after[what] == before[what];
        assert!(kept("Pod a-be-0") && kept("Pod a-cn-1") && kept("Deployment a-fe-proxy") && kept("Service a-be-domain-search"));
    });
}

/// Templates of backends and proxy as nobody would make them today.
fn another_grace_period(objects: &mut [Value]) {
    for (kind, name) in [("StatefulSet", "a-be"), ("Deployment", "a-fe-proxy")] {
        named(objects, kind, name)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = json!(77);
    }
}

#[test]
fn a_template_that_would_differ_is_held_until_the_resource_changes() {
    play(async {
        let mut embedded = stage(1).await;
        GoOperator::creates(&embedded, |objects| another_grace_period(objects)).await;
        let before = identity(&embedded);
        embedded.start_operator();
        until("SR-2403", 300, || codes(&embedded).contains(&"SR-2403".to_owned())).await;
        pass(300).await;
        // Another process remembers as much as the first.
        embedded.start_operator();
        pass(900).await;
        assert_eq!(differing(&before, &identity(&embedded)), Vec::<String>::new());
        assert_eq!(codes(&embedded), ["SR-2403", "SR-2403"]);

        change(&embedded, json!({"spec": {"starRocksBeSpec": {"annotations": {"config": "2"}}}})).await;
        pass(120).await;
        let grace = |kind: &str, name: &str| {
            let world = embedded.world();
            world.store.get(kind, NAMESPACE, name).expect("it exists")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"].as_i64()
        };
        assert_eq!((grace("StatefulSet", "a-be"), grace("Deployment", "a-fe-proxy")), (Some(120), Some(30)));
        assert_eq!(codes(&embedded), Vec::<String>::new());
    });
}

#[test]
fn an_owner_agrees_to_what_is_held_without_changing_the_resource() {
    play(async {
        let mut embedded = stage(1).await;
        GoOperator::creates(&embedded, |objects| another_grace_period(objects)).await;
        let before = identity(&embedded);
        embedded.start_operator();
        until("SR-2403", 300, || codes(&embedded).contains(&"SR-2403".to_owned())).await;
        pass(60).await;
        let asked = |embedded: &Embedded| {
            let world = embedded.world();
            let resource = world.store.get("StarRocksCluster", NAMESPACE, NAME).expect("it exists").clone();
            let conditions = resource["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let asked = conditions.into_iter().find(|condition| condition["type"] == "RequiresUpdate").expect("it is told");
            (
                asked["status"] == "True",
                asked["message"].as_str().unwrap_or_default().to_owned(),
                resource["metadata"]["generation"].clone(),
            )
        };
        let (held, message, generation) = asked(&embedded);
        assert!(held && message.contains("BE (spec.template.spec.terminationGracePeriodSeconds)"), "{message}");
        assert!(message.contains("FE proxy (spec.template.spec.terminationGracePeriodSeconds)"), "{message}");
        let hashes = message.split("starrocks.com/accept-template=").nth(1).and_then(|rest| rest.split(';').next()).expect("hashes");
        let annotation = json!({"metadata": {"annotations": {"starrocks.com/accept-template": hashes}}});
        embedded.patch_cluster(NAMESPACE, NAME, annotation).await.expect("accepted");
        until("the roll begins", 60, || !asked(&embedded).0).await;
        until("the roll ends", 900, || crash::status(&embedded.world(), CLUSTER).operation.is_none()).await;
        pass(60).await;
        assert_eq!((asked(&embedded).0, asked(&embedded).2, codes(&embedded).len()), (false, generation, 0), "the spec was not changed");
        let changed = differing(&before, &identity(&embedded));
        let gone = |pod: &str| changed.iter().any(|what| what.starts_with(&format!("Pod {pod}")));
        assert!(gone("a-be-0") && !gone("a-fe-0") && !gone("a-cn-0"), "{changed:?}");
    });
}

#[test]
fn an_operator_that_is_lost_in_the_middle_of_a_take_over_is_no_loss() {
    play(async {
        let embedded = stage(1).await;
        GoOperator::creates(&embedded, unchanged).await;
        let before = identity(&embedded);
        let world = embedded.world().clone();
        drop(embedded);
        // The status, and two writes for each object; every few of them the operator dies before or after, or hears no answer.
        for (number, strike) in
            (1..=2 * OBJECTS).step_by(3).zip([Strike::ClientLost, Strike::AnswerLost, Strike::RequestLost].into_iter().cycle())
        {
            let mut embedded = Embedded::within(world.clone(), rules());
            embedded.start_operator();
            embedded.ledger.strike(Some((number, strike)));
            pass(60).await;
            taken_over(&mut embedded).await;
            pass(400).await;
            assert_eq!(differing(&before, &identity(&embedded)), Vec::<String>::new(), "{strike:?} at {number}");
            for name in ["a-fe", "a-be", "a-cn"] {
                let set = embedded.world().store.get("StatefulSet", NAMESPACE, name).cloned().expect("it exists");
                assert_eq!(managers(&set).first().map(String::as_str), Some("starrocks-operator Apply"), "{strike:?} at {number}");
                assert!(
                    managers(&set).iter().all(|manager| !manager.starts_with(MANAGER))
                        && set["metadata"]["annotations"].get(HASH).is_none()
                );
            }
            assert_eq!(codes(&embedded), Vec::<String>::new(), "{strike:?} at {number}");
        }
    });
}
