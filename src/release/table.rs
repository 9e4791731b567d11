//! The release table: JSON text in, a table whose parts agree with each other out; never a table that contradicts itself.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use serde::Deserialize;

use super::catalog::Lore;
use super::facts::{BadRelease, ConfigStep, Edge, Extras, LineFacts, MixedSetting, Need};
use super::version::{Line, Version};

const EMBEDDED: &str = include_str!("releases.json");

/// More patches than any line has had; a larger number in the table is a typing error.
pub(super) const PATCH_MAX: u64 = 500;

/// What is known about StarRocks releases and the ways between them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReleaseTable {
    as_of: String,
    pub(super) lines: Vec<LineFacts>,
    pub(super) known_bad: Vec<BadRelease>,
    pub(super) edges: Vec<Edge>,
    pub(super) every_downgrade: Extras,
    pub(super) freeze: Vec<ConfigStep>,
    pub(super) while_mixed: Vec<MixedSetting>,
    /// What catalogs add.
    #[serde(skip)]
    pub(super) lore: Lore,
}

/// Why a text is no release table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// Not JSON of the expected form.
    #[error("the release table cannot be read: {0}")]
    Unreadable(String),
    /// The parts contradict each other.
    #[error("the release table contradicts itself at {at}: {fault}")]
    Contradiction {
        /// Which entry.
        at: String,
        /// What is wrong with it.
        fault: String,
    },
}

