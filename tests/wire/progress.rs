//! What the status tells during an upgrade: it goes forward, and it is written when there is something to say.

use starrocks_operator::sim::crash::{Act, SUBJECT, resource};

use crate::harness::{play, props};

#[test]
fn progress_never_goes_backwards_and_is_told_a_few_times_for_each_restart() {
    play(async {
        let empty = props().empty_world(1, SUBJECT.namespace).await.expect("a world");
        let created = props().rehearse(empty, SUBJECT, &Act::Create(resource("3.3.14", [3, 3, 2]))).await.expect("a creation");
        let mut world = created.world();
        world.seed_tables(SUBJECT.namespace, 3);
        let upgraded = props().rehearse(world, SUBJECT, &Act::Version("3.5.20".to_owned())).await.expect("an upgrade");
        let operations: Vec<_> = upgraded.told().filter_map(|(_, status)| status.operation).collect();
        let places: Vec<_> = operations.iter().map(|operation| (operation.hop, operation.step)).collect();
        assert!(places.is_sorted(), "{places:?}");
        let phases: Vec<_> = operations.iter().map(|operation| (operation.hop, operation.phase.clone())).collect();
        assert!(phases.is_sorted(), "{phases:?}");
        assert!(
            upgraded.told().all(|(_, status)| { status.star_rocks_be_status.as_ref().is_none_or(|backends| backends.phase != "failed") })
        );

        let count = |start: &str| upgraded.told().filter(|(what, _)| what.starts_with(start)).count();
        let (patches, restarts) = (count("patch starrocksclusters/status"), count("delete pods"));
        println!("creation: {:?}\nupgrade: {:?}", created.tally, upgraded.tally);
        println!("{patches} patches of the status for {restarts} restarts");
        assert_eq!(restarts, 16);
        // Between six and seven for each restart, by the moment at which the operator looks, and ten for what frames each of the two hops.
        assert!(patches <= restarts * 7 + 2 * 10, "{patches} patches of the status for {restarts} restarts");
    });
}
