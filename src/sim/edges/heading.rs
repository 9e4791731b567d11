//! A heading such as `3.4.10 -> 3.5.20 in shared data with fe.conf JAVA_OPTS = -Xmx8g` in, what is asked of which cluster out; decides nothing.

use std::fmt;
use std::str::FromStr;

use crate::release::{Version, parse_version};

const SHARED: &str = " in shared data";

/// What a scenario asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heading {
    /// The release at which the cluster rests.
    pub from: Version,
    /// What it is asked to run.
    pub to: Target,
    /// Whether its data lies in a bucket.
    pub shared_data: bool,
    /// A line of a configuration file that comes in the same change.
    pub with: Option<ConfLine>,
}

/// A release by `spec.version`, or the tag of every image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A final release.
    Release(Version),
    /// A tag that names none.
    Tag(String),
}

/// One line of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfLine {
    /// `fe.conf`, `be.conf` or `cn.conf`.
    pub file: String,
    /// Key.
    pub key: String,
    /// Value.
    pub value: String,
}

/// A heading that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` has not the form `FROM -> TO [in shared data] [with FILE KEY = VALUE]`")]
pub struct HeadingError(String);

impl FromStr for Heading {
    type Err = HeadingError;

    fn from_str(text: &str) -> Result<Self, HeadingError> {
        let fault = || HeadingError(text.to_owned());
        let (rest, with) = match text.split_once(" with ") {
            Some((rest, line)) => (rest, Some(line.parse().map_err(|()| fault())?)),
            None => (text, None),
        };
        let (ends, shared_data) = rest.strip_suffix(SHARED).map_or((rest, false), |ends| (ends, true));
        let (from, to) = ends.split_once(" -> ").ok_or_else(fault)?;
        let from = parse_version(from).map_err(|_| fault())?;
        let to = parse_version(to).map_or_else(|_| Target::Tag(to.to_owned()), Target::Release);
        Ok(Self { from, to, shared_data, with })
    }
}

impl FromStr for ConfLine {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (place, value) = text.split_once(" = ").ok_or(())?;
        let (file, key) = place.split_once(' ').ok_or(())?;
        if !["fe.conf", "be.conf", "cn.conf"].contains(&file) {
            return Err(());
        }
        Ok(Self { file: file.to_owned(), key: key.to_owned(), value: value.to_owned() })
    }
}

impl fmt::Display for Heading {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} -> ", self.from)?;
        match &self.to {
            Target::Release(version) => write!(out, "{version}")?,
            Target::Tag(tag) => out.write_str(tag)?,
        }
        if self.shared_data {
            out.write_str(SHARED)?;
        }
        match &self.with {
            Some(ConfLine { file, key, value }) => write!(out, " with {file} {key} = {value}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heading_prints_as_it_is_read() {
        for text in [
            "3.4.10 -> 3.5.20",
            "3.5.9 -> 3.5-latest",
            "3.4.10 -> 3.5.20 with be.conf JAVA_OPTS = -XX:+UseConcMarkSweepGC -Xmx8g",
            "3.0.9 -> 3.1.17 in shared data with fe.conf enable_load_volume_from_conf = true",
        ] {
            assert_eq!(text.parse::<Heading>().unwrap().to_string(), text);
        }
        for text in ["3.4 -> 3.5.20", "3.4.10 3.5.20", "3.4.10 -> 3.5.20 with x.conf a = b", "3.4.10 -> 3.5.20 with fe.conf a"] {
            assert!(text.parse::<Heading>().is_err(), "{text}");
        }
    }
}
