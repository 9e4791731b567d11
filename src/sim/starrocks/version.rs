//! Image references and version texts in, releases and the rules by which a real frontend refuses to start out; knows nothing of `crate::release`.

use std::fmt;

/// A StarRocks release as a process of it sees itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    major: u16,
    minor: u16,
    patch: u16,
}

/// Lines in the order in which they followed each other (starrocks.md §1.1).
const LINES: [(u16, u16); 14] =
    [(2, 1), (2, 2), (2, 3), (2, 4), (2, 5), (3, 0), (3, 1), (3, 2), (3, 3), (3, 4), (3, 5), (4, 0), (4, 1), (4, 2)];

impl Release {
    /// What tags that name no release are taken for: the newest release known in November 2026 (starrocks.md §1.1).
    pub(super) const NEWEST: Self = Self::new(4, 1, 7);

    /// The release `major.minor.patch`.
    pub const fn new(major: u16, minor: u16, patch: u16) -> Self {
        Self { major, minor, patch }
    }

    /// Reads `3.5.0`, `3.5.0-7b3a469`, `3.5.0-rc01`; `None` for branch names and floating tags.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.split('-').next()?;
        let mut parts = digits.split('.').map(str::parse::<u16>);
        let release = Self::new(parts.next()?.ok()?, parts.next()?.ok()?, parts.next()?.ok()?);
        parts.next().is_none().then_some(release)
    }

    /// The release behind an image reference; floating tags resolve to the newest release known in November 2026 (starrocks.md §1.1).
    pub fn of_image(image: &str) -> Option<Self> {
        let tag = tag_of(image)?;
        Self::parse(tag).or(match tag {
            "latest" => Some(Self::NEWEST),
            "4.0-latest" => Some(Self::new(4, 0, 17)),
            "3.5-latest" => Some(Self::new(3, 5, 20)),
            "3.4-latest" => Some(Self::new(3, 4, 10)),
            "3.3-latest" => Some(Self::new(3, 3, 22)),
            _ => None,
        })
    }

    /// `VERSION-COMMIT` as the process reports itself; 3.5.0 and 4.0.0 carry the commits that were measured (real-fe.md, top).
    pub fn reported(self) -> String {
        let commit = match (self.major, self.minor, self.patch) {
            (3, 5, 0) => "7b3a469".to_owned(),
            (4, 0, 0) => "0dfbef5".to_owned(),
            (major, minor, patch) => {
                let mixed = (u32::from(major) << 20 | u32::from(minor) << 10 | u32::from(patch)).wrapping_mul(2_654_435_761);
                format!("{:07x}", mixed & 0x0fff_ffff)
            }
        };
        format!("{self}-{commit}")
    }

    /// Whether this release is the given one or newer.
    pub fn at_least(self, major: u16, minor: u16, patch: u16) -> bool {
        self >= Self::new(major, minor, patch)
    }

    /// Whether its frontends know ALTER SYSTEM TRANSFER LEADER. The line 4.2 is expected (starrocks.md §1.5) and plays 4.1 but for this.
    pub(super) fn transfers_leader(self) -> bool {
        self.at_least(4, 2, 0)
    }

    /// Major and minor.
    pub fn line(self) -> (u16, u16) {
        (self.major, self.minor)
    }

    /// How many lines `self` is ahead of `other`; negative when behind.
    pub fn lines_ahead_of(self, other: Self) -> i64 {
        position(self.line()) - position(other.line())
    }
}

