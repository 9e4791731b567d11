//! Warehouses of the Go operator come over without a touched pod, are dropped with their resource from then on, and go back the same way.

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use starrocks_operator::sim::embedded::Embedded;
use starrocks_operator::sim::ledger::Strike;

use crate::go_operator::{COPY, GoOperator, HASH, MANAGER, WAREHOUSE, differing, identity, text};
use crate::harness::{pass, play, rules, stage, until};
use crate::takeover::{managers, named, unchanged};
use crate::warehouses::{self, FINALIZER, KIND, get, wait_until_ready, waits};

const NAME: &str = "load-jobs";
const SET: &str = "load-jobs-warehouse-cn";
const PROTECTION: &str = "starrocks.com.starrockswarehouse/protection";
/// Services and StatefulSet of the frontends; Services, StatefulSet and autoscaler of the warehouse.
const OBJECTS: u64 = 7;

async fn taken_over(embedded: &mut Embedded) {
    embedded.start_operator();
    pass(1).await;
    wait_until_ready(embedded, NAME).await;
    pass(60).await;
}

#[test]
fn a_warehouse_of_the_go_operator_is_taken_over_and_no_pod_notices() {
    play(async {
        let mut embedded = stage(1).await;
        let go = GoOperator::creates_of(&embedded, &WAREHOUSE, unchanged).await;
        let (before, objects): (_, Vec<Value>) = (identity(&embedded), go.objects().cloned().collect());
        drop(go);
        assert_eq!(warehouses::warehouses(&embedded), ["load_jobs"], "its nodes made it");
        taken_over(&mut embedded).await;
        pass(900).await;
        assert_eq!(differing(&before, &identity(&embedded)), Vec::<String>::new());
        assert_eq!(waits(&embedded, NAME), Vec::<String>::new(), "nothing is held back");
        for object in &objects {
            let (kind, name) = (text(object, "/kind"), text(object, "/metadata/name"));
            let live = get(&embedded, &kind, &name).expect("it exists");
            assert!(managers(&live).iter().all(|manager| !manager.starts_with(MANAGER)), "{kind} {name}: {:?}", managers(&live));
            assert!(managers(&live).contains(&"starrocks-operator Apply".to_owned()), "{kind} {name}: {:?}", managers(&live));
            assert!(live["metadata"]["annotations"].get(HASH).is_none(), "{kind} {name}");
            assert_eq!(live["metadata"]["annotations"].get(COPY).is_some(), kind != "HorizontalPodAutoscaler", "{kind} {name}");
        }
        assert_eq!(get(&embedded, "StatefulSet", SET).expect("it exists")["metadata"]["finalizers"], json!([PROTECTION]));
        let resource = get(&embedded, KIND, NAME).expect("it exists");
        assert_eq!(resource["metadata"]["finalizers"], json!([FINALIZER]), "it was made for this resource");
        let status = &resource["status"];
        assert_eq!((&status["phase"], &status["replicas"]), (&json!("running"), &json!(2)));
        let scaler = json!({"name": "load-jobs-warehouse-cn-autoscaler", "version": "v2"});
        assert_eq!(status["horizontalScaler"], scaler, "the Go operator deletes by it");

        let tally = embedded.ledger.tally();
        let of_objects: u64 = tally
            .writes
            .iter()
            .filter(|(what, _)| !what.contains("starrocksclusters") && !what.contains("starrockswarehouses") && !what.contains("events"))
            .map(|(_, count)| count)
            .sum();
        assert_eq!(of_objects, 2 * OBJECTS, "once the books and once the apply: {:?}", tally.writes);
        pass(3_600).await;
        assert_eq!(embedded.ledger.tally().write_count(), tally.write_count(), "then it rests");
        assert_eq!(warehouses::warehouses(&embedded), ["load_jobs"]);

        // What another operator made goes with its resource like any other.
        warehouses::delete(&embedded, NAME).await;
        until("the resource goes", 900, || get(&embedded, KIND, NAME).is_none()).await;
        assert_eq!(warehouses::warehouses(&embedded), Vec::<String>::new());
        until("its nodes go", 120, || get(&embedded, "StatefulSet", SET).is_none()).await;
        assert_eq!(embedded.ledger.refused(), Vec::<String>::new());
    });
}