impl ReleaseTable {
    /// The table this build carries. A build with a broken table (which a unit test prevents) gets an empty one, with which
    /// every path is refused; [`ReleaseTable::embedded_fault`] then says why.
    pub fn embedded() -> &'static Self {
        &embedded().0
    }

    /// What is wrong with the table this build carries; `None` in every build that passed its tests.
    pub fn embedded_fault() -> Option<&'static TableError> {
        embedded().1.as_ref()
    }

    /// Reads a table and proves that its parts agree.
    ///
    /// # Errors
    /// Names the entry and what is wrong with it.
    pub fn from_json(text: &str) -> Result<Self, TableError> {
        let table: Self = serde_json::from_str(text).map_err(|error| TableError::Unreadable(error.to_string()))?;
        table.agree_about_lines()?;
        table.agree_about_bad_releases()?;
        for edge in &table.edges {
            table.agree_about_edge(edge)?;
        }
        table.agree_about_neighbours()?;
        table.agree_about_codes()?;
        Ok(table)
    }

    /// The day of the table, `YYYY-MM-DD`.
    pub fn as_of(&self) -> &str {
        &self.as_of
    }

    /// All lines, oldest first.
    pub fn lines(&self) -> &[LineFacts] {
        &self.lines
    }

    /// All releases nobody should go to, oldest first.
    pub fn known_bad_releases(&self) -> &[BadRelease] {
        &self.known_bad
    }

    /// What is known about a line.
    pub fn line(&self, line: Line) -> Option<&LineFacts> {
        self.lines.iter().find(|facts| facts.line == line)
    }

    /// The newest release of the table.
    pub fn newest(&self) -> Option<Version> {
        self.lines.last().map(|facts| facts.newest)
    }

    /// Why nobody should go to this release, if so.
    pub fn known_bad(&self, version: &Version) -> Option<&BadRelease> {
        self.known_bad.iter().find(|bad| bad.version == *version)
    }

    /// Whether a release is one of the table: of a known line, and neither newer than all of it nor left out by the catalogs that made it longer.
    pub fn knows(&self, version: &Version) -> bool {
        let in_line = self.line(version.line()).is_some_and(|facts| *version <= facts.newest);
        (in_line || self.known_bad(version).is_some()) && !self.lore.unlisted.contains(version)
    }

    /// Whether frontends of a release know ALTER SYSTEM TRANSFER LEADER, by the table and the catalogs. Of a release that nobody lists the last word about
    /// an older patch of its line holds.
    pub fn has_leader_transfer(&self, version: &Version) -> bool {
        let since = self.line(version.line()).and_then(|facts| facts.leader_transfer_since);
        self.lore.leader_transfer(version).unwrap_or_else(|| since.is_some_and(|since| since <= *version))
    }

    /// Scheduler settings to save and set before a minor or major hop, and to put back after it.
    pub fn freeze(&self) -> &[ConfigStep] {
        &self.freeze
    }

    pub(super) fn index_of(&self, line: Line) -> Option<usize> {
        self.lines.iter().position(|facts| facts.line == line)
    }

    /// The known-good patches of the line at `index`, newest first; those that a catalog deprecates after all others.
    pub(super) fn good_patches(&self, index: usize) -> impl Iterator<Item = Version> + '_ {
        let good = move || {
            let patches = self.lines.get(index).into_iter();
            let patches = patches.flat_map(|facts| (0..=facts.newest.patch).rev().map(|patch| facts.line.patch(patch)));
            patches.filter(|version| self.known_bad(version).is_none() && !self.lore.unlisted.contains(version))
        };
        good().filter(|version| !self.lore.is_deprecated(version)).chain(good().filter(|version| self.lore.is_deprecated(version)))
    }

    fn agree_about_lines(&self) -> Result<(), TableError> {
        if self.lines.is_empty() {
            return Err(contradiction("lines", "there is none"));
        }
        for pair in self.lines.windows(2) {
            if let [older, newer] = pair {
                if older.line >= newer.line {
                    return Err(contradiction(
                        format!("line {}", newer.line),
                        format!("stands after {}, lines go from old to new", older.line),
                    ));
                }
                if older.jdk_min > newer.jdk_min {
                    return Err(contradiction(format!("line {}", newer.line), "needs an older JDK than the line before it"));
                }
            }
        }
        for facts in &self.lines {
            let at = || format!("line {}", facts.line);
            if facts.newest.line() != facts.line {
                return Err(contradiction(at(), format!("its newest release {} is of another line", facts.newest)));
            }
            if facts.newest.patch > PATCH_MAX {
                return Err(contradiction(at(), format!("more than {PATCH_MAX} patches")));
            }
            if self.known_bad(&facts.newest).is_some() {
                return Err(contradiction(at(), format!("its newest release {} is known to be bad", facts.newest)));
            }
            if facts.leader_transfer_since.is_some_and(|since| since.line() != facts.line || since > facts.newest) {
                return Err(contradiction(at(), "leader transfer begins with a release that is none of the line"));
            }
            if facts.jdk_min > facts.jdk_recommended {
                return Err(contradiction(at(), "the recommended JDK is older than the oldest allowed"));
            }
        }
        Ok(())
    }

    fn agree_about_bad_releases(&self) -> Result<(), TableError> {
        let mut seen = BTreeSet::new();
        for bad in &self.known_bad {
            let at = format!("bad release {}", bad.version);
            if self.index_of(bad.version.line()).is_none() {
                return Err(contradiction(at, "its line is unknown"));
            }
            if !seen.insert(bad.version) {
                return Err(contradiction(at, "it is listed twice"));
            }
        }
        Ok(())
    }

    fn agree_about_edge(&self, edge: &Edge) -> Result<(), TableError> {
        let at = || format!("edge {} to {}", edge.from, edge.to);
        let (Some(from), Some(to)) = (self.index_of(edge.from), self.index_of(edge.to)) else {
            return Err(contradiction(at(), "one of its lines is unknown"));
        };
        if from.abs_diff(to) > 1 {
            return Err(contradiction(at(), "the lines are not neighbours"));
        }
        let foreign = |bound: Option<Version>, line: Line| bound.is_some_and(|version| version.line() != line);
        let when = &edge.when;
        if [when.from_min, when.from_below].into_iter().any(|bound| foreign(bound, edge.from))
            || [when.to_min, when.to_below].into_iter().any(|bound| foreign(bound, edge.to))
        {
            return Err(contradiction(at(), "a bound of \"when\" is of another line"));
        }
        let only_backwards = matches!((when.from_min, when.to_below), (Some(from_min), Some(to_below)) if to_below <= from_min);
        if from == to && !only_backwards {
            return Err(contradiction(at(), "inside one line only steps back are restricted: \"toBelow\" must be at most \"fromMin\""));
        }
        edge.limits.iter().try_for_each(|limit| {
            let known = |version: Version, index: usize| {
                self.lines.get(index).is_some_and(|facts| facts.line == version.line() && version <= facts.newest)
            };
            let sound = match limit.need {
                Need::FromMin(version) | Need::FromRecommended(version) => from < to && known(version, from),
                Need::ToMin(version) => from != to && known(version, to),
                Need::Blocked => from >= to,
            };
            if sound { Ok(()) } else { Err(contradiction(at(), format!("limit {} does not fit the lines of the edge", limit.code))) }
        })
    }

    fn agree_about_neighbours(&self) -> Result<(), TableError> {
        let unconditional =
            |from: Line, to: Line| self.edges.iter().any(|edge| edge.from == from && edge.to == to && edge.when.is_always());
        for pair in self.lines.windows(2) {
            if let [older, newer] = pair
                && !unconditional(older.line, newer.line)
            {
                return Err(contradiction(format!("edge {} to {}", older.line, newer.line), "the upgrade between neighbours is missing"));
            }
        }
        match self.edges.iter().find(|edge| edge.from != edge.to && !unconditional(edge.from, edge.to)) {
            Some(edge) => Err(contradiction(format!("edge {} to {}", edge.from, edge.to), "it has conditional entries only")),
            None => Ok(()),
        }
    }

    /// A code means one thing for ever, so that people can search for it.
    fn agree_about_codes(&self) -> Result<(), TableError> {
        let extras = self.edges.iter().map(|edge| &edge.hop).chain([&self.every_downgrade]);
        let rules = extras.clone().flat_map(|extra| extra.rules.iter().map(|rule| (&rule.code, &rule.text, &rule.source)));
        let conditions = extras.flat_map(|extra| &extra.conditions).chain(self.known_bad.iter().filter_map(|bad| bad.leaving.as_ref()));
        let conditions = conditions.map(|condition| (&condition.code, &condition.text, &condition.source));
        let limits = self.edges.iter().flat_map(|edge| &edge.limits).map(|limit| (&limit.code, &limit.text, &limit.source));
        let mut seen = BTreeSet::new();
        for (code, text, source) in rules.chain(conditions).chain(limits) {
            let well_formed =
                code.strip_prefix("SR-").is_some_and(|number| number.len() == 4 && number.bytes().all(|byte| byte.is_ascii_digit()));
            if !well_formed {
                return Err(contradiction(format!("code {code}"), "codes have the form SR-nnnn"));
            }
            if !seen.insert(code) {
                return Err(contradiction(format!("code {code}"), "it is used twice"));
            }
            if text.is_empty() || source.is_empty() {
                return Err(contradiction(format!("code {code}"), "its text or source is empty"));
            }
        }
        Ok(())
    }
}

