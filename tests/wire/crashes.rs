//! The operator dies right after a change, at every change there is; whoever comes after it reaches the same end.

use starrocks_operator::sim::crash::{Act, Rehearsal, SUBJECT, resource};

use crate::harness::{play, props};

const OLD: &str = "3.3.14";
const NEW: &str = "3.5.20";

async fn creation(size: [u32; 3]) -> Rehearsal {
    let world = props().empty_world(1, SUBJECT.namespace).await.expect("a world");
    props().rehearse(world, SUBJECT, &Act::Create(resource(OLD, size))).await.expect("a creation without a mishap")
}

async fn two_hops(size: [u32; 3]) -> (Rehearsal, Rehearsal) {
    let created = creation(size).await;
    let upgraded = props().rehearse(created.world.clone(), SUBJECT, &Act::Version(NEW.to_owned())).await;
    (created, upgraded.expect("an upgrade without a mishap"))
}

/// Crashes at every `stride`-th change, beginning with the `first`.
async fn crash(rehearsal: &Rehearsal, first: usize, stride: usize) {
    println!("{} changes: {:?}", rehearsal.points(), rehearsal.tally);
    let mut faults = Vec::new();
    for number in (first..rehearsal.points()).step_by(stride) {
        if let Err(error) = props().crash(rehearsal, number).await {
            faults.push(format!("{error:#}"));
        }
    }
    assert!(faults.is_empty(), "{} of {} points:\n{}", faults.len(), rehearsal.points(), faults.join("\n"));
}

#[test]
fn a_creation_ends_the_same_whatever_change_the_operator_died_after() {
    play(async { crash(&creation([1, 1, 1]).await, 0, 1).await });
}

#[test]
fn the_creation_of_a_larger_cluster_ends_the_same_too() {
    play(async { crash(&creation([3, 3, 2]).await, 0, 3).await });
}

#[test]
fn an_upgrade_by_two_hops_ends_the_same_whatever_odd_change_the_operator_died_after() {
    play(async { crash(&two_hops([3, 1, 0]).await.1, 0, 2).await });
}

#[test]
fn an_upgrade_by_two_hops_ends_the_same_whatever_even_change_the_operator_died_after() {
    play(async { crash(&two_hops([3, 1, 0]).await.1, 1, 2).await });
}
