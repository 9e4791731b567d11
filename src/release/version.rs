//! Version texts in, `Version`, `Line` or a `Claim` out; never guesses a release from a text that only resembles one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A final StarRocks release such as `3.5.9`. Release candidates are not representable (`x.y.0-rcNN` is a [`Claim::Candidate`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// First number.
    pub major: u64,
    /// Second number; a new one is what Chinese notes call a big version.
    pub minor: u64,
    /// Third number; any jump inside one line is a patch jump.
    pub patch: u64,
}

/// A release line such as `3.5`: all patches of one minor version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Line {
    /// First number.
    pub major: u64,
    /// Second number.
    pub minor: u64,
}

impl Version {
    /// The release `major.minor.patch`.
    pub const fn new(major: u64, minor: u64, patch: u64) -> Self {
        Self { major, minor, patch }
    }

    /// The line this release belongs to.
    pub const fn line(&self) -> Line {
        Line { major: self.major, minor: self.minor }
    }
}

impl Line {
    /// The line `major.minor`.
    pub const fn new(major: u64, minor: u64) -> Self {
        Self { major, minor }
    }

    /// The release of this line with the given patch number.
    pub const fn patch(&self, patch: u64) -> Version {
        Version { major: self.major, minor: self.minor, patch }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Which number of a version a fault is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The first number.
    Major,
    /// The second number.
    Minor,
    /// The third number.
    Patch,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Major => "MAJOR",
            Self::Minor => "MINOR",
            Self::Patch => "PATCH",
        })
    }
}

/// Why a text is no `MAJOR.MINOR.PATCH`; every message ends with what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// Nothing was written.
    #[error("the version is empty: write MAJOR.MINOR.PATCH, for example 3.5.9")]
    Empty,
    /// Blanks around or inside the text.
    #[error("\"{text}\" contains blanks: write MAJOR.MINOR.PATCH without blanks, for example 3.5.9")]
    Blank {
        /// What was written.
        text: String,
    },
    /// The text starts with `v`.
    #[error("\"{text}\" starts with \"v\": write \"{instead}\"")]
    Prefixed {
        /// What was written.
        text: String,
        /// The same without the prefix.
        instead: String,
    },
    /// `latest` and its like.
    #[error("\"{text}\" names no fixed release, what it means changes over time: write MAJOR.MINOR.PATCH, for example 3.5.9")]
    Floating {
        /// What was written.
        text: String,
    },
    /// A release candidate.
    #[error("\"{text}\" is a release candidate of {base}: write a final release, {base} or later")]
    Candidate {
        /// What was written.
        text: String,
        /// The release it is a candidate of.
        base: Version,
    },
    /// Something follows the three numbers.
    #[error(
        "\"{text}\" has \"{rest}\" after the three numbers: write only \"{base}\"; a special build is named by the image of the component"
    )]
    Suffix {
        /// What was written.
        text: String,
        /// The three numbers.
        base: Version,
        /// What follows them.
        rest: String,
    },
    /// Not three numbers.
    #[error("\"{text}\" has {found} part(s) where MAJOR.MINOR.PATCH has three: write all three, for example 3.5.9")]
    PartCount {
        /// What was written.
        text: String,
        /// How many dot-separated parts it has.
        found: usize,
    },
    /// A part is missing or has something else than digits.
    #[error("the {part} part of \"{text}\" is \"{found}\", which is no number: write digits only, for example 3.5.9")]
    NotANumber {
        /// What was written.
        text: String,
        /// The part at fault.
        part: Part,
        /// What stands there.
        found: String,
    },
    /// A part starts with a zero it does not need.
    #[error("the {part} part of \"{text}\" starts with 0: write {instead}")]
    LeadingZero {
        /// What was written.
        text: String,
        /// The part at fault.
        part: Part,
        /// The part without the zeros.
        instead: u64,
    },
    /// A part does not fit 64 bits.
    #[error("the {part} part of \"{text}\" is too large: StarRocks numbers its releases like 3.5.9")]
    TooLarge {
        /// What was written.
        text: String,
        /// The part at fault.
        part: Part,
    },
}

/// Reads what a user wrote in `spec.version`: exactly `MAJOR.MINOR.PATCH`.
///
/// # Errors
/// Names the part at fault and what to write instead.
pub fn parse_version(text: &str) -> Result<Version, VersionError> {
    if text.is_empty() {
        return Err(VersionError::Empty);
    }
    match strict(text) {
        Ok(version) => Ok(version),
        Err(plain) => Err(better_explanation(text).unwrap_or(plain)),
    }
}

