//! The pages of `tests/scenarios/edges` in, verdicts out: complete, as StarRocks' notes have it, as the release table plans it, and as a cluster does it.
//!
//! What StarRocks' notes say is written down here a second time, in another form than the release table has, so that an error in that table is found.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use std::path::PathBuf;

use starrocks_operator::release::{ReleaseTable, Version};
use starrocks_operator::sim::edges::{Page, Scenario, Stable, Target};

/// Lines from old to new, with the newest patch known in November 2026.
const LINES: [(u64, u64, u64); 9] =
    [(2, 5, 22), (3, 0, 9), (3, 1, 17), (3, 2, 16), (3, 3, 22), (3, 4, 10), (3, 5, 20), (4, 0, 17), (4, 1, 7)];

/// Nobody goes there.
const BAD: [(u64, u64, u64); 5] = [(3, 1, 10), (3, 2, 5), (3, 3, 10), (3, 4, 1), (4, 1, 0)];

/// What becomes of the exceptions: the code of the refusal, the stops, or the code with which it is held.
const EXCEPTIONS: [(&str, &str); 86] = [
    ("2.5.0 -> 2.4.5", "SR-2201"),
    ("2.5.0 -> 2.3.18", "SR-1005"),
    ("2.4.5 -> 2.5.22", "SR-2201"),
    ("2.5.2 -> 3.0.9", "2.5.2 -> 2.5.22 -> 3.0.9"),
    ("2.5.20 -> 2.5.22", "2.5.20 -> 2.5.22"),
    ("2.5.22 -> 2.5.20", "2.5.22 -> 2.5.20"),
    ("2.4.5 -> 3.0.9", "SR-2201"),
    ("3.0.9 -> 3.1.17 with cn.conf thrift_port = 9060", "SR-2210"),
    ("3.0.9 -> 3.1.17 with cn.conf be_port = 9060", "3.0.9 -> 3.1.17"),
    ("3.0.9 -> 3.1.17 in shared data", "SR-2210"),
    ("3.0.9 -> 3.1.17 in shared data with fe.conf enable_load_volume_from_conf = true", "3.0.9 -> 3.1.17"),
    ("3.0.8 -> 3.0.9", "3.0.8 -> 3.0.9"),
    ("3.0.9 -> 3.0.8", "3.0.9 -> 3.0.8"),
    ("3.0.9 -> 3.1.10", "SR-1003"),
    ("3.1.9 -> 3.1.10", "SR-1003"),
    ("3.1.17 -> 3.1.10", "SR-1003"),
    ("3.1.10 -> 3.1.17", "3.1.10 -> 3.1.17"),
    ("3.1.2 -> 3.2.0", "SR-1009"),
    ("3.1.17 -> 3.2.1", "SR-1009"),
    ("3.1.17 -> 3.2.2", "3.1.17 -> 3.2.2"),
    ("3.1.17 -> 3.2.16 with be.conf block_cache_enable = true", "SR-2210"),
    ("3.1.17 -> 3.2.16 with be.conf datacache_enable = true", "3.1.17 -> 3.2.16"),
    ("3.1.16 -> 3.1.17", "3.1.16 -> 3.1.17"),
    ("3.1.17 -> 3.1.16", "3.1.17 -> 3.1.16"),
    ("3.1.17 -> 3.2.5", "SR-1003"),
    ("3.2.16 -> 3.2.5", "SR-1003"),
    ("3.2.5 -> 3.2.16", "3.2.5 -> 3.2.16"),
    ("3.2.16 -> 3.1.13", "3.2.16 -> 3.1.13"),
    ("3.2.16 -> 3.1.14", "3.2.16 -> 3.1.14"),
    ("3.2.15 -> 3.2.16", "3.2.15 -> 3.2.16"),
    ("3.2.16 -> 3.2.15", "3.2.16 -> 3.2.15"),
    ("3.2.16 -> 3.3.10", "SR-1003"),
    ("3.3.9 -> 3.3.10", "SR-1003"),
    ("3.3.22 -> 3.3.10", "SR-1003"),
    ("3.3.10 -> 3.3.22", "3.3.10 -> 3.3.22"),
    ("3.3.8 -> 3.2.2", "SR-1007"),
    ("3.3.8 -> 3.2.3", "3.3.8 -> 3.2.3"),
    ("3.3.8 -> 3.2.7", "3.3.8 -> 3.2.7"),
    ("3.3.8 -> 3.2.8", "3.3.8 -> 3.2.8"),
    ("3.3.9 -> 3.2.10", "SR-1007"),
    ("3.3.9 -> 3.2.11", "3.3.9 -> 3.2.11"),
    ("3.3.22 -> 3.2.10", "SR-1007"),
    ("3.3.8 -> 3.4.0", "3.3.8 -> 3.4.0"),
    ("3.3.9 -> 3.4.0", "SR-1009"),
    ("3.3.22 -> 3.4.2", "3.3.22 -> 3.4.2"),
    ("3.3.21 -> 3.3.22", "3.3.21 -> 3.3.22"),
    ("3.3.22 -> 3.3.21", "3.3.22 -> 3.3.21"),
    ("3.3.22 -> 3.4.1", "SR-1003"),
    ("3.4.10 -> 3.4.1", "SR-1003"),
    ("3.4.1 -> 3.4.10", "3.4.1 -> 3.4.10"),
    ("3.4.1 -> 3.4.10 in shared data", "3.4.1 -> 3.4.10"),
    ("3.4.10 -> 3.3.8", "SR-1007"),
    ("3.4.10 -> 3.3.9", "3.4.10 -> 3.3.9"),
    ("3.4.9 -> 3.5.20", "3.4.9 -> 3.4.10 -> 3.5.20"),
    ("3.4.0 -> 3.5.2", "3.4.0 -> 3.4.10 -> 3.5.2"),
    ("3.4.10 -> 3.5.20 with fe.conf JAVA_OPTS = -Xmx8192m -XX:+UseConcMarkSweepGC", "SR-2210"),
    ("3.4.10 -> 3.5.20 with be.conf JAVA_OPTS_FOR_JDK_11 = -Xmx1024m", "SR-2210"),
    ("3.4.10 -> 3.5.20 with fe.conf JAVA_OPTS = -Xmx8192m -XX:+UseG1GC", "3.4.10 -> 3.5.20"),
    ("3.4.9 -> 3.4.10", "3.4.9 -> 3.4.10"),
    ("3.4.10 -> 3.4.9", "3.4.10 -> 3.4.9"),
    ("3.5.20 -> 3.4.5", "SR-1007"),
    ("3.5.20 -> 3.4.6", "3.5.20 -> 3.4.6"),
    ("3.5.2 -> 3.5.1", "SR-1004"),
    ("3.5.20 -> 3.5.0", "SR-1004"),
    ("3.5.20 -> 3.5.2", "3.5.20 -> 3.5.2"),
    ("3.5.1 -> 3.5.0", "3.5.1 -> 3.5.0"),
    ("3.5.9 -> 3.5.10-rc01", "SR-1012"),
    ("3.5.9 -> 4.0.0-rc01", "SR-1012"),
    ("3.5.9 -> 3.5-latest", "SR-1013"),
    ("3.5.9 -> latest", "SR-1013"),
    ("3.5.9 -> BRANCH-4.0-RELEASE-8eb8705", "SR-1014"),
    ("3.5.9 -> main", "SR-1014"),
    ("3.5.20 -> 3.6.0", "SR-1001"),
    ("3.5.20 -> 1.19.7", "SR-1001"),
    ("4.0.17 -> 3.5.1", "SR-1007"),
    ("4.0.17 -> 3.5.10", "4.0.17 -> 3.5.10"),
    ("4.0.17 -> 3.5.11", "4.0.17 -> 3.5.11"),
    ("4.0.17 -> 4.0.0", "4.0.17 -> 4.0.0"),
    ("4.0.5 -> 4.1.7", "4.0.5 -> 4.0.17 -> 4.1.7"),
    ("4.0.6 -> 4.1.7", "4.0.6 -> 4.1.7"),
    ("4.0.17 -> 4.1.0", "SR-1003"),
    ("4.1.7 -> 4.1.0", "SR-1003"),
    ("4.0.17 -> 4.1.1", "4.0.17 -> 4.1.1"),
    ("4.1.7 -> 4.0.5", "SR-1007"),
    ("4.1.7 -> 4.0.6", "4.1.7 -> 4.0.6"),
    ("4.1.7 -> 4.2.0", "SR-1002"),
];

