//! How long an upgrade takes: within a tenth of what nobody could have saved.

use starrocks_operator::release::Version;
use starrocks_operator::sim::critical_path::{TARGET, case};

use crate::harness::{play, props};

/// The others, through up to four hops, are measured by `simulate --critical-path`.
#[test]
fn an_upgrade_takes_no_longer_than_its_critical_path_and_a_tenth() {
    for size in [[3, 1, 0], [1, 1, 0]] {
        let case = case(size, Version::new(3, 4, 10), Version::new(3, 5, 20)).expect("there is a way");
        let measured = play(case.measure(&props())).expect("an upgrade");
        assert!(measured.ratio() <= TARGET, "{case}: {measured}\n{:#?}", measured.gaps);
    }
}
