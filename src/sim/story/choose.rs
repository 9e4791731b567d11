//! A seed in, a story out: clusters, releases and mishaps drawn with fixed odds; the same seed always gives the same story.

use std::time::Duration;

use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::next_line::{FIRST, SECOND};
use super::{Declares, Happening, Manner, Story, When};
use crate::api::OperationPhase;
use crate::release::{Direction, ReleaseTable, Version};
use crate::sim::starrocks::TransferFault;

/// Start releases: old and new patches of every line that can still be upgraded, so that every kind of hop is met.
const STARTS: [(u64, u64, u64); 16] = [
    (3, 1, 9),
    (3, 1, 17),
    (3, 2, 12),
    (3, 2, 16),
    (3, 3, 9),
    (3, 3, 20),
    (3, 3, 22),
    (3, 4, 5),
    (3, 4, 8),
    (3, 4, 10),
    (3, 5, 3),
    (3, 5, 9),
    (3, 5, 12),
    (4, 0, 4),
    (4, 0, 6),
    (4, 1, 1),
];

/// In one of so many stories a catalog tells of the next line.
const EVERY: u64 = 16;

/// Ways of such stories.
const NEXT_WAYS: [(Version, Version); 4] = [(FIRST, SECOND), (FIRST, SECOND), (SECOND, FIRST), (Version::new(4, 1, 7), SECOND)];

/// Hops that a story may have at most: each takes its time.
const MOST_HOPS: usize = 3;

/// Phases in which something may be made to happen.
const PHASES: [OperationPhase; 10] = [
    OperationPhase::Preflight,
    OperationPhase::Image,
    OperationPhase::Freeze,
    OperationPhase::Canary,
    OperationPhase::Backends,
    OperationPhase::ComputeNodes,
    OperationPhase::Followers,
    OperationPhase::Leader,
    OperationPhase::Thaw,
    OperationPhase::Finish,
];

impl Story {
    /// The story of a seed.
    pub fn of(seed: u64) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        let (mut from, mut to) = way(&mut random);
        let next_line = seed.is_multiple_of(EVERY);
        let mut transfer_fault = None;
        if next_line {
            // Drawn apart, so that the other seeds tell what they told before the line was thought of.
            let mut apart = SmallRng::seed_from_u64(!seed);
            (from, to) = *NEXT_WAYS.choose(&mut apart).unwrap_or(&(FIRST, SECOND));
            transfer_fault = *[None, None, Some(TransferFault::Silent), Some(TransferFault::Refused)].choose(&mut apart).unwrap_or(&None);
        }
        let frontends = *[1, 1, 3, 3, 3, 3, 5].choose(&mut random).unwrap_or(&3);
        let shared_data = random.random_range(0..8) == 0;
        let (backends, compute_nodes) =
            if shared_data { (0, random.random_range(1..=3)) } else { (random.random_range(1..=4), random.random_range(0..=2)) };
        let declares = if random.random_range(0..6) == 0 { Declares::Images } else { Declares::Version };
        let usual = Manner::default();
        let mut story = Self {
            seed,
            frontends,
            backends,
            compute_nodes,
            declares,
            manner: usual,
            next_line,
            transfer_fault,
            from,
            to,
            happenings: Vec::new(),
        };
        for _ in 0..random.random_range(0..=5) {
            let when = match random.random_range(0..3) {
                0 => When::In(PHASES.choose(&mut random).cloned().unwrap_or_default()),
                _ => When::After(Duration::from_secs(random.random_range(1..1_500))),
            };
            let happening = story.happening(&mut random);
            story.happenings.push((when, happening));
        }
        story.keep_frontend_changes_apart();
        story.manner = manner(&mut random);
        story
    }

    fn happening(&self, random: &mut SmallRng) -> Happening {
        let lasting = Duration::from_secs(random.random_range(20..400));
        let (component, count) = self.component(random);
        let ordinal = random.random_range(0..count.max(1));
        let frontend = random.random_range(0..self.frontends);
        match random.random_range(0..100) {
            0..=14 => Happening::KillProcess { component, ordinal },
            15..=22 => Happening::LoseNode { component, ordinal, lasting },
            23..=29 => Happening::CutNetwork { component, ordinal, lasting },
            30..=36 => Happening::HangSql { ordinal: frontend, lasting },
            37..=41 => Happening::LoseReplies { ordinal: frontend, count: random.random_range(1..=3) },
            42..=45 => Happening::FillDisk { component: if component == "cn" { "fe" } else { component }, ordinal, lasting },
            46..=49 => Happening::SlowStart { percent: *[200, 400, 800].choose(random).unwrap_or(&400), lasting },
            50..=56 => Happening::LoseImages { version: self.stop(random), lasting },
            57..=65 => Happening::LoseOperator { lasting },
            66..=75 => Happening::CutDecision { acts: random.random_range(0..4) },
            76..=78 => Happening::AskInVain { lasting },
            79 => Happening::WithholdConsents { lasting },
            80 => Happening::ForbidDisruptions { lasting },
            81..=82 => Happening::RunJobs { lasting },
            83..=84 => Happening::Pause { lasting },
            85..=87 => Happening::AskFor { version: self.from },
            88..=90 => self.other_frontends(),
            91..=93 => self.other_backends(random),
            94..=96 => self.other_compute_nodes(random),
            97 => Happening::RunQueries { component, ordinal, lasting },
            98 => Happening::FailVerdict { version: self.stop(random), lasting },
            _ => Happening::Annotate,
        }
    }

    /// A release on the way, the start excluded.
    fn stop(&self, random: &mut SmallRng) -> Version {
        let stops = self.releases().table().path(&self.from, &self.to).map(|path| path.stops()).unwrap_or_default();
        stops.get(1..).and_then(|stops| stops.choose(random)).copied().unwrap_or(self.to)
    }

    fn component(&self, random: &mut SmallRng) -> (&'static str, u32) {
        let there = [("fe", self.frontends), ("be", self.backends), ("cn", self.compute_nodes)];
        let there: Vec<(&'static str, u32)> = there.into_iter().filter(|(_, count)| *count > 0).collect();
        there.choose(random).copied().unwrap_or(("fe", self.frontends))
    }

    /// A group of one grows to three, one of three to five; five go back to three.
    fn other_frontends(&self) -> Happening {
        Happening::ScaleFrontends { replicas: if self.frontends == 1 || self.frontends == 5 { 3 } else { 5 } }
    }

    /// More, or as few as the most replicated table allows.
    fn other_backends(&self, random: &mut SmallRng) -> Happening {
        match self.backends {
            0 => Happening::Annotate,
            4 if random.random() => Happening::ScaleBackends { replicas: 3 },
            backends => Happening::ScaleBackends { replicas: backends + random.random_range(1..=2) },
        }
    }

    /// A section that is not there cannot be scaled, and shared data needs somebody who reads it.
    fn other_compute_nodes(&self, random: &mut SmallRng) -> Happening {
        match self.compute_nodes {
            0 => Happening::Annotate,
            _ => Happening::ScaleComputeNodes { replicas: random.random_range(1..=4) },
        }
    }

    /// The volume of a dropped frontend needs a person before it is used again, so the number of frontends changes once at most.
    fn keep_frontend_changes_apart(&mut self) {
        let mut changes = 0;
        self.happenings.retain(|(_, happening)| {
            changes += u32::from(matches!(happening, Happening::ScaleFrontends { .. }));
            changes <= 1 || !matches!(happening, Happening::ScaleFrontends { .. })
        });
    }
}

