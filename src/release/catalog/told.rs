//! What all catalogs together say about single releases, and what that does to a hop; the table's own rules are not repeated here.

use std::collections::{BTreeMap, BTreeSet};

use super::super::facts::{Condition, ConditionKind, MachineCheck, Rule, Stage};
use super::super::hop::Hop;
use super::super::path::Direction;
use super::super::range::Range;
use super::super::refusal::Refusal;
use super::super::version::{Line, Version};
use super::source::{ConfigChanges, ConfigKey, KnownIssue, Level, NamedSql, Release, State};

/// What catalogs say, by release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Lore {
    told: BTreeMap<Version, Told>,
    /// Lines that are known from catalogs alone.
    lines: BTreeSet<Line>,
    /// Patches below the newest of their line that nobody lists.
    pub(in super::super) unlisted: BTreeSet<Version>,
}

/// What catalogs say about one release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Told {
    pub state: State,
    pub reason: Option<String>,
    pub end_of_life: Option<String>,
    pub java: Option<u32>,
    /// Whether `java` holds although the table asks for more.
    java_overrides: bool,
    leader_transfer: Option<bool>,
    upgrade_from: Vec<Bound>,
    downgrade_to: Vec<Bound>,
    pub config: ConfigChanges,
    sql_before: Vec<(NamedSql, String)>,
    sql_after: Vec<(NamedSql, String)>,
    issues: Vec<(KnownIssue, String)>,
    pub cves_fixed: BTreeSet<String>,
    pub cves_known: BTreeSet<String>,
}

/// A range on the other end of a hop.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bound {
    range: Range,
    source: String,
    overrides: bool,
}

impl Lore {
    pub(super) fn about(&self, version: &Version) -> Option<&Told> {
        self.told.get(version)
    }

    pub(super) fn add_line(&mut self, line: Line) {
        self.lines.insert(line);
    }

    /// Takes in what one catalog says of one release: words add up, and the more careful one holds.
    pub(super) fn add(&mut self, release: &Release, source: &str) {
        let told = self.told.entry(release.version).or_insert_with(|| Told::new(release.state));
        // Every field is named, so that a new one cannot be forgotten.
        let Release {
            version: _,
            state,
            reason,
            overrides,
            end_of_life,
            images: _,
            java,
            leader_transfer,
            upgrade_from,
            downgrade_to,
            config,
            sql_before,
            sql_after,
            known_issues,
            cves_fixed,
            cves_known,
        } = release;
        if told.reason.is_none() || *state > told.state {
            told.reason = reason.clone().or(told.reason.take());
        }
        told.state = told.state.max(*state);
        told.end_of_life = [told.end_of_life.take(), end_of_life.clone()].into_iter().flatten().min();
        told.java_overrides |= *overrides && java.is_some();
        told.java = told.java.max(*java);
        // No is the more careful word.
        told.leader_transfer = [told.leader_transfer, *leader_transfer].into_iter().flatten().min();
        let bound = |range: &Option<Range>| range.clone().map(|range| Bound { range, source: source.to_owned(), overrides: *overrides });
        told.upgrade_from.extend(bound(upgrade_from));
        told.downgrade_to.extend(bound(downgrade_to));
        told.config.removed.extend(config.removed.iter().cloned());
        told.config.renamed.extend(config.renamed.iter().map(|(key, name)| (key.clone(), name.clone())));
        told.config.mutable.extend(config.mutable.iter().cloned());
        let named = |statements: &[NamedSql]| statements.iter().map(|statement| (*statement, source.to_owned())).collect::<Vec<_>>();
        told.sql_before.extend(named(sql_before));
        told.sql_after.extend(named(sql_after));
        told.issues.extend(known_issues.iter().map(|issue| (issue.clone(), source.to_owned())));
        told.cves_fixed.extend(cves_fixed.iter().cloned());
        told.cves_known.extend(cves_known.iter().cloned());
    }

    /// Whether a catalog refuses the hop.
    pub fn refuses(&self, from: Version, to: Version) -> Result<(), Refusal> {
        let direction = Direction::between(from, to);
        let (ruler, other) = if direction == Direction::Downgrade { (from, to) } else { (to, from) };
        let told = self.told.get(&ruler);
        let outside = |range: Option<&Bound>| Refusal::OutsideRange {
            from,
            to,
            range: range.map(|bound| bound.range.to_string().into()),
            catalog: range.map(|bound| bound.source.as_str().into()),
        };
        let bounds = told.map_or(&[][..], |told| told.bounds(direction));
        if let Some(bound) = bounds.iter().find(|bound| !bound.range.covers(&other)) {
            return Err(outside(Some(bound)));
        }
        // Of a line that only catalogs know nothing is assumed.
        if from.line() != to.line() && self.lines.contains(&ruler.line()) && bounds.is_empty() {
            return Err(outside(None));
        }
        let issues = self.told.get(&to).map_or(&[][..], |told| told.issues.as_slice());
        let blocks = |(issue, _): &&(KnownIssue, String)| {
            issue.level == Level::Block && issue.run_mode.is_none() && issue.from.as_ref().is_none_or(|range| range.covers(&from))
        };
        match issues.iter().find(blocks) {
            Some((issue, source)) => Err(Refusal::KnownIssue {
                from,
                to,
                id: issue.id.as_str().into(),
                reason: issue.text.as_str().into(),
                source: issue.url.as_deref().unwrap_or(source).into(),
            }),
            None => Ok(()),
        }
    }

