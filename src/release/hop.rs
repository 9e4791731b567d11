//! Two releases one step apart in, the hop with its rules, conditions and settings or a refusal out; never skips a line.

use serde::{Deserialize, Serialize};

use super::facts::{Condition, ConditionKind, ConfigHow, ConfigStep, Edge, Limit, MachineCheck, MixedSetting, Need, Rule, SqlStep, Stage};
use super::path::Direction;
use super::refusal::Refusal;
use super::table::ReleaseTable;
use super::version::{Line, Version};

pub(super) const UPGRADE_DOCS: &str = "docs: deployment/manage_deployment/upgrade.md";
pub(super) const DOWNGRADE_DOCS: &str = "docs: deployment/manage_deployment/downgrade.md";

/// How far a hop goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HopKind {
    /// Inside one line.
    Patch,
    /// To the neighbouring line with the same first number.
    Minor,
    /// To the neighbouring line with another first number.
    Major,
}

/// One roll of the whole cluster from one release to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hop {
    /// The release before.
    pub from: Version,
    /// The release after.
    pub to: Version,
    /// How far it goes.
    pub kind: HopKind,
    /// Which way it goes.
    pub direction: Direction,
    /// The rules that shaped it.
    pub rules: Vec<Rule>,
    /// What a person or the plan must see to.
    pub conditions: Vec<Condition>,
    /// Statements before the first node restarts.
    pub sql_before: Vec<SqlStep>,
    /// Statements after the last node has restarted.
    pub sql_after: Vec<SqlStep>,
    /// Frontend settings before the first node restarts.
    pub frontend_config_before: Vec<ConfigStep>,
    /// Frontend settings to save and set while nodes restart, and to put back as saved; empty for a patch hop.
    pub freeze: Vec<ConfigStep>,
    /// Frontend settings to save and set while two versions run, and to put back as saved; empty for a patch hop.
    pub frontend_config_while_mixed: Vec<ConfigStep>,
    /// Frontend settings after the closing image.
    pub frontend_config_after: Vec<ConfigStep>,
    /// The oldest JDK the target starts with.
    pub jdk: Option<u32>,
    /// Whether the leader can hand its lead over before it restarts, where data lives on backends: its release knows the statement, and the hop stays in
    /// its line, so that it can read as a follower what its successor writes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leader_transfer: bool,
}

impl ReleaseTable {
    /// The single hop between two releases, whatever a path would put between them.
    ///
    /// # Errors
    /// Says why the two are not one hop apart. The same release twice is a hop that goes nowhere.
    pub fn hop(&self, from: &Version, to: &Version) -> Result<Hop, Refusal> {
        let (from, to) = (*from, *to);
        self.check_hop(from, to)?;
        let kind = match (from.line() == to.line(), from.major == to.major) {
            (true, _) => HopKind::Patch,
            (false, true) => HopKind::Minor,
            (false, false) => HopKind::Major,
        };
        let direction = Direction::between(from, to);
        let mut hop = Hop {
            from,
            to,
            kind,
            direction,
            rules: Vec::new(),
            conditions: Vec::new(),
            sql_before: Vec::new(),
            sql_after: Vec::new(),
            frontend_config_before: Vec::new(),
            freeze: Vec::new(),
            frontend_config_while_mixed: Vec::new(),
            frontend_config_after: Vec::new(),
            jdk: self.line(to.line()).map(|facts| self.lore.jdk(&to, facts.jdk_min)),
            leader_transfer: kind == HopKind::Patch && self.has_leader_transfer(&from),
        };
        if direction == Direction::None {
            return Ok(hop);
        }
        hop.rules.push(reach_rule(&hop));
        self.add_leaving(&mut hop);
        self.add_edges(&mut hop);
        self.add_target_facts(&mut hop);
        self.lore.add_to(&mut hop);
        if kind != HopKind::Patch {
            hop.freeze = self.freeze.clone();
            hop.frontend_config_while_mixed = self.while_mixed(from.line(), to.line());
        }
        Ok(hop)
    }

    /// Whether two releases are one allowed hop apart.
    pub(super) fn check_hop(&self, from: Version, to: Version) -> Result<(), Refusal> {
        if from == to {
            return Ok(());
        }
        let (start, goal) = (self.place(from)?, self.place(to)?);
        self.refuse_bad(from, to)?;
        if start.abs_diff(goal) > 1 {
            let entry = if start < goal { goal - 1 } else { goal + 1 };
            let entry = self.lines().get(entry).map_or(from.line(), |facts| facts.line);
            return Err(Refusal::NotFromLine { from, to, entry });
        }
        let has_edge = || self.entries(from.line(), to.line()).any(|edge| edge.when.is_always());
        if start != goal && !has_edge() && !self.lore.overrides(from, to) {
            return Err(missing(from.line(), to.line()));
        }
        self.lore.refuses(from, to)?;
        if self.lore.overrides(from, to) {
            return Ok(());
        }
        self.check_limits(from, to)
    }