/// Where a session variable is switched off on the way back, and where it is not.
const REWRITE: &str = "SET GLOBAL enable_rewrite_simple_agg_to_meta_scan";
const REWRITTEN: [(&str, bool); 7] = [
    ("4.0.17 -> 3.5.2", true),
    ("4.0.17 -> 3.5.10", true),
    ("4.0.17 -> 3.5.11", false),
    ("4.0.1 -> 3.5.10", false),
    ("4.0.2 -> 4.0.1", true),
    ("4.0.17 -> 4.0.0", true),
    ("4.0.1 -> 4.0.0", false),
];

fn v((major, minor, patch): (u64, u64, u64)) -> Version {
    Version::new(major, minor, patch)
}

/// The place of a line among those of `LINES`.
fn place(version: Version) -> usize {
    LINES.iter().position(|line| v(*line).line() == version.line()).unwrap()
}

/// The stops of the way, or the code of its refusal, by StarRocks' notes.
fn by_the_notes(from: Version, to: Version) -> Result<Vec<Version>, &'static str> {
    if from != to && BAD.into_iter().any(|bad| v(bad) == to) {
        return Err("SR-1003");
    }
    let (start, end) = (place(from), place(to));
    let newest = |index: usize| v(LINES[index]);
    let mut stops = vec![from];
    if start < end {
        let leave_from = [(v((2, 5, 3)), 0), (v((3, 4, 10)), 5), (v((4, 0, 6)), 7)].into_iter().find(|(_, line)| *line == start);
        if leave_from.is_some_and(|(least, _)| from < least) {
            stops.push(newest(start));
        }
        // Who goes on to 3.4.0 stops before the 3.3 that it crashes on.
        let stop = |index| if index == 4 && to == v((3, 4, 0)) { v((3, 3, 8)) } else { newest(index) };
        stops.extend((start + 1..end).map(stop));
        let before = *stops.last().unwrap();
        let crashes_on_it = before.line() == v((3, 3, 0)).line() && before >= v((3, 3, 9)) && to == v((3, 4, 0));
        if crashes_on_it || to == v((3, 2, 0)) || to == v((3, 2, 1)) {
            return Err("SR-1009");
        }
    } else if start == end && from >= v((3, 5, 2)) && to < v((3, 5, 2)) && to >= v((3, 5, 0)) {
        return Err("SR-1004");
    }
    for line in (end..start).rev() {
        let (here, next) = (*stops.last().unwrap(), if line == end { to } else { newest(line) });
        let oldest = match (LINES[line].0, LINES[line].1) {
            (2, 5) => return Err("SR-1006"),
            (3, 0) => return Err("SR-1005"),
            (3, 2) if here >= v((3, 3, 9)) => 11,
            (3, 2) => 3,
            (3, 3) => 9,
            (3, 4) | (4, 0) => 6,
            (3, 5) => 2,
            _ => 0,
        };
        if next.patch < oldest {
            return Err("SR-1007");
        }
        if line != end {
            stops.push(next);
        }
    }
    if to != from {
        stops.push(to);
    }
    Ok(stops)
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/edges")
}

