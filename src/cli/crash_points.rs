//! `simulate --crash-points`: lets every change of creations and upgrades go wrong in every way, on the wire, and compares the ends.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use anyhow::Context;
use tokio::runtime::Runtime;

use super::Outcome;
use crate::clock::Stopwatch;
use crate::generate::{crds, rbac};
use crate::sim::crash::{Act, Ending, Extent, Mishap, Props, Rehearsal, SUBJECT, resource};
use crate::sim::world::World;

const FROM: &str = "3.3.14";
const TO: &str = "3.5.20";

/// How the plays are made.
pub(super) struct Options {
    /// Threads to play on.
    pub threads: NonZeroUsize,
    /// Every so many plays one goes on to its end.
    pub whole: NonZeroUsize,
    /// Whether to go on after a failure.
    pub keep_going: bool,
    /// Bytes of stack that a thread needs.
    pub stack: usize,
}

#[derive(Default)]
struct Sum {
    plays: usize,
    rejoined: usize,
    failures: Vec<(usize, String)>,
}

/// Creations and upgrades of small and large clusters, each with every mishap at every change.
pub(super) fn play(options: &Options) -> anyhow::Result<Outcome> {
    let definitions = crds::all().iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?;
    let props = Props { definitions, rules: rbac::cluster_role_rules() };
    let (runtime, started) = (paused()?, Stopwatch::start());
    let (mut plays, mut failures) = (0, 0);
    let mut take = |what: String, world: World, act: &Act| -> anyhow::Result<World> {
        let rehearsal = runtime.block_on(props.rehearse(world.clone(), SUBJECT, act)).with_context(|| what.clone())?;
        let (played, failed) = play_all(&props, &what, &rehearsal, options)?;
        let always = runtime.block_on(props.lose_always(world, act, &rehearsal));
        match &always {
            Ok(lost) => println!("{what}: lost after every change, {lost} times, the operator came to the same end"),
            Err(error) => println!("{what}: lost after every change: {error:#}"),
        }
        anyhow::ensure!(options.keep_going || always.is_ok(), "lost after every change, the operator did not finish the {what}");
        (plays, failures) = (plays + played + 1, failures + failed + usize::from(always.is_err()));
        Ok(rehearsal.world())
    };
    for size in [[1, 1, 1], [3, 1, 0], [3, 3, 2]] {
        let [frontends, backends, compute_nodes] = size;
        let cluster = format!("{frontends} FE, {backends} BE, {compute_nodes} CN");
        let empty = runtime.block_on(props.empty_world(1, SUBJECT.namespace))?;
        let mut world = take(format!("creation of {cluster}"), empty, &Act::Create(resource(FROM, size)))?;
        // One frontend cannot be upgraded without an outage, which the resource would have to accept.
        if frontends > 1 {
            world.seed_tables(SUBJECT.namespace, backends);
            take(format!("two-hop upgrade of {cluster}"), world, &Act::Version(TO.to_owned()))?;
        }
    }
    println!("{plays} plays, {failures} failed, {:.0} s", started.elapsed().as_secs_f64());
    if failures == 0 { Ok(Outcome::Done) } else { anyhow::bail!("{failures} play(s) failed") }
}

fn play_all(props: &Props, what: &str, rehearsal: &Rehearsal, options: &Options) -> anyhow::Result<(usize, usize)> {
    let started = Stopwatch::start();
    let mut sum = play_on_threads(props, rehearsal, options)?;
    sum.failures.sort();
    for (_, error) in &sum.failures {
        println!("{what}: {error}");
    }
    println!(
        "{what}: {} API writes, {} SQL statements and {} s of cluster time without a mishap; {} changes, {} plays, of which {} rejoined; {} failed, {:.0} s",
        rehearsal.tally.write_count(),
        rehearsal.tally.statement_count(),
        rehearsal.lasted.as_secs(),
        rehearsal.points(),
        sum.plays,
        sum.rejoined,
        sum.failures.len(),
        started.elapsed().as_secs_f64()
    );
    anyhow::ensure!(options.keep_going || sum.failures.is_empty(), "a play of the {what} failed");
    Ok((sum.plays, sum.failures.len()))
}

/// Plays every mishap at every change; whichever thread is free takes the next one.
fn play_on_threads(props: &Props, rehearsal: &Rehearsal, options: &Options) -> anyhow::Result<Sum> {
    let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        let (sender, receiver) = channel();
        for _ in 0..options.threads.get() {
            let (sender, next, stop) = (sender.clone(), &next, &stop);
            let player = move || -> anyhow::Result<()> {
                let runtime = paused()?;
                while !stop.load(Ordering::SeqCst) {
                    let number = next.fetch_add(1, Ordering::SeqCst);
                    let Some(mishap) = Mishap::ALL.get(number / rehearsal.points().max(1)) else { break };
                    let extent = if number.is_multiple_of(options.whole.get()) { Extent::Whole } else { Extent::Rejoined };
                    let played = runtime.block_on(props.play(rehearsal, number % rehearsal.points(), *mishap, extent));
                    stop.fetch_or(played.is_err() && !options.keep_going, Ordering::SeqCst);
                    sender.send((number, played))?;
                }
                Ok(())
            };
            thread::Builder::new().stack_size(options.stack).spawn_scoped(scope, player).context("a thread could not be started")?;
        }
        drop(sender);
        let mut sum = Sum::default();
        for (number, played) in receiver {
            sum.plays += 1;
            match played {
                Ok(ending) => sum.rejoined += usize::from(ending == Ending::Rejoined),
                Err(error) => sum.failures.push((number, format!("{error:#}"))),
            }
        }
        Ok(sum)
    })
}

fn paused() -> anyhow::Result<Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?)
}
