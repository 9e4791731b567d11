//! `simulate --edges FOLDER`: plays every scenario of the edge table at the model level and compares, or writes, what the pages expect.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::thread;

use anyhow::Context;
use tokio::runtime::Runtime;

use super::Outcome;
use crate::clock::Stopwatch;
use crate::sim::edges::{Page, Stable};

/// How the pages are played.
pub(super) struct Options<'a> {
    /// Where the pages are.
    pub folder: &'a Path,
    /// Whether they are rewritten.
    pub write: bool,
    /// Threads to play on; each takes whole pages.
    pub threads: NonZeroUsize,
    /// Bytes of stack that a thread needs.
    pub stack: usize,
}

/// A page after its play.
struct Played {
    path: PathBuf,
    before: String,
    after: String,
    scenarios: usize,
    faults: Vec<String>,
}

pub(super) fn play(options: &Options<'_>) -> anyhow::Result<Outcome> {
    let started = Stopwatch::start();
    let listed = fs::read_dir(options.folder).with_context(|| format!("reading {}", options.folder.display()))?;
    let mut paths: Vec<PathBuf> = listed.map(|entry| Ok(entry?.path())).collect::<anyhow::Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    let mut pages = play_on_threads(&paths, options)?;
    pages.sort_by(|one, other| one.path.cmp(&other.path));
    let (mut scenarios, mut faults) = (0, 0);
    for page in &pages {
        scenarios += page.scenarios;
        for fault in &page.faults {
            println!("{}: {fault}", page.path.display());
        }
        faults += page.faults.len();
        if page.before == page.after || !page.faults.is_empty() {
            continue;
        }
        if options.write {
            fs::write(&page.path, &page.after).with_context(|| format!("writing {}", page.path.display()))?;
            println!("{} is written", page.path.display());
        } else {
            faults += 1;
            println!("{} differs from what is planned and done:", page.path.display());
            print_difference(&page.before, &page.after);
        }
    }
    println!("{scenarios} scenarios on {} pages, {faults} fault(s), {:.0} s", pages.len(), started.elapsed().as_secs_f64());
    anyhow::ensure!(faults == 0, "{faults} fault(s); after a look at them, --write takes the new lines over");
    Ok(Outcome::Done)
}

fn play_on_threads(paths: &[PathBuf], options: &Options<'_>) -> anyhow::Result<Vec<Played>> {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (sender, receiver) = channel();
        for _ in 0..options.threads.get() {
            let (sender, next) = (sender.clone(), &next);
            let player = move || -> anyhow::Result<()> {
                while let Some(path) = paths.get(next.fetch_add(1, Ordering::SeqCst)) {
                    sender.send(play_page(path))?;
                }
                Ok(())
            };
            thread::Builder::new().stack_size(options.stack).spawn_scoped(scope, player).context("a thread could not be started")?;
        }
        drop(sender);
        receiver.into_iter().collect()
    })
}

fn play_page(path: &Path) -> anyhow::Result<Played> {
    let before = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let page = Page::parse(&before).with_context(|| format!("reading {}", path.display()))?;
    let runtime: Runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
    let (mut stable, mut faults, mut lines) = (Stable::default(), Vec::new(), Vec::new());
    for scenario in page.scenarios() {
        let played = runtime.block_on(scenario.play(&mut stable)).unwrap_or_else(|error| {
            faults.push(format!("{error:#}"));
            scenario.expected.clone()
        });
        lines.push(played);
    }
    Ok(Played { path: path.to_owned(), after: page.with(&lines), scenarios: page.scenarios().len(), before, faults })
}

/// The lines that only one of two texts has, with the heading below which they stand.
fn print_difference(before: &str, after: &str) {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    for (mark, lines, others) in [("-", &old, &new), ("+", &new, &old)] {
        let mut heading = "";
        for line in lines {
            if line.starts_with("## ") {
                heading = line;
            } else if !others.contains(line) {
                println!("  {mark} {heading}: {}", line.trim_start());
            }
        }
    }
}