fn page(line: &str) -> Page {
    Page::parse(&std::fs::read_to_string(folder().join(format!("from-{line}.txt"))).unwrap()).unwrap()
}

fn all() -> Vec<Scenario> {
    let lines = LINES.iter().map(|(major, minor, _)| format!("{major}.{minor}"));
    lines.flat_map(|line| page(&line).scenarios().to_vec()).collect()
}

/// What a page expects in one word: the stops, the code of the refusal, or the code with which it is held.
fn outcome(scenario: &Scenario) -> String {
    let find = |start: &str| scenario.expected.iter().find_map(|line| line.strip_prefix(start));
    if let Some(refused) = find("  refused: ") {
        return refused.split(',').next().unwrap().to_owned();
    }
    match (find("  held with "), find("  arrives at ")) {
        (Some(held), None) => held.split(',').next().unwrap().to_owned(),
        _ => find("  by way of ").unwrap_or("nothing").to_owned(),
    }
}

#[test]
fn every_pair_of_lines_and_every_exception_has_a_scenario() {
    let headings: Vec<String> = all().iter().map(|scenario| scenario.heading.to_string()).collect();
    for from in LINES.map(v) {
        for to in LINES.map(v).into_iter().filter(|to| *to != from) {
            assert!(headings.contains(&format!("{from} -> {to}")), "no scenario for {from} -> {to}");
        }
    }
    for (exception, _) in EXCEPTIONS {
        assert!(headings.contains(&exception.to_owned()), "no scenario for {exception}");
    }
    let mut once = headings.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), headings.len(), "a scenario stands twice");
}

#[test]
fn every_page_says_what_the_notes_of_starrocks_say() {
    let scenarios = all();
    for scenario in &scenarios {
        let (heading, outcome) = (&scenario.heading, outcome(scenario));
        if let Some((_, wanted)) = EXCEPTIONS.iter().find(|(exception, _)| *exception == heading.to_string()) {
            assert_eq!(outcome, *wanted, "{heading}");
        } else if let Target::Release(to) = heading.to {
            let stops = |stops: Vec<Version>| stops.iter().map(Version::to_string).collect::<Vec<_>>().join(" -> ");
            assert_eq!(outcome, by_the_notes(heading.from, to).map_or_else(str::to_owned, stops), "{heading}");
        }
    }
    for (heading, switched) in REWRITTEN {
        let scenario = scenarios.iter().find(|scenario| scenario.heading.to_string() == heading).unwrap();
        assert_eq!(scenario.expected.iter().any(|line| line.contains(REWRITE)), switched, "{heading}");
    }
}

