//! `simulate`: plays seeds at the model level, or crashes the operator at every change on the wire, and prints how to repeat a failure.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread;

use anyhow::Context;
use clap::Args;

use super::Outcome;
use super::crash_points::{self, Options};
use super::critical_path;
use super::edges;
use crate::clock::Stopwatch;
use crate::sim::simulation::{self, Trace, play, shorten};
use crate::sim::story::Story;
use crate::sim::tally::Tally;

/// Futures of unoptimised builds are big.
const STACK_BYTES: usize = 16 * 1024 * 1024;

/// Which seeds to play.
#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// Play this many seeds
    #[arg(long, default_value_t = 100, conflicts_with = "seed")]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 1, conflicts_with = "seed")]
    first: u64,
    /// Play one seed
    #[arg(long)]
    seed: Option<u64>,
    /// Print what happened, step by step; one thread then plays
    #[arg(long)]
    trace: bool,
    /// Go on after a failure
    #[arg(long)]
    keep_going: bool,
    /// Instead of seeds: at every API write and SQL statement of creations and of upgrades by two hops, lose the operator, the request or
    /// the answer, and compare the ends
    #[arg(long, conflicts_with_all = ["seeds", "first", "seed", "trace"])]
    crash_points: bool,
    /// With --crash-points: go on to the end in every N-th play, in the others until the world is again as it was without a mishap
    #[arg(long, value_name = "N", default_value = "10", requires = "crash_points")]
    whole: NonZeroUsize,
    /// Instead of seeds: measure upgrades on the wire and hold their wall time against the critical path, the restarts and waits that nobody could save;
    /// with --trace every second in which nothing was under way is told
    #[arg(long, conflicts_with_all = ["seeds", "first", "seed", "crash_points"])]
    critical_path: bool,
    /// Instead of seeds: play every scenario of the edge table in this folder and compare what the release table plans and the operator does
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["seeds", "first", "seed", "trace", "crash_points", "critical_path"])]
    edges: Option<PathBuf>,
    /// With --edges: write what is planned and done into the pages, for review
    #[arg(long, requires = "edges")]
    write: bool,
    /// Play on this many threads; a thread for each processor unless given
    #[arg(long)]
    threads: Option<NonZeroUsize>,
}

/// A played seed.
struct Played {
    seed: u64,
    outcome: simulation::Outcome,
    /// The story without what does not matter for its failure.
    shortest: Option<Story>,
}

/// The sum of what was played.
#[derive(Default)]
struct Sum {
    played: u64,
    passes: u64,
    simulated: u64,
    tally: Tally,
    failures: Vec<u64>,
}

pub(super) fn simulate(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let processors = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    if arguments.critical_path {
        let threads = arguments.threads.unwrap_or_else(processors);
        return critical_path::measure(&critical_path::Options { threads, stack: STACK_BYTES, gaps: arguments.trace });
    }
    let threads = if arguments.trace { NonZeroUsize::MIN } else { arguments.threads.unwrap_or_else(processors) };
    if let Some(folder) = &arguments.edges {
        return edges::play(&edges::Options { folder, write: arguments.write, threads, stack: STACK_BYTES });
    }
    if arguments.crash_points {
        let Arguments { whole, keep_going, .. } = *arguments;
        return crash_points::play(&Options { threads, whole, keep_going, stack: STACK_BYTES });
    }
    let (first, count) = arguments.seed.map_or((arguments.first, arguments.seeds), |seed| (seed, 1));
    let started = Stopwatch::start();
    let (next, stop) = (AtomicU64::new(first), AtomicBool::new(false));
    let end = first.saturating_add(count);
    let sum = thread::scope(|scope| -> anyhow::Result<Sum> {
        let (sender, receiver) = channel();
        for _ in 0..threads.get() {
            let (sender, next, stop) = (sender.clone(), &next, &stop);
            let player = move || play_seeds(arguments, next, end, stop, &sender);
            thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, player).context("a thread could not be started")?;
        }
        drop(sender);
        let (mut sum, mut early, mut due) = (Sum::default(), BTreeMap::new(), first);
        for played in receiver {
            early.insert(played.seed, played);
            while let Some(played) = early.remove(&due) {
                sum.add(played, arguments.keep_going);
                due += 1;
            }
        }
        Ok(sum)
    })?;
    sum.print(started.elapsed().as_secs_f64().max(0.001));
    anyhow::ensure!(sum.failures.is_empty(), "{} seed(s) failed: {:?}", sum.failures.len(), sum.failures);
    Ok(Outcome::Done)
}

/// Plays whichever seed is next until none is left. A seed that was begun is finished, so that the first failure is always the same.
fn play_seeds(arguments: &Arguments, next: &AtomicU64, end: u64, stop: &AtomicBool, sender: &Sender<Played>) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build() else { return };
    let trace = if arguments.trace { Trace::Printed } else { Trace::Off };
    while !stop.load(Ordering::SeqCst) {
        let seed = next.fetch_add(1, Ordering::SeqCst);
        if seed >= end {
            return;
        }
        let outcome = runtime.block_on(play(&Story::of(seed), trace));
        let failed = outcome.failure.is_some();
        if failed && !arguments.keep_going {
            stop.store(true, Ordering::SeqCst);
        }
        let shortest = (failed && arguments.seed.is_none()).then(|| runtime.block_on(shorten(&outcome.story)));
        if sender.send(Played { seed, outcome, shortest }).is_err() {
            return;
        }
    }
}

impl Sum {
    fn add(&mut self, played: Played, keep_going: bool) {
        let Played { seed, outcome, shortest } = played;
        if !keep_going && !self.failures.is_empty() {
            return;
        }
        self.played += 1;
        self.passes += outcome.passes;
        self.simulated += outcome.seconds;
        self.tally.add(&outcome.tally);
        if let Some(failure) = outcome.failure {
            let story = shortest.unwrap_or(outcome.story);
            println!("seed {seed} failed: {failure}\n  {story}\n  repeat: starrocks-operator simulate --seed {seed} --trace\n");
            self.failures.push(seed);
        }
    }

    fn print(&self, seconds: f64) {
        println!(
            "{} seed(s), {} failed; {} passes, {} simulated seconds; {:.1} seeds/s, {:.0} passes/s, {:.0} simulated seconds a second",
            self.played,
            self.failures.len(),
            self.passes,
            self.simulated,
            count(self.played) / seconds,
            count(self.passes) / seconds,
            count(self.simulated) / seconds
        );
        if self.played > 1 {
            let met: Vec<String> = self.tally.counts().map(|(name, count)| format!("{name} {count}")).collect();
            println!("met: {}", met.join(", "));
            let never = self.tally.never_met();
            println!("never met: {}", if never.is_empty() { "nothing that should be".to_owned() } else { never.join(", ") });
        }
    }
}

fn count(number: u64) -> f64 {
    u32::try_from(number).map_or(f64::from(u32::MAX), f64::from)
}