/// Recognises the usual near misses, whose remedy is clearer than "part 3 is no number".
fn better_explanation(text: &str) -> Option<VersionError> {
    let owned = || text.to_owned();
    if text.contains(char::is_whitespace) {
        return Some(VersionError::Blank { text: owned() });
    }
    if let Some(version) = text.strip_prefix(['v', 'V']).and_then(|rest| strict(rest).ok()) {
        return Some(VersionError::Prefixed { text: owned(), instead: version.to_string() });
    }
    if text.eq_ignore_ascii_case("latest") || text.to_ascii_lowercase().ends_with("-latest") {
        return Some(VersionError::Floating { text: owned() });
    }
    let (number, rest) = text.split_at(text.find(['-', '+'])?);
    let base = strict(number).ok()?;
    if rest.strip_prefix('-').is_some_and(is_pre_release) {
        return Some(VersionError::Candidate { text: owned(), base });
    }
    Some(VersionError::Suffix { text: owned(), base, rest: rest.to_owned() })
}

fn strict(text: &str) -> Result<Version, VersionError> {
    let parts: Vec<&str> = text.split('.').collect();
    let [major, minor, patch] = parts.as_slice() else {
        return Err(VersionError::PartCount { text: text.to_owned(), found: parts.len() });
    };
    Ok(Version {
        major: number(text, Part::Major, major)?,
        minor: number(text, Part::Minor, minor)?,
        patch: number(text, Part::Patch, patch)?,
    })
}

fn number(text: &str, part: Part, found: &str) -> Result<u64, VersionError> {
    let text = || text.to_owned();
    if found.is_empty() || !found.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(VersionError::NotANumber { text: text(), part, found: found.to_owned() });
    }
    let value = found.parse::<u64>().map_err(|_| VersionError::TooLarge { text: text(), part })?;
    if found.len() > 1 && found.starts_with('0') {
        return Err(VersionError::LeadingZero { text: text(), part, instead: value });
    }
    Ok(value)
}

/// `rc01` and the like: what may follow a dash in the name of a version that is not final.
fn is_pre_release(label: &str) -> bool {
    let label = label.to_ascii_lowercase();
    ["rc", "alpha", "beta", "preview"].iter().any(|word| {
        label.strip_prefix(word).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-'))
    })
}

/// What a text from outside (an image tag, the `Version` column of a node) says about the version, without trusting it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Claim {
    /// A final release.
    Release(Version),
    /// A release candidate or preview of `base`.
    Candidate {
        /// The release it is a candidate of.
        base: Version,
        /// What follows the dash, for example `rc01`.
        label: String,
    },
    /// A name whose meaning changes over time: `latest`, `3.5-latest`, `3.5`.
    Floating(String),
    /// An unofficial build of a branch: `BRANCH-3.0-RELEASE`, `MAIN-RELEASE`.
    Branch(String),
    /// An image given by digest alone; the release is known only once a node reports it.
    Digest(String),
    /// Nothing this operator can read.
    Unknown(String),
}

impl Claim {
    /// The release, if the claim is one.
    pub fn release(&self) -> Option<Version> {
        match self {
            Self::Release(version) => Some(*version),
            Self::Candidate { .. } | Self::Floating(_) | Self::Branch(_) | Self::Digest(_) | Self::Unknown(_) => None,
        }
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Release(version) => version.fmt(f),
            Self::Candidate { base, label } => write!(f, "{base}-{label}"),
            Self::Floating(text) | Self::Branch(text) | Self::Digest(text) | Self::Unknown(text) => f.write_str(text),
        }
    }
}

/// Reads the `Version` column of SHOW FRONTENDS, SHOW BACKENDS and SHOW COMPUTE NODES, and `@@version_comment`.
///
/// The form is `VERSION-COMMIT` (`3.3.0-rc01-3b8cb0c`, `BRANCH-3.0-RELEASE-8eb8705`), in old lines `VERSION COMMIT`
/// (`2.1.2 0782ad7`). A node that was never seen reports an empty text or the word `NULL`, which is `Unknown`.
pub fn parse_reported(text: &str) -> Claim {
    let trimmed = text.trim();
    let mut words = trimmed.split_whitespace();
    let name = match (words.next(), words.next(), words.next()) {
        (Some(only), None, _) => without_commit(only),
        (Some(name), Some(commit), None) if is_commit(commit) => name,
        _ => return Claim::Unknown(trimmed.to_owned()),
    };
    if let Some(claim) = numbered(name) {
        return claim;
    }
    if is_branch(name) { Claim::Branch(name.to_owned()) } else { Claim::Unknown(trimmed.to_owned()) }
}

/// A release or a candidate, if the text is exactly one of these.
pub(super) fn numbered(text: &str) -> Option<Claim> {
    if let Ok(version) = strict(text) {
        return Some(Claim::Release(version));
    }
    let (number, label) = text.split_once('-')?;
    let base = strict(number).ok()?;
    is_pre_release(label).then(|| Claim::Candidate { base, label: label.to_owned() })
}

