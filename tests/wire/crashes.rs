//! A change goes wrong, every change there is in every way there is: whoever goes on comes to the same end.

use std::sync::OnceLock;

use starrocks_operator::sim::crash::{Act, Extent, Mishap, Rehearsal, SUBJECT, resource};

use crate::harness::{play, props};

const OLD: &str = "3.3.14";
const NEW: &str = "3.5.20";
/// Every so many plays one goes on to its end; the others end where they are back on the way of the rehearsal.
const WHOLE: usize = 20;

async fn creation(size: [u32; 3]) -> Rehearsal {
    let world = props().empty_world(1, SUBJECT.namespace).await.expect("a world");
    props().rehearse(world, SUBJECT, &Act::Create(resource(OLD, size))).await.expect("a creation without a mishap")
}

fn small_creation() -> &'static Rehearsal {
    static PLAYED: OnceLock<Rehearsal> = OnceLock::new();
    PLAYED.get_or_init(|| play(creation([1, 1, 1])))
}

/// Two hops of the smallest cluster that can be upgraded without an outage.
fn two_hops() -> &'static (Rehearsal, Rehearsal) {
    static PLAYED: OnceLock<(Rehearsal, Rehearsal)> = OnceLock::new();
    PLAYED.get_or_init(|| {
        play(async {
            let created = creation([3, 1, 0]).await;
            let upgraded = props().rehearse(created.world(), SUBJECT, &Act::Version(NEW.to_owned())).await;
            (created, upgraded.expect("an upgrade without a mishap"))
        })
    })
}

/// Plays a mishap at every change.
fn everywhere(rehearsal: &Rehearsal, mishap: Mishap) {
    let mut faults = Vec::new();
    for number in 0..rehearsal.points() {
        let extent = if number % WHOLE == WHOLE / 2 { Extent::Whole } else { Extent::Rejoined };
        // Each on a clock of its own: what one leaves behind must not cost the next one time.
        if let Err(error) = play(props().play(rehearsal, number, mishap, extent)) {
            faults.push(format!("{error:#}"));
        }
    }
    assert!(faults.is_empty(), "{} of {} changes:\n{}", faults.len(), rehearsal.points(), faults.join("\n"));
}

#[test]
fn a_creation_ends_the_same_whatever_goes_wrong_with_whichever_change() {
    for mishap in Mishap::ALL {
        everywhere(small_creation(), mishap);
    }
}

#[test]
fn the_creation_of_a_larger_cluster_ends_the_same_whatever_change_the_operator_died_after() {
    everywhere(&play(creation([3, 3, 2])), Mishap::DiesAfter);
}

#[test]
fn an_upgrade_by_two_hops_ends_the_same_whatever_change_the_operator_died_before() {
    everywhere(&two_hops().1, Mishap::DiesBefore);
}

#[test]
fn an_upgrade_by_two_hops_ends_the_same_whatever_change_the_operator_died_after() {
    everywhere(&two_hops().1, Mishap::DiesAfter);
}

#[test]
fn an_upgrade_by_two_hops_ends_the_same_whatever_request_was_lost() {
    everywhere(&two_hops().1, Mishap::RequestLost);
}

#[test]
fn an_upgrade_by_two_hops_ends_the_same_whatever_answer_was_lost() {
    everywhere(&two_hops().1, Mishap::AnswerLost);
}

#[test]
fn an_operator_that_is_lost_after_every_single_change_still_finishes_two_hops() {
    let (created, upgraded) = two_hops();
    let lost = play(props().lose_always(created.world(), &Act::Version(NEW.to_owned()), upgraded));
    let lost = lost.expect("it comes to the same end");
    assert!(lost >= 50, "it was lost {lost} times only");
}