/// What users say about upgrades: mostly nothing.
fn manner(random: &mut SmallRng) -> Manner {
    let mut manner = Manner::default();
    if random.random_range(0..3) == 0 {
        manner.compute_nodes_at_once = random.random_range(2..=3);
    }
    if random.random_range(0..4) == 0 {
        manner.drain = Duration::from_secs(random.random_range(10..=90));
    }
    if random.random_range(0..4) == 0 {
        manner.canaries = random.random_range(2..=4);
    }
    manner.verdict = random.random_range(0..3) == 0;
    manner
}

/// A start and an end between which the release table knows a way: mostly newer, sometimes older.
fn way(random: &mut SmallRng) -> (Version, Version) {
    let table = ReleaseTable::embedded();
    let listed = STARTS.iter().map(|(major, minor, patch)| Version::new(*major, *minor, *patch));
    let known: Vec<Version> = listed.chain(table.lines().iter().map(|facts| facts.newest)).collect();
    let from = known.get(..STARTS.len()).and_then(|starts| starts.choose(random)).copied().unwrap_or(Version::new(3, 3, 22));
    let wanted = if random.random_range(0..4) == 0 { Direction::Downgrade } else { Direction::Upgrade };
    let towards = |direction: Direction| -> Vec<Version> {
        let fits = |to: &&Version| {
            let path = table.path(&from, to);
            path.is_ok_and(|path| path.direction == direction && path.hops.len() <= MOST_HOPS)
        };
        known.iter().filter(fits).copied().collect()
    };
    let mut targets = towards(wanted);
    if targets.is_empty() {
        targets = towards(Direction::Upgrade);
    }
    (from, targets.choose(random).copied().unwrap_or(from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_tells_the_same_story() {
        for seed in 0..50 {
            assert_eq!(Story::of(seed), Story::of(seed));
        }
    }

    #[test]
    fn every_story_goes_a_way_that_the_release_table_knows() {
        for seed in 0..300 {
            let story = Story::of(seed);
            assert!(story.releases().table().path(&story.from, &story.to).is_ok(), "{story}");
            assert_ne!(story.from, story.to, "{story}");
        }
    }

    #[test]
    fn a_thousand_seeds_hold_every_kind_of_happening_and_both_directions() {
        let stories: Vec<Story> = (1..=1_000).map(Story::of).collect();
        for name in Happening::NAMES {
            assert!(stories.iter().any(|story| story.happenings.iter().any(|(_, happening)| happening.name() == name)), "{name}");
        }
        assert!(stories.iter().any(|story| story.to < story.from));
        assert!(stories.iter().any(|story| story.is_shared_data()));
        assert!(stories.iter().any(|story| story.declares == Declares::Images));
        assert!(stories.iter().any(|story| story.transfer_fault.is_some()) && stories.iter().any(|story| story.next_line));
        let some =
            |is: fn(&Manner) -> bool| stories.iter().any(|story| is(&story.manner)) && stories.iter().any(|story| !is(&story.manner));
        assert!(some(|manner| manner.compute_nodes_at_once > 1) && some(|manner| !manner.drain.is_zero()));
        assert!(some(|manner| manner.canaries > 1) && some(|manner| manner.verdict));
    }
}