    fn check_limits(&self, from: Version, to: Version) -> Result<(), Refusal> {
        let mut too_old: Option<(Version, &Limit)> = None;
        for limit in self.entries(from.line(), to.line()).filter(|edge| edge.when.covers(from, to)).flat_map(|edge| &edge.limits) {
            let (reason, source) = (limit.text.as_str().into(), limit.source.as_str().into());
            match limit.need {
                Need::Blocked if from.line() == to.line() => {
                    let oldest = self.oldest_patch_back(from, to);
                    return Err(Refusal::PatchDowngradeBlocked { from, to, oldest, reason, source });
                }
                Need::Blocked => return Err(Refusal::DowngradeBlocked { from: from.line(), to: to.line(), reason, source }),
                Need::FromMin(minimum) if from < minimum => return Err(Refusal::StartTooOld { from, to, minimum, reason, source }),
                Need::ToMin(minimum) if to < minimum && too_old.is_none_or(|(other, _)| other < minimum) => {
                    too_old = Some((minimum, limit))
                }
                Need::FromMin(_) | Need::FromRecommended(_) | Need::ToMin(_) => {}
            }
        }
        let Some((minimum, limit)) = too_old else { return Ok(()) };
        // Nobody is sent to a release that is bad itself.
        let newest = self.line(minimum.line()).map_or(minimum.patch, |facts| facts.newest.patch);
        let mut from_there = (minimum.patch..=newest).map(|patch| minimum.line().patch(patch));
        let minimum = from_there.find(|patch| self.known_bad(patch).is_none()).unwrap_or(minimum);
        let (reason, source) = (limit.text.as_str().into(), limit.source.as_str().into());
        Err(match Direction::between(from, to) {
            Direction::Downgrade => Refusal::DowngradeTargetTooOld { from, to, minimum, reason, source },
            Direction::Upgrade | Direction::None => Refusal::UpgradeTargetTooOld { from, to, minimum, reason, source },
        })
    }

    /// The oldest patch between `to` and `from` that is not blocked as well.
    fn oldest_patch_back(&self, from: Version, to: Version) -> Option<Version> {
        let blocked = |patch: Version| {
            self.known_bad(&patch).is_some()
                || self
                    .entries(from.line(), from.line())
                    .any(|edge| edge.when.covers(from, patch) && edge.limits.iter().any(|limit| limit.need == Need::Blocked))
        };
        // Bounds of the table end at its newest patch, so nothing above it can be the first free one.
        let newest = self.line(from.line())?.newest.patch.min(from.patch);
        (to.patch..newest).map(|patch| from.line().patch(patch)).find(|patch| !blocked(*patch))
    }