#[test]
fn every_walk_arrives_takes_frontends_last_upwards_and_first_downwards_and_the_leader_after_the_others() {
    for scenario in all() {
        let heading = &scenario.heading;
        let hops = scenario.expected.iter().filter(|line| line.starts_with("  hop ")).count();
        let rolls: Vec<&String> = scenario.expected.iter().filter(|line| line.starts_with("    restarts ")).collect();
        let arrives = scenario.expected.iter().any(|line| line.starts_with("  arrives at "));
        let held = scenario.expected.iter().any(|line| line.starts_with("  held with "));
        assert!(arrives != held, "{heading}");
        assert!(!arrives || rolls.len() == hops, "{heading}");
        for roll in rolls {
            let pods: Vec<&str> = roll.split([' ', ',']).filter(|word| word.contains('-')).collect();
            assert_eq!(pods.len(), if heading.shared_data { 5 } else { 7 }, "{heading}: {roll}");
            let up = matches!(heading.to, Target::Release(to) if to > heading.from);
            let frontends = if up { &pods[pods.len() - 3..] } else { &pods[..3] };
            assert!(frontends.iter().all(|pod| pod.starts_with("fe-")), "{heading}: {roll}");
            assert!(roll.contains(&format!("{} (leads)", frontends[2])) && roll.matches("(leads)").count() == 1, "{heading}: {roll}");
        }
    }
}

#[test]
fn every_page_says_what_the_release_table_says() {
    for scenario in all() {
        assert_eq!(scenario.plan(), scenario.expected_plan(), "{}; `make bless` writes the pages anew", scenario.heading);
    }
}

#[test]
fn the_release_table_agrees_with_the_notes_about_every_pair_of_releases() {
    let table = ReleaseTable::embedded();
    let all: Vec<Version> =
        LINES.into_iter().flat_map(|(major, minor, newest)| (0..=newest).map(move |patch| v((major, minor, patch)))).collect();
    for from in all.iter().copied() {
        for to in all.iter().copied() {
            let found = table.path(&from, &to).map(|path| path.stops()).map_err(|refusal| refusal.code());
            assert_eq!(found, by_the_notes(from, to), "{from} -> {to}");
        }
    }
}

/// Plays scenarios of a page on a thread with a stack for the big futures of unoptimised builds.
fn plays(line: &str, wanted: impl Fn(&Scenario) -> bool) {
    let scenarios: Vec<Scenario> = page(line).scenarios().iter().filter(|scenario| wanted(scenario)).cloned().collect();
    assert!(!scenarios.is_empty(), "nothing to play from {line}");
    let player = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        let mut stable = Stable::default();
        for scenario in scenarios {
            let played = runtime.block_on(scenario.play(&mut stable)).unwrap_or_else(|error| panic!("{error:#}"));
            assert_eq!(played, scenario.expected, "{}", scenario.heading);
        }
    };
    std::thread::Builder::new().stack_size(16 * 1024 * 1024).spawn(player).unwrap().join().unwrap();
}

/// A pair of newest releases of neighbouring lines, or a way that is refused; all the others are played by `simulate --edges`, which is optimised.
fn is_played_here(scenario: &Scenario) -> bool {
    if scenario.expected.iter().any(|line| line.starts_with("  refused: ")) {
        return true;
    }
    let Target::Release(to) = scenario.heading.to else { return false };
    let newest = |version: Version| LINES.into_iter().position(|line| v(line) == version);
    matches!((newest(scenario.heading.from), newest(to)), (Some(from), Some(to)) if from.abs_diff(to) == 1)
        && scenario.heading.with.is_none()
}

#[test]
fn a_cluster_at_2_5_does_what_its_page_says() {
    plays("2.5", is_played_here);
}

#[test]
fn a_cluster_at_3_0_does_what_its_page_says() {
    plays("3.0", is_played_here);
}

#[test]
fn a_cluster_at_3_1_does_what_its_page_says() {
    plays("3.1", is_played_here);
}

#[test]
fn a_cluster_at_3_2_does_what_its_page_says() {
    plays("3.2", is_played_here);
}

#[test]
fn a_cluster_at_3_3_does_what_its_page_says() {
    plays("3.3", is_played_here);
}

#[test]
fn a_cluster_at_3_4_does_what_its_page_says() {
    plays("3.4", is_played_here);
}

#[test]
fn a_cluster_at_3_5_does_what_its_page_says() {
    plays("3.5", is_played_here);
}

#[test]
fn a_cluster_at_4_0_does_what_its_page_says() {
    plays("4.0", is_played_here);
}

#[test]
fn a_cluster_at_4_1_does_what_its_page_says() {
    plays("4.1", is_played_here);
}
