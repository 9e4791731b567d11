//! `simulate --crash-points`: loses the operator on the wire after every change of creations and upgrades, and compares the ends.

use super::Outcome;
use crate::clock::Stopwatch;
use crate::generate::{crds, rbac};
use crate::sim::crash::{Act, Props, Rehearsal, SUBJECT, resource};

/// Creations and upgrades of a small and a large cluster, each with a crash after every change.
pub(super) async fn play(every: usize, keep_going: bool) -> anyhow::Result<Outcome> {
    let definitions = crds::all().iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?;
    let props = Props { definitions, rules: rbac::cluster_role_rules() };
    let started = Stopwatch::start();
    let (mut crashes, mut failures) = (0, 0);
    for (size, stride) in [([1, 1, 1], 1), ([3, 1, 0], 1), ([3, 3, 2], every.max(1))] {
        let [frontends, backends, compute_nodes] = size;
        let cluster = format!("{frontends} FE, {backends} BE, {compute_nodes} CN");
        let empty = props.empty_world(1, SUBJECT.namespace).await?;
        let created = props.rehearse(empty, SUBJECT, &Act::Create(resource("3.3.14", size))).await?;
        let (points, bad) = crash_all(&props, &format!("creation of {cluster}"), &created, 1, keep_going).await?;
        (crashes, failures) = (crashes + points, failures + bad);
        // One frontend cannot be upgraded without an outage, which the resource would have to accept.
        if frontends > 1 {
            let mut world = created.world.clone();
            if backends > 1 {
                world.seed_tables(SUBJECT.namespace, backends);
            }
            let upgraded = props.rehearse(world, SUBJECT, &Act::Version("3.5.20".to_owned())).await?;
            let (points, bad) = crash_all(&props, &format!("two-hop upgrade of {cluster}"), &upgraded, stride, keep_going).await?;
            (crashes, failures) = (crashes + points, failures + bad);
        }
    }
    println!("{crashes} crashes, {failures} failed, {:.0} s", started.elapsed().as_secs_f64());
    if failures == 0 { Ok(Outcome::Done) } else { anyhow::bail!("{failures} crash point(s) failed") }
}

async fn crash_all(props: &Props, what: &str, rehearsal: &Rehearsal, every: usize, keep_going: bool) -> anyhow::Result<(usize, usize)> {
    let started = Stopwatch::start();
    let (mut points, mut failures) = (0, 0);
    for number in (0..rehearsal.points()).step_by(every) {
        points += 1;
        if let Err(error) = props.crash(rehearsal, number).await {
            println!("{what}: {error:#}");
            failures += 1;
            anyhow::ensure!(keep_going, "a crash point of the {what} failed");
        }
    }
    println!(
        "{what}: {} API writes, {} SQL statements and {} s of cluster time without a mishap; {points} crash points, {failures} failed, {:.0} s",
        rehearsal.tally.write_count(),
        rehearsal.tally.statement_count(),
        rehearsal.lasted.as_secs(),
        started.elapsed().as_secs_f64()
    );
    Ok((points, failures))
}