    /// Whether a catalog says by name that what the operator's table has against the hop does not count.
    pub fn overrides(&self, from: Version, to: Version) -> bool {
        let direction = Direction::between(from, to);
        let (ruler, other) = if direction == Direction::Downgrade { (from, to) } else { (to, from) };
        let bounds = self.told.get(&ruler).map_or(&[][..], |told| told.bounds(direction));
        bounds.iter().any(|bound| bound.overrides && bound.range.covers(&other))
    }

    /// The oldest JDK of a release whose line needs `of_line`.
    pub fn jdk(&self, version: &Version, of_line: u32) -> u32 {
        match self.told.get(version).and_then(|told| Some((told.java?, told.java_overrides))) {
            Some((java, true)) => java,
            Some((java, false)) => java.max(of_line),
            None => of_line,
        }
    }

    /// What catalogs say of ALTER SYSTEM TRANSFER LEADER at a release: the last word up to it in its line.
    pub fn leader_transfer(&self, version: &Version) -> Option<bool> {
        self.told.range(version.line().patch(0)..=*version).rev().find_map(|(_, told)| told.leader_transfer)
    }

    /// Whether a release is better not chosen where there is another.
    pub fn is_deprecated(&self, version: &Version) -> bool {
        self.told.get(version).is_some_and(|told| told.state >= State::Deprecated)
    }

    /// Adds to a hop what catalogs say about its releases.
    pub fn add_to(&self, hop: &mut Hop) {
        if let Some(told) = self.told.get(&hop.to) {
            told.add_target(hop);
        }
        if hop.direction == Direction::Upgrade {
            // What became different on the way, the target included.
            let passed: Vec<(&Version, &Told)> =
                self.told.iter().filter(|(version, _)| hop.from < **version && **version <= hop.to).collect();
            for (version, told) in passed {
                told.add_config(*version, hop);
            }
        }
    }
}

impl Told {
    const fn new(state: State) -> Self {
        Self {
            state,
            reason: None,
            end_of_life: None,
            java: None,
            java_overrides: false,
            leader_transfer: None,
            upgrade_from: Vec::new(),
            downgrade_to: Vec::new(),
            config: ConfigChanges { removed: BTreeSet::new(), renamed: BTreeMap::new(), mutable: BTreeSet::new() },
            sql_before: Vec::new(),
            sql_after: Vec::new(),
            issues: Vec::new(),
            cves_fixed: BTreeSet::new(),
            cves_known: BTreeSet::new(),
        }
    }

    fn bounds(&self, direction: Direction) -> &[Bound] {
        match direction {
            Direction::Upgrade => &self.upgrade_from,
            Direction::Downgrade => &self.downgrade_to,
            Direction::None => &[],
        }
    }

    fn add_target(&self, hop: &mut Hop) {
        let catalogs = "StarRocksVersionCatalog";
        if self.state == State::Deprecated {
            let reason = self.reason.as_deref().unwrap_or("a version catalog says that it should be left");
            let text = format!("{} is deprecated: {reason}.", hop.to);
            hop.rules.push(Rule { code: "SR-1111".to_owned(), text, source: catalogs.to_owned() });
        }
        if !self.cves_known.is_empty() {
            let list: Vec<&str> = self.cves_known.iter().map(String::as_str).collect();
            let text = format!("{} is known to have {}.", hop.to, list.join(", "));
            hop.rules.push(Rule { code: "SR-1112".to_owned(), text, source: catalogs.to_owned() });
        }
        for (issue, source) in &self.issues {
            if issue.from.as_ref().is_some_and(|range| !range.covers(&hop.from)) {
                continue;
            }
            let (code, kind, check) = match issue.level {
                Level::Warn => ("SR-1252", ConditionKind::Recommended, None),
                Level::Block => ("SR-1253", ConditionKind::Required, Some(MachineCheck::NotHere)),
            };
            hop.conditions.push(Condition {
                code: code.to_owned(),
                text: format!("Known issue {}: {}", issue.id, issue.text),
                source: issue.url.clone().unwrap_or_else(|| source.clone()),
                kind,
                stage: Stage::Before,
                only_in: issue.run_mode,
                check,
            });
        }
        if hop.direction == Direction::Upgrade {
            hop.sql_before.extend(self.sql_before.iter().map(|(statement, source)| statement.step(source)));
            hop.sql_after.extend(self.sql_after.iter().map(|(statement, source)| statement.step(source)));
        }
    }

    fn add_config(&self, version: Version, hop: &mut Hop) {
        let condition = |code: &str, text: String, check: MachineCheck| Condition {
            code: code.to_owned(),
            text,
            source: "StarRocksVersionCatalog".to_owned(),
            kind: ConditionKind::Required,
            stage: Stage::Before,
            only_in: None,
            check: Some(check),
        };
        for ConfigKey { component, key } in &self.config.removed {
            let text = format!("{version} has no configuration key {key} any more; take it out first.");
            hop.conditions.push(condition("SR-1250", text, MachineCheck::ConfigKeyRemoved { component: *component, key: key.clone() }));
        }
        for (ConfigKey { component, key }, new) in &self.config.renamed {
            let text = format!("In {version} the configuration key {key} is called {new}; rename it in the same change.");
            let check = MachineCheck::ConfigKeyRenamed { component: *component, old: key.clone(), new: new.clone() };
            hop.conditions.push(condition("SR-1251", text, check));
        }
    }
}
