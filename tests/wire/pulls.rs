//! Images pulled before a hop on the wire: an image that is not there costs no node, and no pod of a pull outlives the hop, its cancellation or its operator.

use std::time::Duration;

use serde_json::json;
use starrocks_operator::sim::crash::{self, SUBJECT};
use starrocks_operator::sim::embedded::Embedded;

use crate::harness::{change, pass, play, risen, status, until};

/// A cluster that pulls images first, asked for another line whose images are not there for a while.
async fn asked(lasting: u64) -> (Embedded, i64) {
    let embedded = risen(1, "3.4.10", [3, 3, 1]).await;
    change(&embedded, json!({"spec": {"upgradePolicy": {"prePullImages": true}}})).await;
    embedded.world().lose_images("3.5.20", Duration::from_secs(lasting));
    let generation = embedded.set_version(SUBJECT.namespace, SUBJECT.name, "3.5.20").await.expect("accepted");
    (embedded, generation)
}

/// Pods that have images pulled, and whether an address of one is in any EndpointSlice.
fn pulls(embedded: &Embedded) -> (usize, bool) {
    let world = embedded.world();
    let pods = world.store.list("Pod", Some(SUBJECT.namespace));
    let pulls: Vec<_> = pods.into_iter().filter(|pod| pod["metadata"]["labels"]["app.kubernetes.io/component"] == "image-pull").collect();
    let slices: Vec<String> = world.store.list("EndpointSlice", Some(SUBJECT.namespace)).iter().map(|slice| slice.to_string()).collect();
    let served =
        pulls.iter().filter_map(|pod| pod["metadata"]["name"].as_str()).any(|name| slices.iter().any(|slice| slice.contains(name)));
    (pulls.len(), served)
}

fn is_held(embedded: &Embedded) -> bool {
    status(embedded).blocked.iter().any(|blocked| blocked.code == "SR-2225")
}

/// UIDs of the nodes of the cluster.
fn nodes(embedded: &Embedded) -> Vec<String> {
    let world = embedded.world();
    let all = world.store.list("Pod", Some(SUBJECT.namespace));
    let of_sets = all.into_iter().filter(|pod| pod["metadata"]["ownerReferences"][0]["kind"] == "StatefulSet");
    of_sets.map(|pod| pod["metadata"]["uid"].to_string()).collect()
}

#[test]
fn an_image_that_is_not_there_costs_no_node_and_the_hop_begins_once_it_is() {
    play(async {
        let (embedded, generation) = asked(600).await;
        let before = nodes(&embedded);
        until("the hop is held", 300, || is_held(&embedded)).await;
        pass(200).await;
        assert_eq!((nodes(&embedded), pulls(&embedded).1), (before, false), "nothing has been touched, and no client is sent to a pull");
        assert!(status(&embedded).operation.is_some_and(|operation| operation.saved_settings.is_empty() && operation.image.is_none()));
        crash::settle(&embedded, SUBJECT, generation).await.expect("it arrives once the image is there");
        assert_eq!((status(&embedded).version.as_deref(), pulls(&embedded).0), (Some("3.5.20"), 0));
    });
}

#[test]
fn pulls_go_with_the_way_they_were_for_although_their_operator_died() {
    play(async {
        let (mut embedded, _) = asked(3_600).await;
        until("the hop is held", 300, || is_held(&embedded)).await;
        assert!(pulls(&embedded).0 > 0);
        embedded.lose_operator();
        let generation = embedded.set_version(SUBJECT.namespace, SUBJECT.name, "3.4.10").await.expect("accepted");
        embedded.start_operator();
        crash::settle(&embedded, SUBJECT, generation).await.expect("it stays where it is");
        until("the pods of the pulls go", 60, || pulls(&embedded).0 == 0).await;
    });
}
