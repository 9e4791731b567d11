//! What holds for every pair of releases and for every text.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::{Claim, Direction, HopKind, Image, Line, ReleaseTable, Topology, Version, outline, parse_reported, parse_version};
use super::Path;

/// Mostly releases near those of the table, sometimes any.
fn any_version() -> impl Strategy<Value = Version> {
    let lines: Vec<Line> = ReleaseTable::embedded().lines().iter().map(|facts| facts.line).collect();
    prop_oneof![
        12 => (prop::sample::select(lines), 0..26_u64).prop_map(|(line, patch)| line.patch(patch)),
        2 => (0..6_u64, 0..8_u64, 0..30_u64).prop_map(|(major, minor, patch)| Version::new(major, minor, patch)),
        1 => any::<(u64, u64, u64)>().prop_map(|(major, minor, patch)| Version::new(major, minor, patch)),
        1 => (3..5_u64, 0..6_u64, any::<u64>()).prop_map(|(major, minor, patch)| Version::new(major, minor, patch)),
    ]
}

fn keeps_its_promises(path: &Path) -> Result<(), TestCaseError> {
    let table = ReleaseTable::embedded();
    let place = |version: Version| table.lines().iter().position(|facts| facts.line == version.line());
    let mut here = path.from;
    for hop in &path.hops {
        prop_assert_eq!(hop.from, here, "hops chain");
        prop_assert_eq!(hop.direction, path.direction, "no hop turns round");
        prop_assert_eq!(Direction::between(hop.from, hop.to), path.direction);
        prop_assert!(table.known_bad(&hop.to).is_none(), "no stop at a bad release");
        let distance = place(hop.from).zip(place(hop.to)).map(|(from, to)| from.abs_diff(to));
        prop_assert_eq!(distance, Some(usize::from(hop.kind != HopKind::Patch)), "neighbours or the same line");
        prop_assert_eq!(hop.freeze.is_empty(), hop.kind == HopKind::Patch);
        prop_assert!(!hop.rules.is_empty());
        if hop.to != path.to {
            let newest = table.line(hop.to.line()).map(|facts| facts.newest);
            prop_assert!(newest.is_some_and(|newest| hop.to <= newest), "stops between are releases the table knows");
        }
        let alone = table.path(&hop.from, &hop.to);
        prop_assert!(alone.is_ok_and(|alone| alone.hops.len() == 1), "{} to {} is a path of one hop", hop.from, hop.to);
        prop_assert!(table.hop(&hop.from, &hop.to).is_ok());
        here = hop.to;
    }
    prop_assert_eq!(here, path.to, "the last hop arrives");
    prop_assert_eq!(path.stops().len(), path.hops.len() + 1);
    let lines: BTreeSet<Line> = path.stops().iter().map(Version::line).collect();
    prop_assert!(path.hops.len() <= lines.len(), "at most one patch hop besides one hop for each line");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn every_pair_has_a_sound_path_or_a_refusal_with_a_way_out(from in any_version(), to in any_version()) {
        let table = ReleaseTable::embedded();
        let found = table.path(&from, &to);
        prop_assert_eq!(&found, &table.path(&from, &to), "the same question has the same answer");
        match found {
            Ok(path) => {
                prop_assert_eq!((path.from, path.to), (from, to));
                prop_assert_eq!(path.is_empty(), from == to);
                keeps_its_promises(&path)?;
            }
            Err(refusal) => {
                prop_assert!(from != to, "staying is never refused");
                prop_assert!(!refusal.way_out().is_empty() && !refusal.message().is_empty());
                prop_assert!(refusal.code().starts_with("SR-10"));
                let text = serde_json::to_string(&refusal).unwrap();
                prop_assert_eq!(serde_json::from_str::<super::Refusal>(&text).unwrap(), refusal);
            }
        }
    }

    #[test]
    fn every_path_can_be_told_step_by_step_and_travels_as_json(from in any_version(), to in any_version(), frontends in 0..6_u32, backends in 0..80_u32, compute_nodes in any::<u32>()) {
        if let Ok(path) = ReleaseTable::embedded().path(&from, &to) {
            let steps = outline(&path, &Topology { frontends, backends, compute_nodes });
            prop_assert_eq!(steps.is_empty(), path.is_empty());
            prop_assert!(steps.first().is_none_or(|step| step.number == 1));
            prop_assert!(steps.windows(2).all(|pair| pair[0].number <= pair[1].number));
            prop_assert!(steps.iter().all(|step| !step.text.is_empty() && !step.source.is_empty() && step.rule_code.starts_with("SR-1")));
            prop_assert!(steps.windows(2).all(|pair| pair[0].hop <= pair[1].hop));
            let text = serde_json::to_string(&path).unwrap();
            prop_assert_eq!(serde_json::from_str::<Path>(&text).unwrap(), path);
        }
    }

    #[test]
    fn a_version_prints_as_it_is_read(major in any::<u64>(), minor in any::<u64>(), patch in any::<u64>()) {
        let version = Version::new(major, minor, patch);
        prop_assert_eq!(parse_version(&version.to_string()), Ok(version));
        prop_assert_eq!(parse_reported(&format!("{version}-0dfbef5")), Claim::Release(version));
        prop_assert_eq!(Image::parse(&format!("host:5000/a/fe:{version}")).claim(), Claim::Release(version));
        prop_assert_eq!(version.line().to_string().parse(), Ok(version.line()));
    }

    #[test]
    fn no_text_breaks_a_parser(text in ".{0,40}|[-a-z0-9.:/@ ]{0,40}") {
        if let Ok(version) = parse_version(&text) {
            prop_assert_eq!(version.to_string(), text.clone(), "only the exact form is a declared version");
        }
        let _ = parse_reported(&text);
        let image = Image::parse(&text);
        prop_assert_eq!(Image::parse(&image.to_string()), image.clone(), "an image prints as it is read");
        if let Claim::Release(version) = image.claim() {
            prop_assert!(text.contains(&version.to_string()));
        }
    }

    #[test]
    fn an_image_moved_to_a_release_claims_that_release(name in "[a-z]{1,8}(:[0-9]{2,4})?/[a-z-]{1,12}", tag in "(:v?3\\.[0-9]\\.[0-9](-ubuntu|-ubi9)?)?", version in any_version()) {
        let moved = Image::parse(&format!("{name}{tag}")).with_version(&version);
        let read = Image::parse(&moved);
        prop_assert_eq!(read.claim(), Claim::Release(version));
        prop_assert_eq!(read.repository, name);
    }
}

#[test]
fn every_neighbouring_pair_of_the_table_is_decided_and_paths_agree_with_hops() {
    let table = ReleaseTable::embedded();
    for pair in table.lines().windows(2) {
        for older in (0..=pair[0].newest.patch).map(|patch| pair[0].line.patch(patch)) {
            for newer in (0..=pair[1].newest.patch).map(|patch| pair[1].line.patch(patch)) {
                for (from, to) in [(older, newer), (newer, older)] {
                    if table.hop(&from, &to).is_ok() {
                        assert!(table.path(&from, &to).is_ok(), "{from} to {to}");
                    }
                }
            }
        }
    }
}

#[test]
fn every_known_good_newest_release_can_be_reached_from_every_older_one() {
    let table = ReleaseTable::embedded();
    for older in table.lines() {
        for newer in table.lines().iter().filter(|facts| facts.line >= older.line) {
            let start = older.line.patch(0);
            assert!(table.path(&start, &newer.newest).is_ok(), "{start} to {}", newer.newest);
        }
    }
}
