//! `simulate --critical-path`: plays upgrades with the real operator on the wire and prints their wall time against what nobody could have saved.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use anyhow::Context;

use super::Outcome;
use crate::clock::Stopwatch;
use crate::generate::{crds, rbac};
use crate::release::Version;
use crate::sim::crash::Props;
use crate::sim::critical_path::{Case, Measured, TARGET, case};

/// How the measurements are made.
pub(super) struct Options {
    /// Threads to play on.
    pub threads: NonZeroUsize,
    /// Bytes of stack that a thread needs.
    pub stack: usize,
    /// Whether to tell each time in which nothing was under way.
    pub gaps: bool,
}

/// What is measured: small and large, patch, one hop, many hops, and a way back.
fn cases() -> anyhow::Result<Vec<Case>> {
    let release = Version::new;
    [
        ([3, 3, 2], release(3, 3, 14), release(3, 5, 20)),
        ([3, 3, 2], release(3, 3, 22), release(4, 1, 7)),
        ([3, 3, 0], release(3, 4, 10), release(3, 5, 20)),
        ([1, 1, 0], release(3, 4, 10), release(3, 5, 20)),
        ([3, 3, 2], release(3, 5, 9), release(3, 5, 20)),
        ([3, 3, 0], release(4, 0, 17), release(3, 5, 20)),
    ]
    .into_iter()
    .map(|(size, from, to)| case(size, from, to))
    .collect()
}

pub(super) fn measure(options: &Options) -> anyhow::Result<Outcome> {
    let (started, cases) = (Stopwatch::start(), cases()?);
    let mut slow = 0;
    for (case, measured) in cases.iter().zip(measure_on_threads(&cases, options)?) {
        let measured = measured.with_context(|| case.to_string())?;
        println!("{case}\n  {measured}");
        slow += usize::from(measured.ratio() > TARGET);
        for gap in measured.gaps.iter().filter(|_| options.gaps) {
            let after = gap.after.map_or_else(|| "the change of the resource".to_owned(), |part| part.to_string());
            println!(
                "  {:>6.1} s  nothing for {:>4.1} s after {after}; then {}",
                gap.at.as_secs_f64(),
                gap.lasting.as_secs_f64(),
                gap.doing
            );
        }
    }
    println!("{} upgrades, target {TARGET:.2}, {slow} above it, {:.0} s", cases.len(), started.elapsed().as_secs_f64());
    anyhow::ensure!(slow == 0, "{slow} upgrade(s) took longer than {TARGET:.2} critical paths; --trace tells where");
    Ok(Outcome::Done)
}

fn measure_on_threads(cases: &[Case], options: &Options) -> anyhow::Result<Vec<anyhow::Result<Measured>>> {
    let definitions = crds::all().iter().map(serde_json::to_value).collect::<Result<Vec<_>, _>>()?;
    let (props, next) = (Props { definitions, rules: rbac::cluster_role_rules() }, AtomicUsize::new(0));
    let mut measured = thread::scope(|scope| -> anyhow::Result<Vec<(usize, anyhow::Result<Measured>)>> {
        let (sender, receiver) = channel();
        for _ in 0..options.threads.get() {
            let (sender, next, props) = (sender.clone(), &next, &props);
            let player = move || {
                while let Some((number, case)) = Some(next.fetch_add(1, Ordering::SeqCst)).and_then(|at| Some((at, cases.get(at)?))) {
                    let paused = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
                    let measured = paused.map_err(Into::into).and_then(|runtime| runtime.block_on(case.measure(props)));
                    if sender.send((number, measured)).is_err() {
                        return;
                    }
                }
            };
            thread::Builder::new().stack_size(options.stack).spawn_scoped(scope, player).context("a thread could not be started")?;
        }
        drop(sender);
        Ok(receiver.into_iter().collect())
    })?;
    measured.sort_by_key(|(number, _)| *number);
    Ok(measured.into_iter().map(|(_, measured)| measured).collect())
}
