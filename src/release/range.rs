//! A range of releases as OLM writes it (`>=3.4.0 <3.5.6`) in, whether a release lies in it out; never guesses what a bare number means.

use std::fmt;

use semver::VersionReq;

use super::version::Version;

/// A range of releases: comparisons that hold together, and alternatives between `||`.
///
/// Comparisons may be separated by blanks, as OLM does, or by commas. A bare release is that release alone, as in OLM; `3.5` and `3.5.x` are a whole
/// line; `~3.5.2` and `^3.5.2` mean what they mean elsewhere; `*` is every release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    text: String,
    alternatives: Vec<VersionReq>,
}

/// Why a text is no range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is no range of releases ({fault})")]
pub struct RangeError {
    text: String,
    fault: String,
}

impl Range {
    /// Reads a range.
    ///
    /// # Errors
    /// Names what cannot be read.
    pub fn parse(text: &str) -> Result<Self, RangeError> {
        let alternatives = text.split("||").map(|part| alternative(part).map_err(|fault| RangeError { text: text.to_owned(), fault }));
        Ok(Self { text: text.trim().to_owned(), alternatives: alternatives.collect::<Result<_, _>>()? })
    }

    /// Everything of one line before a release.
    pub fn line_before(version: Version) -> Self {
        let first = version.line().patch(0);
        // Both ends are releases, so this is always readable; were it not, an empty range would cover nothing.
        Self::parse(&format!(">={first} <{version}")).unwrap_or(Self { text: String::new(), alternatives: Vec::new() })
    }

    /// Whether a release lies in it.
    pub fn covers(&self, version: &Version) -> bool {
        let version = semver::Version::new(version.major, version.minor, version.patch);
        self.alternatives.iter().any(|alternative| alternative.matches(&version))
    }
}

impl fmt::Display for Range {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

fn alternative(text: &str) -> Result<VersionReq, String> {
    let mut comparisons: Vec<String> = Vec::new();
    let mut operator = String::new();
    for word in text.split([' ', '\t', ',']).filter(|word| !word.is_empty()) {
        let bare = word.trim_start_matches(['<', '>', '=', '~', '^']);
        operator.push_str(word.strip_suffix(bare).unwrap_or(word));
        if bare.is_empty() {
            continue;
        }
        let is_number = bare.starts_with(|first: char| first.is_ascii_digit());
        let sign = if operator.is_empty() && is_number { "=" } else { operator.as_str() };
        comparisons.push(format!("{sign}{bare}"));
        operator.clear();
    }
    match comparisons.is_empty() || !operator.is_empty() {
        true => Err("a comparison names no release".to_owned()),
        false => VersionReq::parse(&comparisons.join(", ")).map_err(|error| error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn covers(range: &str, version: &str) -> bool {
        Range::parse(range).unwrap().covers(&version.parse().unwrap())
    }

    #[test]
    fn ranges_are_read_as_olm_writes_them() {
        for range in [">=3.4.0 <3.5.6", ">=3.4.0, <3.5.6", ">= 3.4.0  < 3.5.6", "<3.4.0 || >=3.5.0 <3.5.6"] {
            assert!(covers(range, "3.5.5") && !covers(range, "3.5.6"), "{range}");
        }
        assert!(covers("3.5.6", "3.5.6") && !covers("3.5.6", "3.5.7"), "a bare release is that release alone");
        assert!(covers("3.5", "3.5.20") && covers("3.5.x", "3.5.0") && !covers("3.5", "3.6.0"));
        assert!(covers("*", "2.0.9") && covers("~3.5.2", "3.5.9") && covers("^3.5.2", "3.6.0"));
        assert!(covers(&Range::line_before(Version::new(3, 5, 20)).to_string(), "3.5.0"));
        assert!(!Range::line_before(Version::new(3, 5, 20)).covers(&Version::new(3, 5, 20)));
    }

    #[test]
    fn a_text_that_is_no_range_is_refused_with_itself() {
        for text in ["", ">=", "3.5.x.y", ">=3.4 <", "latest", ">=v3.4.0", "||"] {
            assert!(Range::parse(text).unwrap_err().to_string().contains(&format!("\"{text}\" is no range")), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parser_and_bounds_mean_what_they_say(text in ".{0,30}|[-<>=~^|*,. 0-9x]{0,20}", low in 0..30_u64, high in 0..30_u64, at in 0..30_u64) {
            let _ = Range::parse(&text);
            let range = Range::parse(&format!(">=3.5.{low} <3.5.{high}")).unwrap();
            prop_assert_eq!(range.covers(&Version::new(3, 5, at)), low <= at && at < high);
        }
    }
}
