//! Plays with one mishap: a rehearsal and one of its changes go in; the play must come to the rehearsed end, or back onto the way to it.

use std::fmt;
use std::sync::{Arc, PoisonError};

use anyhow::{Context, bail};
use tokio::sync::Notify;

use super::{Mark, Props, Rehearsal};
use crate::sim::embedded::Embedded;
use crate::sim::end_state;
use crate::sim::ledger::{Stage, Strike};
use crate::sim::world::World;

/// How many changes an operator that lives on makes before the one that goes wrong, so that it has something in mind.
const RUN_UP: usize = 6;

/// How a change goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// The operator dies before the change is carried out.
    DiesBefore,
    /// The change is carried out, and the operator dies before it hears of it.
    DiesAfter,
    /// The change is never carried out: its request is lost. The operator lives on.
    RequestLost,
    /// The change is carried out, but its answer is lost. The operator lives on.
    AnswerLost,
}

impl Mishap {
    /// Every way.
    pub const ALL: [Self; 4] = [Self::DiesBefore, Self::DiesAfter, Self::RequestLost, Self::AnswerLost];
}

impl fmt::Display for Mishap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::DiesBefore => "the operator died before",
            Self::DiesAfter => "the operator died after",
            Self::RequestLost => "the request was lost of",
            Self::AnswerLost => "the answer was lost of",
        })
    }
}

/// How long a play goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Until a change leaves the world as the same change left it in the rehearsal, later than the operator died. Whoever dies there comes to
    /// the end, as the play of that change shows; so does, by way of it, this one. What this cannot see are times.
    Rejoined,
    /// To the end.
    Whole,
}

/// How a play ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Where the rehearsal was after one of its changes.
    Rejoined,
    /// At the end.
    Arrived,
}

impl Props {
    /// Plays on from the `number`-th change (from 0), which goes wrong.
    ///
    /// # Errors
    /// When the cluster does not come to rest, or not at the rehearsed end.
    pub async fn play(&self, rehearsal: &Rehearsal, number: usize, mishap: Mishap, extent: Extent) -> anyhow::Result<Ending> {
        let Some(mark) = rehearsal.marks.get(number) else { bail!("there is no change number {number}") };
        let told = || format!("{mishap} change {} of {} ({})", number + 1, rehearsal.points(), mark.what);
        match mishap {
            Mishap::DiesBefore => self.take_over(rehearsal, rehearsal.before(number)?, number, extent).await,
            Mishap::DiesAfter => self.take_over(rehearsal, rehearsal.after(number)?, number + 1, extent).await,
            Mishap::RequestLost => self.live_on(rehearsal, number, Strike::RequestLost, extent).await,
            Mishap::AnswerLost => self.live_on(rehearsal, number, Strike::AnswerLost, extent).await,
        }
        .with_context(told)
    }

    /// Another operator takes over in a world. `next` is the first change at which it may rejoin.
    async fn take_over(&self, rehearsal: &Rehearsal, world: World, next: usize, extent: Extent) -> anyhow::Result<Ending> {
        let mut embedded = self.stage(world);
        embedded.start_operator();
        go_on(&embedded, rehearsal, next, extent).await
    }

    /// An operator that has made a few changes before goes on after the one that goes wrong.
    async fn live_on(&self, rehearsal: &Rehearsal, number: usize, strike: Strike, extent: Extent) -> anyhow::Result<Ending> {
        // A new operator may say in one status what the rehearsed one said in two, and then not come to as many changes before the end.
        for run_up in [number.min(RUN_UP), 0] {
            let begin = number - run_up;
            let mut embedded = self.stage(rehearsal.before(begin)?);
            embedded.start_operator();
            let ledger = Arc::clone(&embedded.ledger);
            ledger.strike(Some((u64::try_from(run_up)? + 1, strike)));
            tokio::select! {
                struck = ledger.struck() => {
                    return go_on(&embedded, rehearsal, begin, extent).await.with_context(|| format!("it hit {struck}"));
                }
                arrived = rehearsal.arrive(&embedded) => arrived.context("even before that change")?,
            }
        }
        bail!("a new operator makes no change there")
    }
}

impl Rehearsal {
    fn before(&self, number: usize) -> anyhow::Result<World> {
        Ok(self.points.get(number).context("no such change")?.before.copy())
    }

    fn after(&self, number: usize) -> anyhow::Result<World> {
        Ok(self.points.get(number).context("no such change")?.after.copy())
    }
}

async fn go_on(embedded: &Embedded, rehearsal: &Rehearsal, next: usize, extent: Extent) -> anyhow::Result<Ending> {
    if extent == Extent::Whole {
        return rehearsal.arrive(embedded).await.map(|()| Ending::Arrived);
    }
    let rejoined = lie_in_wait(embedded, &rehearsal.marks, next);
    tokio::select! {
        () = rejoined.notified() => Ok(Ending::Rejoined),
        arrived = rehearsal.arrive(embedded) => arrived.map(|()| Ending::Arrived),
    }
}

/// Tells when a change leaves the world as the same change did in the rehearsal, the `next`-th (from 0) or a later one.
fn lie_in_wait(embedded: &Embedded, marks: &Arc<Vec<Mark>>, next: usize) -> Arc<Notify> {
    let (world, marks, found) = (embedded.shared_world(), Arc::clone(marks), Arc::new(Notify::new()));
    let tell = Arc::clone(&found);
    embedded.ledger.witness(Some(Box::new(move |stage, what| {
        let same_words = || marks.iter().skip(next).filter(|mark| mark.what == what);
        if stage == Stage::Before || same_words().next().is_none() {
            return;
        }
        let state = end_state::of(&world.lock().unwrap_or_else(PoisonError::into_inner));
        if same_words().any(|mark| mark.state == state) {
            tell.notify_one();
        }
    })));
    found
}