fn embedded() -> &'static (ReleaseTable, Option<TableError>) {
    static TABLE: OnceLock<(ReleaseTable, Option<TableError>)> = OnceLock::new();
    TABLE.get_or_init(|| match ReleaseTable::from_json(EMBEDDED) {
        Ok(table) => (table, None),
        Err(error) => (ReleaseTable::default(), Some(error)),
    })
}

fn contradiction(at: impl Into<String>, fault: impl Into<String>) -> TableError {
    TableError::Contradiction { at: at.into(), fault: fault.into() }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn broken(change: impl FnOnce(&mut Value)) -> String {
        let mut data: Value = serde_json::from_str(EMBEDDED).unwrap();
        change(&mut data);
        ReleaseTable::from_json(&data.to_string()).unwrap_err().to_string()
    }

    #[test]
    fn the_embedded_table_is_sound() {
        assert_eq!(ReleaseTable::embedded_fault(), None);
        let table = ReleaseTable::embedded();
        assert_eq!(table.newest(), Some(Version::new(4, 1, 7)));
        assert_eq!(table.line(Line::new(3, 5)).unwrap().jdk_min, 17);
        assert_eq!(table.line(Line::new(3, 1)).unwrap().end_of_life.as_deref(), Some("old"));
        assert!(table.line(Line::new(4, 2)).is_none());
        assert_eq!(table.freeze().len(), 4);
        let bad: Vec<String> = table.known_bad_releases().iter().map(|bad| bad.version.to_string()).collect();
        assert_eq!(bad, ["3.1.10", "3.2.5", "3.3.10", "3.4.1", "4.1.0"]);
        assert!(table.known_bad(&Version::new(3, 3, 10)).unwrap().reason.contains("withdrawn"));
        assert!(table.known_bad(&Version::new(3, 3, 11)).is_none());
    }

    #[test]
    fn leader_transfer_begins_with_the_patch_that_the_table_names_and_no_release_up_to_4_1_has_it() {
        let embedded = ReleaseTable::embedded();
        assert!(embedded.lines().iter().all(|facts| !embedded.has_leader_transfer(&facts.newest)));
        let mut data: Value = serde_json::from_str(EMBEDDED).unwrap();
        data["lines"][13]["leaderTransferSince"] = json!("4.1.5");
        let table = ReleaseTable::from_json(&data.to_string()).unwrap();
        let has = |patch| table.has_leader_transfer(&Version::new(4, 1, patch));
        assert_eq!([4, 5, 7, 9].map(has), [false, true, true, true]);
        assert!(!table.has_leader_transfer(&Version::new(4, 0, 17)) && !table.has_leader_transfer(&Version::new(4, 2, 0)));
    }

    #[test]
    fn a_table_with_unknown_words_or_bare_numbers_is_not_read() {
        assert!(broken(|data| data["colour"] = json!("red")).contains("unknown field `colour`"));
        assert!(broken(|data| data["lines"][0]["line"] = json!(4.10)).contains("cannot be read"));
        assert!(broken(|data| data["edges"][0]["hop"] = json!({ "rule": [] })).contains("unknown field `rule`"));
    }

    #[test]
    fn a_table_that_contradicts_itself_is_refused_with_the_entry() {
        assert!(broken(|data| data["lines"][1]["line"] = json!("2.0")).contains("line 2.0: stands after 2.0"));
        assert!(
            broken(|data| data["lines"][0]["newest"] = json!("2.1.9")).contains("line 2.0: its newest release 2.1.9 is of another line")
        );
        assert!(
            broken(|data| data["lines"][13]["newest"] = json!("4.1.0")).contains("line 4.1: its newest release 4.1.0 is known to be bad")
        );
        let since = |version: &str| broken(|data| data["lines"][13]["leaderTransferSince"] = json!(version));
        assert!(since("4.0.1").contains("line 4.1: leader transfer begins with a release that is none of the line"));
        assert!(since("4.1.8").contains("line 4.1: leader transfer begins"));
        assert!(broken(|data| data["knownBad"][0]["version"] = json!("3.9.1")).contains("bad release 3.9.1: its line is unknown"));
        assert!(broken(|data| data["knownBad"][0]["version"] = json!("3.2.5")).contains("bad release 3.2.5: it is listed twice"));
        assert!(broken(|data| data["edges"][0]["to"] = json!("2.2")).contains("edge 2.0 to 2.2: the lines are not neighbours"));
        assert!(broken(|data| data["edges"][0]["to"] = json!("9.9")).contains("edge 2.0 to 9.9: one of its lines is unknown"));
        assert!(
            broken(|data| data["edges"][0]["when"] = json!({ "toMin": "2.1.1" }))
                .contains("edge 2.0 to 2.1: the upgrade between neighbours")
        );
        let need = json!([{ "need": { "fromMin": "2.0.10" }, "code": "SR-1199", "text": "t", "source": "s" }]);
        assert!(broken(|data| data["edges"][0]["limits"] = need).contains("limit SR-1199 does not fit"));
        let rule = json!({ "rules": [{ "code": "SR-1202", "text": "t", "source": "s" }] });
        assert!(broken(|data| data["edges"][0]["hop"] = rule).contains("code SR-1202: it is used twice"));
    }
}