    fn entries(&self, from: Line, to: Line) -> impl Iterator<Item = &Edge> + '_ {
        self.edges.iter().filter(move |edge| edge.from == from && edge.to == to)
    }

    pub(super) fn place(&self, version: Version) -> Result<usize, Refusal> {
        self.index_of(version.line()).ok_or_else(|| match self.newest() {
            Some(newest) if version.line() > newest.line() => Refusal::NewerThanTable { version, newest, as_of: self.as_of().to_owned() },
            _ => Refusal::UnknownLine { version, known: self.lines().iter().map(|facts| facts.line).collect() },
        })
    }

    pub(super) fn refuse_bad(&self, from: Version, to: Version) -> Result<(), Refusal> {
        let (Some(bad), Some(facts)) = (self.known_bad(&to), self.line(to.line())) else { return Ok(()) };
        let before = || (0..to.patch).rev().map(|patch| to.line().patch(patch)).find(|patch| self.known_bad(patch).is_none());
        let back_in_line = from.line() == to.line() && from > to;
        // When catalogs withdraw a whole line, its newest release is none to go to either.
        let elsewhere = || self.lines().iter().rev().map(|facts| facts.newest).find(|newest| self.known_bad(newest).is_none());
        let newest = Some(facts.newest).filter(|newest| self.known_bad(newest).is_none()).or_else(elsewhere);
        let instead = if back_in_line { before() } else { None }.or(newest).unwrap_or(facts.newest);
        Err(Refusal::KnownBad { version: to, reason: bad.reason.as_str().into(), source: bad.source.as_str().into(), instead })
    }

    fn add_leaving(&self, hop: &mut Hop) {
        if let Some(bad) = self.known_bad(&hop.from) {
            hop.rules.push(rule("SR-1107", format!("{} is known to be bad, leave it soon: {}.", bad.version, bad.reason), &bad.source));
            hop.conditions.extend(bad.leaving.clone());
        }
    }

    fn add_edges(&self, hop: &mut Hop) {
        let covering: Vec<&Edge> = self.entries(hop.from.line(), hop.to.line()).filter(|edge| edge.when.covers(hop.from, hop.to)).collect();
        let common = (hop.kind != HopKind::Patch && hop.direction == Direction::Downgrade).then_some(&self.every_downgrade);
        for edge in &covering {
            hop.rules.extend(edge.limits.iter().map(Limit::rule));
        }
        for extras in covering.iter().map(|edge| &edge.hop).chain(common) {
            hop.rules.extend_from_slice(&extras.rules);
            hop.conditions.extend_from_slice(&extras.conditions);
            hop.sql_before.extend_from_slice(&extras.sql_before);
            hop.sql_after.extend_from_slice(&extras.sql_after);
            hop.frontend_config_before.extend_from_slice(&extras.config_before);
            hop.frontend_config_after.extend_from_slice(&extras.config_after);
        }
    }

    fn add_target_facts(&self, hop: &mut Hop) {
        let avoided = self.known_bad_releases().iter().filter(|bad| bad.version.line() == hop.to.line());
        hop.rules.extend(avoided.map(|bad| rule("SR-1105", format!("Never {}: {}.", bad.version, bad.reason), &bad.source)));
        let (Some(before), Some(after)) = (self.line(hop.from.line()), self.line(hop.to.line())) else { return };
        if !self.knows(&hop.to) {
            let text = format!(
                "{} is newer than this operator's release table ({}, newest known {}): its release notes are not accounted for.",
                hop.to,
                self.as_of(),
                after.newest
            );
            hop.rules.push(rule("SR-1104", text, "release table of this operator"));
        }
        let jdk = self.lore.jdk(&hop.to, after.jdk_min);
        if jdk > self.lore.jdk(&hop.from, before.jdk_min) {
            let source = "docs: deployment/preparation/environment_configurations.md";
            let of_line = jdk == after.jdk_min;
            let target = if of_line { after.line.to_string() } else { hop.to.to_string() };
            let text = format!("{target} needs JDK {jdk} or later; stock images bring it, own images must too.");
            hop.rules.push(rule("SR-1106", text.clone(), source));
            hop.conditions.insert(
                0,
                Condition {
                    code: "SR-1240".to_owned(),
                    text,
                    source: source.to_owned(),
                    kind: ConditionKind::Required,
                    stage: Stage::Before,
                    only_in: None,
                    check: Some(MachineCheck::JdkAtLeast { jdk }),
                },
            );
        }
    }

    fn while_mixed(&self, from: Line, to: Line) -> Vec<ConfigStep> {
        let how = |since: Line| match (from >= since, to >= since) {
            (true, _) => Some(ConfigHow::Dynamic),
            (false, true) => Some(ConfigHow::OnceTheNewerLeads),
            (false, false) => None,
        };
        let step = |setting: &MixedSetting| {
            Some(ConfigStep {
                key: setting.key.clone(),
                value: setting.value.clone(),
                how: how(setting.since)?,
                why: setting.why.clone(),
                source: setting.source.clone(),
            })
        };
        self.while_mixed.iter().filter_map(step).collect()
    }
}

fn reach_rule(hop: &Hop) -> Rule {
    match (hop.kind, hop.direction) {
        (HopKind::Patch, Direction::Downgrade) => rule(
            "SR-1109",
            format!(
                "Patches of {} go back in one hop, except where the release table says otherwise; tablet scheduling stays on.",
                hop.to.line()
            ),
            DOWNGRADE_DOCS,
        ),
        (HopKind::Patch, _) => {
            rule("SR-1103", format!("Inside {} any patch is one hop; tablet scheduling stays on.", hop.to.line()), UPGRADE_DOCS)
        }
        (_, Direction::Downgrade) => rule(
            "SR-1110",
            format!("One line at a time, and only where StarRocks documents the way back: {} to {}.", hop.from.line(), hop.to.line()),
            DOWNGRADE_DOCS,
        ),
        (_, _) => rule("SR-1101", format!("One line at a time: {} to {}.", hop.from.line(), hop.to.line()), UPGRADE_DOCS),
    }
}

pub(super) fn missing(from: Line, to: Line) -> Refusal {
    if from > to { Refusal::DowngradeEdgeMissing { from, to } } else { Refusal::UpgradeEdgeMissing { from, to } }
}

pub(super) fn rule(code: &str, text: String, source: &str) -> Rule {
    Rule { code: code.to_owned(), text, source: source.to_owned() }
}
