//! Recorded answers of real frontends (`recordings/*.txt`) against the simulated ones: each must be seen at its time, give or take a fifth or half a second.

use super::*;

/// One recorded answer.
struct Seen {
    at: u64,
    pod: String,
    probe: String,
    answer: String,
}

fn read(recording: &str) -> Vec<Seen> {
    let lines = recording.lines().filter(|line| !line.starts_with('#'));
    let parse = |line: &str| {
        let mut parts = line.splitn(4, ' ');
        let seconds: f64 = parts.next()?.parse().ok()?;
        let mut word = || parts.next().map(str::to_owned);
        Some(Seen { at: (seconds * 1_000.0).round() as u64, pod: word()?, probe: word()?, answer: word()? })
    };
    lines.map(|line| parse(line).unwrap()).collect()
}

fn without_versions(list: &str) -> String {
    let known = |word: &str| word.split('(').next().unwrap().to_owned();
    if list.contains('=') { list.split(' ').map(known).collect::<Vec<_>>().join(" ") } else { list.to_owned() }
}

fn ask(world: &mut World, pod: &str, probe: &str) -> String {
    match probe {
        "sql" => without_versions(&world.frontends(pod)),
        "health" => match world.http(pod, "/api/health") {
            (0, why) => why,
            (status, _) => status.to_string(),
        },
        "bootstrap" => match world.http(pod, "/api/bootstrap") {
            (0, why) => why,
            (_, body) => if body.contains("\"status\":\"OK\"") { "OK" } else { "FAILED" }.to_owned(),
        },
        _ => match world.http(pod, "/api/show_meta_info?action=SHOW_HA") {
            (0, why) => why,
            (500, _) => "closed".to_owned(),
            (_, _) => {
                let ha = world.ha(pod);
                let master = ha["master"].split('.').next().unwrap();
                format!("{} {master} {} {}", ha["role"], ha["can_read"], ha["is_ready"])
            }
        },
    }
}

/// Asks every 50 ms whatever the recording asked around that time and returns the recorded answers that were not seen.
fn replay(world: &mut World, recording: &str) -> Vec<String> {
    let mut open: Vec<(Seen, bool)> = read(recording).into_iter().map(|seen| (seen, false)).collect();
    let slack = |at: u64| 500.max(at / 5);
    let end = open.iter().map(|(seen, _)| seen.at + slack(seen.at)).max().unwrap();
    for now in (0..=end).step_by(50) {
        let mut asked: BTreeMap<(String, String), String> = BTreeMap::new();
        for (seen, found) in open.iter_mut().filter(|(seen, found)| !found && now.abs_diff(seen.at) <= slack(seen.at)) {
            // Hanging SHOW_HA requests starve the frontend: ask for it as seldom as the recorder did.
            if seen.probe == "ha" && seen.answer == "silence" && now.abs_diff(seen.at) > 50 {
                continue;
            }
            let key = (seen.pod.clone(), seen.probe.clone());
            let answer = asked.entry(key).or_insert_with(|| ask(world, &seen.pod, &seen.probe));
            *found = *answer == seen.answer;
        }
        world.pass_millis(50);
    }
    open.into_iter()
        .filter(|(_, found)| !found)
        .map(|(seen, _)| format!("{} {} {} {}", seen.at, seen.pod, seen.probe, seen.answer))
        .collect()
}

/// A group whose leader has been a follower before, as in the recordings that were made after a first election.
fn led_by_a_former_follower() -> World {
    let mut world = World::three("3.5.0", 0);
    for group in world.sr.groups.values_mut() {
        let leader = group.leader().cloned();
        let process = leader.and_then(|leader| world.sr.processes.get_mut(&leader));
        process.unwrap().followed = true;
    }
    world
}

#[test]
fn elect35_a_killed_leader() {
    let mut world = World::three("3.5.0", 0);
    world.signal("fe-0", Signal::Kill);
    assert_eq!(replay(&mut world, include_str!("recordings/elect35.txt")), Vec::<String>::new());
}

#[test]
fn graceful35_a_leader_that_leaves_in_order() {
    let mut world = led_by_a_former_follower();
    world.signal("fe-0", Signal::Usr1);
    assert_eq!(replay(&mut world, include_str!("recordings/graceful35.txt")), Vec::<String>::new());
}

#[test]
fn blackhole35_a_leader_behind_a_cut_network() {
    let mut world = led_by_a_former_follower();
    let now = world.now;
    world.sr.cut_network("ns1", "c-fe-0", true, now);
    assert_eq!(replay(&mut world, include_str!("recordings/blackhole35.txt")), Vec::<String>::new());
}

#[test]
fn quorum35_the_majority_is_lost() {
    let mut world = World::three("3.5.0", 0);
    world.signal("fe-2", Signal::Kill);
    world.signal("fe-0", Signal::Kill);
    assert_eq!(replay(&mut world, include_str!("recordings/quorum35.txt")), Vec::<String>::new());
}

#[test]
fn requorum35_the_majority_is_back() {
    let mut world = World::three("3.5.0", 0);
    world.signal("fe-2", Signal::Kill);
    world.signal("fe-0", Signal::Kill);
    world.pass(50);
    world.start("fe-0", "3.5.0");
    world.start("fe-2", "3.5.0");
    assert_eq!(replay(&mut world, include_str!("recordings/requorum35.txt")), Vec::<String>::new());
}

#[test]
fn restart35_a_dead_follower_is_started_again() {
    let mut world = led_by_a_former_follower();
    world.signal("fe-1", Signal::Kill);
    world.pass(52);
    world.start("fe-1", "3.5.0");
    assert_eq!(replay(&mut world, include_str!("recordings/restart35.txt")), Vec::<String>::new());
}
