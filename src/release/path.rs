//! Two releases in, the hops between them or a refusal out; every hop is an edge of the release table, none is guessed.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::facts::{Limit, Need, Rule};
use super::hop::{Hop, UPGRADE_DOCS, missing, rule};
use super::refusal::Refusal;
use super::table::ReleaseTable;
use super::version::Version;

/// The way from one release to another; no hop means there is nothing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Path {
    /// The release at the start.
    pub from: Version,
    /// The release at the end.
    pub to: Version,
    /// Which way the whole path goes; no hop goes another way.
    pub direction: Direction,
    /// The hops, in the order in which they are made.
    pub hops: Vec<Hop>,
}

/// Newer, older, or the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Direction {
    /// To a newer release: backends and compute nodes before frontends.
    Upgrade,
    /// To an older release: frontends before backends and compute nodes.
    Downgrade,
    /// Nowhere.
    None,
}

impl Path {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.hops.is_empty()
    }

    /// Every release on the way, start and end included.
    pub fn stops(&self) -> Vec<Version> {
        std::iter::once(self.from).chain(self.hops.iter().map(|hop| hop.to)).collect()
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stops: Vec<String> = self.stops().iter().map(Version::to_string).collect();
        f.write_str(&stops.join(" -> "))
    }
}

impl Direction {
    /// Which way it is from one release to another.
    pub fn between(from: Version, to: Version) -> Self {
        match from.cmp(&to) {
            std::cmp::Ordering::Less => Self::Upgrade,
            std::cmp::Ordering::Greater => Self::Downgrade,
            std::cmp::Ordering::Equal => Self::None,
        }
    }
}

impl ReleaseTable {
    /// The hops from one release to another: neighbouring lines only, each stop between the newest known-good patch that
    /// both its hops allow, with a patch hop first where the start is too old to leave its line well.
    ///
    /// # Errors
    /// Says which rule forbids it and what to do instead. The same release twice is never refused.
    pub fn path(&self, from: &Version, to: &Version) -> Result<Path, Refusal> {
        let (from, to) = (*from, *to);
        let direction = Direction::between(from, to);
        if direction == Direction::None {
            return Ok(Path { from, to, direction, hops: Vec::new() });
        }
        let (start, goal) = (self.place(from)?, self.place(to)?);
        self.refuse_bad(from, to)?;
        let next = match direction {
            _ if start == goal => return Ok(Path { from, to, direction, hops: vec![self.hop(&from, &to)?] }),
            Direction::Downgrade => start.saturating_sub(1),
            Direction::Upgrade | Direction::None => start + 1,
        };
        let mut hops = Vec::new();
        let mut here = from;
        if let Some((patched, limit)) = self.patch_first(from, start, next) {
            let mut hop = self.hop(&here, &patched)?;
            hop.rules.push(Rule { text: format!("This patch hop comes first. {}", limit.text), ..limit.rule() });
            hops.push(hop);
            here = patched;
        }
        let stops = match self.stops_between(here, next, goal, to) {
            Err(refusal @ (Refusal::OutsideRange { .. } | Refusal::KnownIssue { .. }))
                if direction == Direction::Upgrade && hops.is_empty() =>
            {
                let (patched, stops) = self.patch_hop_and_stops(from, start, next, goal, to).ok_or(refusal)?;
                let mut hop = self.hop(&from, &patched)?;
                let text = format!("This patch hop comes first: version catalogs let the way go on from {patched}, not from {from}.");
                hop.rules.push(rule("SR-1113", text, "StarRocksVersionCatalog"));
                hops.push(hop);
                here = patched;
                stops
            }
            stops => stops?,
        };
        for stop in stops {
            let mut hop = self.hop(&here, &stop)?;
            if stop != to {
                hop.rules.push(rule(
                    "SR-1102",
                    format!("{stop} is the newest known-good patch of {} that fits the next hop.", stop.line()),
                    UPGRADE_DOCS,
                ));
            }
            hops.push(hop);
            here = stop;
        }
        Ok(Path { from, to, direction, hops })
    }

    /// The stops after `here`, `to` included, of which the first lies in the line at `next`.
    fn stops_between(&self, here: Version, next: usize, goal: usize, to: Version) -> Result<Vec<Version>, Refusal> {
        let lines: Vec<usize> = if next <= goal { (next..goal).collect() } else { (goal + 1..=next).rev().collect() };
        // From the goal backwards: which patches of each line lead there at all.
        let mut leads_there = vec![to];
        let mut choices = Vec::with_capacity(lines.len());
        for index in lines.iter().rev() {
            let leads: Vec<Version> =
                self.good_patches(*index).filter(|patch| leads_there.iter().any(|after| self.check_hop(*patch, *after).is_ok())).collect();
            choices.push(leads.clone());
            leads_there = leads;
        }
        let mut stops = Vec::with_capacity(lines.len() + 1);
        let mut last = here;
        for leads in choices.iter().rev() {
            let Some(stop) = leads.iter().find(|patch| self.check_hop(last, **patch).is_ok()) else {
                return Err(self.first_obstacle(here, &lines, to));
            };
            stops.push(*stop);
            last = *stop;
        }
        self.check_hop(last, to)?;
        stops.push(to);
        Ok(stops)
    }

    /// The same from the newest patch of the line at `start`, where catalogs have ranges that `from` lies outside of.
    fn patch_hop_and_stops(&self, from: Version, start: usize, next: usize, goal: usize, to: Version) -> Option<(Version, Vec<Version>)> {
        let newest = self.lines().get(start).map(|facts| facts.newest).filter(|newest| *newest > from)?;
        self.check_hop(from, newest).ok()?;
        Some((newest, self.stops_between(newest, next, goal, to).ok()?))
    }

    /// What stops somebody who walks the lines and takes the newest allowed patch of each.
    fn first_obstacle(&self, here: Version, lines: &[usize], to: Version) -> Refusal {
        let mut last = here;
        for index in lines {
            let mut obstacle = None;
            let reachable = self.good_patches(*index).find(|patch| match self.check_hop(last, *patch) {
                Ok(()) => true,
                Err(refusal) => {
                    obstacle.get_or_insert(refusal);
                    false
                }
            });
            match (reachable, obstacle) {
                (Some(stop), _) => last = stop,
                (None, Some(refusal)) => return refusal,
                (None, None) => break,
            }
        }
        match self.check_hop(last, to) {
            Err(refusal) => refusal,
            Ok(()) => missing(here.line(), to.line()),
        }
    }

    /// The patch to go to before leaving the line, and the limit that asks for it.
    fn patch_first(&self, from: Version, start: usize, next: usize) -> Option<(Version, &Limit)> {
        let (here, there) = (self.lines().get(start)?, self.lines().get(next)?);
        let limit = self
            .edges
            .iter()
            .filter(|edge| edge.from == here.line && edge.to == there.line && edge.when.covers_from(from))
            .flat_map(|edge| &edge.limits)
            .find(|limit| matches!(limit.need, Need::FromMin(least) | Need::FromRecommended(least) if from < least))?;
        (here.newest > from).then_some((here.newest, limit))
    }
}