#[test]
fn a_warehouse_goes_back_to_the_go_operator_and_comes_again_and_nothing_rolls() {
    play(async {
        let mut embedded = stage(1).await;
        GoOperator::creates_of(&embedded, &WAREHOUSE, unchanged).await;
        taken_over(&mut embedded).await;
        patch(&embedded, json!({"spec": {"template": {"annotations": {"config": "2"}}}})).await;
        pass(1).await;
        wait_until_ready(&embedded, NAME).await;
        pass(60).await;
        embedded.stop_operator().await;
        // As the guide says: the Go operator would leave it there for ever.
        patch(&embedded, json!({"metadata": {"finalizers": null}})).await;
        let before = identity(&embedded);

        let mut go = GoOperator::returns_to(&embedded, &WAREHOUSE);
        let changed = go
            .resumes(|objects| named(objects, "StatefulSet", SET)["spec"]["template"]["metadata"]["annotations"] = json!({"config": "2"}))
            .await;
        assert!(changed.contains(&format!("StatefulSet {SET}")), "{changed:?}");
        pass(300).await;
        assert_eq!(differing(&before, &identity(&embedded)), Vec::<String>::new(), "nothing rolls on the way back");
        go.resumes(|objects| named(objects, "StatefulSet", SET)["spec"]["template"]["metadata"]["annotations"] = json!({"config": "3"}))
            .await;
        drop(go);
        pass(300).await;
        assert_ne!(identity(&embedded), before, "and an edit under it does");
        patch(&embedded, json!({"spec": {"template": {"annotations": {"config": "3"}}}})).await;
        let before = identity(&embedded);
        taken_over(&mut embedded).await;
        pass(300).await;
        assert_eq!(differing(&before, &identity(&embedded)), Vec::<String>::new(), "and over again");
        assert_eq!(get(&embedded, KIND, NAME).expect("it exists")["metadata"]["finalizers"], json!([FINALIZER]));
    });
}

#[test]
fn an_operator_that_is_lost_while_it_takes_a_warehouse_over_is_no_loss() {
    let world = play(async {
        let embedded = stage(1).await;
        GoOperator::creates_of(&embedded, &WAREHOUSE, unchanged).await;
        embedded.world().clone()
    });
    for (number, strike) in
        (1..=2 * OBJECTS + 2).step_by(2).zip([Strike::ClientLost, Strike::AnswerLost, Strike::RequestLost].into_iter().cycle())
    {
        play(async {
            let mut embedded = Embedded::within(world.clone(), rules());
            let before = identity(&embedded);
            embedded.start_operator();
            embedded.ledger.strike(Some((number, strike)));
            pass(60).await;
            taken_over(&mut embedded).await;
            pass(400).await;
            assert_eq!(differing(&before, &identity(&embedded)), Vec::<String>::new(), "{strike:?} at {number}");
            assert_eq!(waits(&embedded, NAME), Vec::<String>::new(), "{strike:?} at {number}");
            let set = get(&embedded, "StatefulSet", SET).expect("it exists");
            assert!(managers(&set).iter().all(|manager| !manager.starts_with(MANAGER)), "{strike:?} at {number}");
            assert_eq!(
                get(&embedded, KIND, NAME).expect("it exists")["metadata"]["finalizers"],
                json!([FINALIZER]),
                "{strike:?} at {number}"
            );
        });
    }
}

async fn patch(embedded: &Embedded, patch: Value) {
    warehouses::api(embedded).patch(NAME, &PatchParams::default(), &Patch::Merge(&patch)).await.expect("accepted");
}