/// Names of branches that unofficial builds carry.
pub(super) fn is_branch(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["branch", "main", "master", "dev", "nightly"]
        .iter()
        .any(|word| text.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_', '/', '.'])))
}

fn without_commit(text: &str) -> &str {
    match text.rsplit_once('-') {
        Some((name, commit)) if is_commit(commit) => name,
        _ => text,
    }
}

fn is_commit(text: &str) -> bool {
    text.len() >= 7 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_version(text)
    }
}

/// The text is no `MAJOR.MINOR`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no release line: write MAJOR.MINOR, for example 3.5")]
pub struct LineError(pub String);

impl FromStr for Line {
    type Err = LineError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let line = strict(&format!("{text}.0")).map_err(|_| LineError(text.to_owned()))?;
        Ok(line.line())
    }
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Line {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_order_by_number_and_not_by_text() {
        assert!(Version::new(3, 4, 10) > Version::new(3, 4, 9));
        assert!(Version::new(4, 0, 0) > Version::new(3, 10, 99));
        assert!(Line::new(3, 10) > Line::new(3, 9));
        assert_eq!(Version::new(3, 4, 10).line().to_string(), "3.4");
    }

    #[test]
    fn a_version_travels_as_a_quoted_text() {
        let text = serde_json::to_string(&Version::new(4, 1, 7)).unwrap();
        assert_eq!(text, "\"4.1.7\"");
        assert_eq!(serde_json::from_str::<Version>(&text).unwrap(), Version::new(4, 1, 7));
        assert!(serde_json::from_str::<Version>("4.1").is_err());
        assert!(serde_json::from_str::<Line>("\"4.1.0\"").is_err());
    }

    #[test]
    fn faults_of_a_declared_version_name_the_part_and_the_way_out() {
        let cases = [
            ("", "the version is empty: write MAJOR.MINOR.PATCH, for example 3.5.9"),
            ("3.5", "\"3.5\" has 2 part(s) where MAJOR.MINOR.PATCH has three: write all three, for example 3.5.9"),
            ("3.5.x", "the PATCH part of \"3.5.x\" is \"x\", which is no number: write digits only, for example 3.5.9"),
            ("3..1", "the MINOR part of \"3..1\" is \"\", which is no number: write digits only, for example 3.5.9"),
            ("3.05.1", "the MINOR part of \"3.05.1\" starts with 0: write 5"),
            (
                "99999999999999999999.0.0",
                "the MAJOR part of \"99999999999999999999.0.0\" is too large: StarRocks numbers its releases like 3.5.9",
            ),
            ("v3.5.9", "\"v3.5.9\" starts with \"v\": write \"3.5.9\""),
            (" 3.5.9", "\" 3.5.9\" contains blanks: write MAJOR.MINOR.PATCH without blanks, for example 3.5.9"),
            ("3.3.0-rc01", "\"3.3.0-rc01\" is a release candidate of 3.3.0: write a final release, 3.3.0 or later"),
            (
                "3.5-latest",
                "\"3.5-latest\" names no fixed release, what it means changes over time: write MAJOR.MINOR.PATCH, for example 3.5.9",
            ),
            (
                "3.5.9-ubuntu",
                "\"3.5.9-ubuntu\" has \"-ubuntu\" after the three numbers: write only \"3.5.9\"; a special build is named by the image of the component",
            ),
        ];
        for (text, message) in cases {
            assert_eq!(parse_version(text).unwrap_err().to_string(), message, "{text}");
        }
        assert_eq!(parse_version("3.5.9").unwrap(), Version::new(3, 5, 9));
    }

    #[test]
    fn reported_versions_lose_their_commit_and_nothing_else() {
        let release = |major, minor, patch| Claim::Release(Version::new(major, minor, patch));
        let cases = [
            ("3.5.0-7b3a469", release(3, 5, 0)),
            ("3.0.0-48f4d81", release(3, 0, 0)),
            ("3.2.2-269e832", release(3, 2, 2)),
            ("2.1.2 0782ad7", release(2, 1, 2)),
            ("3.5.9", release(3, 5, 9)),
            ("3.5.9-0123456789abcdef0123456789abcdef01234567", release(3, 5, 9)),
            ("3.3.0-rc01-3b8cb0c", Claim::Candidate { base: Version::new(3, 3, 0), label: "rc01".into() }),
            ("BRANCH-3.0-RELEASE-8eb8705", Claim::Branch("BRANCH-3.0-RELEASE".into())),
            ("MAIN-RELEASE-d094052", Claim::Branch("MAIN-RELEASE".into())),
            ("NULL", Claim::Unknown("NULL".into())),
            ("", Claim::Unknown(String::new())),
            ("3.5.9-company1-7b3a469", Claim::Unknown("3.5.9-company1-7b3a469".into())),
            ("3.5.9 is here", Claim::Unknown("3.5.9 is here".into())),
        ];
        for (text, claim) in cases {
            assert_eq!(parse_reported(text), claim, "{text}");
        }
    }
}