impl fmt::Display for Release {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

fn position(line: (u16, u16)) -> i64 {
    let before = LINES.iter().filter(|known| **known < line).count();
    i64::try_from(before).unwrap_or(i64::MAX)
}

/// The tag of an image reference, without digest; `None` when there is none.
pub(super) fn tag_of(image: &str) -> Option<&str> {
    let name = image.split('@').next()?;
    let last = name.rsplit('/').next()?;
    last.split_once(':').map(|(_, tag)| tag)
}

/// The last path segment of an image reference: `fe-ubuntu` of `docker.io/starrocks/fe-ubuntu:3.5.0`.
pub(super) fn repository_of(image: &str) -> &str {
    let name = image.split('@').next().unwrap_or(image);
    let last = name.rsplit('/').next().unwrap_or(name);
    last.split(':').next().unwrap_or(last)
}

/// Who wrote the metadata that a frontend is about to load.
#[derive(Clone, Copy, Debug)]
pub(super) struct Written {
    /// The release that built the image, if there is one yet.
    pub(super) image: Option<Release>,
    /// The newest release among the image's builder and the leaders that wrote the journal after it.
    pub(super) newest: Release,
}

/// Why a frontend of release `own` does not start on metadata written as `written`; `None` when it does.
pub(super) fn frontend_refusal(own: Release, written: Written) -> Option<String> {
    // starrocks.md §1.4: withdrawn for containers, whatever was there before.
    if own == Release::new(4, 1, 0) {
        return Some("FE 4.1.0 fails to start in a container".to_owned());
    }
    if own < written.newest { downgrade_refusal(own, written.newest) } else { upgrade_refusal(own, written) }
}

fn upgrade_refusal(own: Release, written: Written) -> Option<String> {
    let from = written.newest;
    // starrocks.md §1.2 rule 3.
    if from.line() < (2, 5) && own.line() >= (3, 0) {
        return Some(format!("failed to load image: metadata of {from} cannot be read by {own}, go through 2.5"));
    }
    // starrocks.md §1.4, row 3.1 → 3.2.
    if from.line() == (3, 1) && own.line() == (3, 2) && own < Release::new(3, 2, 2) {
        return Some(format!("failed to replay journal of {from}: FE {own} fails to restart on it"));
    }
    // starrocks.md §1.2, sr#55436.
    if from.line() == (3, 3) && from >= Release::new(3, 3, 9) && own == Release::new(3, 4, 0) {
        return Some(format!("failed to load image of {from}"));
    }
    // starrocks.md §1.2 rule 7: without an image between two hops the second metadata upgrade fails.
    let image = written.image?;
    (from.lines_ahead_of(image) > 0 && own.lines_ahead_of(image) >= 2)
        .then(|| format!("failed to upgrade metadata: the image is of {image}, the journal of {from}, and this FE is {own}"))
}

fn downgrade_refusal(own: Release, from: Release) -> Option<String> {
    let refused = match (from.line(), own.line()) {
        // starrocks.md §1.4, sr#20679.
        ((3, 0), (2, 5)) => return Some("Expected log version 14 or earlier but found 17".to_owned()),
        ((3, 3), (3, 2)) => own < Release::new(3, 2, 3) || (from >= Release::new(3, 3, 9) && own < Release::new(3, 2, 11)),
        ((3, 4), (3, 3)) => own < Release::new(3, 3, 9),
        ((3, 5), (3, 4)) => own < Release::new(3, 4, 6),
        ((3, 5), (3, 5)) => from >= Release::new(3, 5, 2) && own < Release::new(3, 5, 2),
        // real-fe.md §10 saw 3.5.0 start on what 4.0.0-dev wrote; the rule of starrocks.md §1.4 holds for the releases.
        ((4, 0), (3, 5)) => from > Release::new(4, 0, 0) && own < Release::new(3, 5, 2),
        ((4, 1), (4, 0)) => own < Release::new(4, 0, 6),
        // starrocks.md §1.3: minor by minor.
        _ => from.lines_ahead_of(own) > 1,
    };
    refused.then(|| format!("failed to load metadata written by {from}: FE {own} is older"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(image: &str, newest: &str) -> Written {
        Written { image: Release::parse(image), newest: Release::parse(newest).unwrap() }
    }

    #[test]
    fn image_references_of_any_registry_tell_their_release() {
        assert_eq!(Release::of_image("registry.local:5000/x/fe-ubuntu:3.5.20@sha256:ab"), Some(Release::new(3, 5, 20)));
        assert_eq!(Release::of_image("starrocks/fe-ubuntu:3.5-latest"), Some(Release::new(3, 5, 20)));
        assert_eq!(Release::of_image("starrocks/fe-ubuntu"), None);
        assert_eq!(repository_of("registry.local:5000/x/fe-ubuntu:3.5.20"), "fe-ubuntu");
    }

    #[test]
    fn measured_builds_report_the_commits_that_were_measured() {
        assert_eq!(Release::new(3, 5, 0).reported(), "3.5.0-7b3a469");
        assert_eq!(Release::new(4, 0, 0).reported(), "4.0.0-0dfbef5");
        assert_eq!(Release::parse(&Release::new(3, 4, 10).reported()), Some(Release::new(3, 4, 10)));
    }

    #[test]
    fn adjacent_upgrades_start_and_a_jump_from_2_4_to_3_does_not() {
        for (from, to) in [("3.3.22", "3.4.10"), ("3.4.10", "3.5.9"), ("3.5.9", "4.0.17"), ("2.5.20", "3.0.9"), ("3.1.17", "3.2.2")] {
            assert_eq!(frontend_refusal(Release::parse(to).unwrap(), written(from, from)), None, "{from} -> {to}");
        }
        for (from, to) in [("2.4.5", "3.1.0"), ("3.1.2", "3.2.0"), ("3.3.9", "3.4.0"), ("4.0.17", "4.1.0")] {
            assert!(frontend_refusal(Release::parse(to).unwrap(), written(from, from)).is_some(), "{from} -> {to}");
        }
    }

    #[test]
    fn a_second_hop_without_an_image_of_the_first_is_refused() {
        assert!(frontend_refusal(Release::new(3, 5, 9), written("3.3.22", "3.4.10")).is_some());
        assert!(frontend_refusal(Release::new(3, 5, 9), written("3.4.10", "3.4.10")).is_none());
    }

    #[test]
    fn downgrades_obey_the_minimum_of_their_edge() {
        for (from, to) in [
            ("4.0.17", "3.5.1"),
            ("3.5.9", "3.4.5"),
            ("3.5.2", "3.5.1"),
            ("3.4.10", "3.3.8"),
            ("3.3.9", "3.2.10"),
            ("3.0.9", "2.5.20"),
            ("4.0.1", "3.4.10"),
        ] {
            assert!(frontend_refusal(Release::parse(to).unwrap(), written(from, from)).is_some(), "{from} -> {to}");
        }
        for (from, to) in [("4.0.17", "3.5.20"), ("3.5.9", "3.4.10"), ("3.5.9", "3.5.8"), ("4.0.0", "3.5.0"), ("4.1.7", "4.0.17")] {
            assert_eq!(frontend_refusal(Release::parse(to).unwrap(), written(from, from)), None, "{from} -> {to}");
        }
    }
}
