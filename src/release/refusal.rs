//! Why a version or a path is refused, with a stable code, the reason and the way out; never a bare "no".

use std::fmt;

use serde::{Deserialize, Serialize};

use super::version::{Claim, Line, Version};

/// Why there is no path between two releases, or why a text is not trusted as a release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Refusal {
    /// The line is older than the table, or never existed.
    UnknownLine {
        /// The release whose line is unknown.
        version: Version,
        /// The lines of the table, oldest first.
        known: Vec<Line>,
    },
    /// The line is newer than the table.
    NewerThanTable {
        /// The release whose line is unknown.
        version: Version,
        /// The newest release of the table.
        newest: Version,
        /// The day of the table, `YYYY-MM-DD`.
        as_of: String,
    },
    /// The target is known to be bad.
    KnownBad {
        /// The target.
        version: Version,
        /// What is wrong with it.
        reason: Box<str>,
        /// Where this is written.
        source: Box<str>,
        /// The release to take instead.
        instead: Version,
    },
    /// A step back inside one line that breaks the cluster.
    PatchDowngradeBlocked {
        /// The running release.
        from: Version,
        /// The target.
        to: Version,
        /// The oldest patch that can be reached.
        oldest: Option<Version>,
        /// What breaks.
        reason: Box<str>,
        /// Where this is written.
        source: Box<str>,
    },
    /// StarRocks documents no way back between two lines.
    DowngradeEdgeMissing {
        /// The newer line.
        from: Line,
        /// The older line.
        to: Line,
    },
    /// There is a way back between two lines, but not one that stock images can take.
    DowngradeBlocked {
        /// The newer line.
        from: Line,
        /// The older line.
        to: Line,
        /// What stands in the way.
        reason: Box<str>,
        /// Where this is written.
        source: Box<str>,
    },
    /// The way back ends at a newer patch than the target.
    DowngradeTargetTooOld {
        /// The release before the step.
        from: Version,
        /// The release the step should reach.
        to: Version,
        /// The oldest patch it may reach.
        minimum: Version,
        /// What breaks.
        reason: Box<str>,
        /// Where this is written.
        source: Box<str>,
    },
    /// A single hop would skip a line (3.0, for example, is entered from 2.5 only).
    NotFromLine {
        /// The release before the step.
        from: Version,
        /// The release the step should reach.
        to: Version,
        /// The only line from which the step may be made in this direction.
        entry: Line,
    },
    /// The upgrade must arrive at a newer patch.
    UpgradeTargetTooOld {
        /// The release before the step.
        from: Version,
        /// The release the step should reach.
        to: Version,
        /// The oldest patch it may reach.
        minimum: Version,
        /// What breaks.
        reason: Box<str>,
        /// Where this is written.
        source: Box<str>,
    },
    /// A single hop must start at a newer patch; a path would add a patch hop.
    StartTooOld {
        /// The release before the step.
        from: Version,
        /// The release the step should reach.
        to: Version,
        /// The oldest patch it may start from.
        minimum: Version,
        /// What breaks.
        reason: Box<str>,
        /// Where this is written.
        source: Box<str>,
    },
    /// The table has no upgrade between two neighbouring lines.
    UpgradeEdgeMissing {
        /// The older line.
        from: Line,
        /// The newer line.
        to: Line,
    },
    /// The range of a version catalog does not hold the other end of the hop, or no catalog names one for a line that only catalogs know.
    OutsideRange {
        /// The release before the step.
        from: Version,
        /// The release the step should reach.
        to: Version,
        /// The range.
        range: Option<Box<str>>,
        /// The catalog.
        catalog: Option<Box<str>>,
    },
    /// A version catalog knows what goes wrong.
    KnownIssue {
        /// The release before the step.
        from: Version,
        /// The release the step should reach.
        to: Version,
        /// The issue.
        id: Box<str>,
        /// What goes wrong.
        reason: Box<str>,
        /// Where this is written.
        source: Box<str>,
    },
    /// A release candidate or preview.
    CandidateRefused {
        /// As written.
        text: String,
        /// The release it is a candidate of.
        base: Version,
    },
    /// A text that names no fixed release.
    ClaimRefused {
        /// As written.
        text: String,
        /// What kind of text it is.
        kind: RefusedClaim,
    },
}

/// Kinds of texts that are no release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RefusedClaim {
    /// `latest`, `3.5-latest`.
    Floating,
    /// A branch build.
    Branch,
    /// A digest without a tag.
    Digest,
    /// Not readable.
    Unknown,
}

/// The release a claim stands for.
///
/// # Errors
/// Everything but a final release is refused: automation needs a version whose place in the table is certain.
pub fn release_of(claim: &Claim) -> Result<Version, Refusal> {
    let refused = |text: &String, kind| Err(Refusal::ClaimRefused { text: text.clone(), kind });
    match claim {
        Claim::Release(version) => Ok(*version),
        Claim::Candidate { base, .. } => Err(Refusal::CandidateRefused { text: claim.to_string(), base: *base }),
        Claim::Floating(text) => refused(text, RefusedClaim::Floating),
        Claim::Branch(text) => refused(text, RefusedClaim::Branch),
        Claim::Digest(text) => refused(text, RefusedClaim::Digest),
        Claim::Unknown(text) => refused(text, RefusedClaim::Unknown),
    }
}

impl Refusal {
    /// Stable code, `SR-10nn`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownLine { .. } => "SR-1001",
            Self::NewerThanTable { .. } => "SR-1002",
            Self::KnownBad { .. } => "SR-1003",
            Self::PatchDowngradeBlocked { .. } => "SR-1004",
            Self::DowngradeEdgeMissing { .. } => "SR-1005",
            Self::DowngradeBlocked { .. } => "SR-1006",
            Self::DowngradeTargetTooOld { .. } => "SR-1007",
            Self::NotFromLine { .. } => "SR-1008",
            Self::UpgradeTargetTooOld { .. } => "SR-1009",
            Self::StartTooOld { .. } => "SR-1010",
            Self::UpgradeEdgeMissing { .. } => "SR-1011",
            Self::CandidateRefused { .. } => "SR-1012",
            Self::ClaimRefused { kind: RefusedClaim::Floating, .. } => "SR-1013",
            Self::ClaimRefused { kind: RefusedClaim::Branch, .. } => "SR-1014",
            Self::ClaimRefused { kind: RefusedClaim::Digest, .. } => "SR-1015",
            Self::ClaimRefused { kind: RefusedClaim::Unknown, .. } => "SR-1016",
            Self::OutsideRange { .. } => "SR-1017",
            Self::KnownIssue { .. } => "SR-1018",
        }
    }

    /// Why it is refused, in one sentence without the code.
    pub fn message(&self) -> String {
        match self {
            Self::UnknownLine { version, .. } => format!("{version} belongs to no release line of this operator's release table"),
            Self::NewerThanTable { version, newest, as_of } => {
                format!("{version} belongs to a line newer than this operator's release table, which ends with {newest} ({as_of})")
            }
            Self::KnownBad { version, reason, .. } => format!("{version} is known to be bad: {reason}"),
            Self::PatchDowngradeBlocked { from, to, reason, .. } => format!("{from} cannot go back to {to}: {}", unended(reason)),
            Self::DowngradeEdgeMissing { from, to } => format!("StarRocks documents no downgrade from {from} to {to}"),
            Self::DowngradeBlocked { from, to, reason, .. } => format!("{from} cannot go back to {to}: {}", unended(reason)),
            Self::DowngradeTargetTooOld { from, to, reason, .. } => format!("{from} cannot go back to {to}: {}", unended(reason)),
            Self::NotFromLine { from, to, entry } => {
                format!("one hop from {from} to {to} would skip a line: from this side {} is entered from {entry} only", to.line())
            }
            Self::UpgradeTargetTooOld { from, to, reason, .. } => format!("{from} cannot go to {to}: {}", unended(reason)),
            Self::StartTooOld { from, to, reason, .. } => format!("{from} cannot go straight to {to}: {}", unended(reason)),
            Self::UpgradeEdgeMissing { from, to } => format!("the release table holds no upgrade from {from} to {to}"),
            Self::OutsideRange { from, to, range: Some(range), catalog } => {
                let field = if from > to { "downgradeTo" } else { "upgradeFrom" };
                let catalog = catalog.as_deref().unwrap_or("a version catalog");
                format!("{catalog} does not allow {from} to {to}: its {field} is \"{range}\"")
            }
            Self::OutsideRange { from, to, .. } => {
                let (release, field) = if from > to { (from, "downgradeTo") } else { (to, "upgradeFrom") };
                format!("{} is a line that only version catalogs know, and none says {field} for {release}", release.line())
            }
            Self::KnownIssue { from, to, id, reason, .. } => format!("{from} must not go to {to} because of {id}: {}", unended(reason)),
            Self::CandidateRefused { text, base } => format!("{text} is not final, it only leads to {base}"),
            Self::ClaimRefused { text, kind } => match kind {
                RefusedClaim::Floating => format!("\"{text}\" names no fixed release; what it means changes over time"),
                RefusedClaim::Branch => format!("\"{text}\" is an unofficial build of a branch, with no place among the releases"),
                RefusedClaim::Digest => format!("\"{text}\" pins a build without saying which release it is"),
                RefusedClaim::Unknown => format!("\"{text}\" is no version this operator can read"),
            },
        }
    }

    /// What to do instead; never empty.
    pub fn way_out(&self) -> String {
        match self {
            Self::UnknownLine { known, .. } => match (known.first(), known.last()) {
                (Some(first), Some(last)) => {
                    format!("use a release of a line from {first} to {last}; leave older lines by hand, as their notes say")
                }
                _ => "this build carries no release table; use another build of the operator".to_owned(),
            },
            Self::NewerThanTable { newest, .. } => {
                format!("upgrade the operator to a build that knows the line, or stay at {newest} or before")
            }
            Self::KnownBad { instead, .. } => format!("use {instead} instead"),
            Self::PatchDowngradeBlocked { oldest, .. } => match oldest {
                Some(oldest) => format!("go back to {oldest} or later, or restore a backup into a cluster of the older release"),
                None => "restore a backup into a cluster of the older release".to_owned(),
            },
            Self::DowngradeEdgeMissing { to, .. } | Self::DowngradeBlocked { to, .. } => format!(
                "create a cluster of {to} and restore a backup (shared-nothing) or cluster snapshot (shared-data) taken with {to}, or stay"
            ),
            Self::DowngradeTargetTooOld { minimum, .. } => {
                format!("go back to {minimum} or a later {}, or restore a backup into a cluster of the older release", minimum.line())
            }
            Self::NotFromLine { entry, .. } => format!("go through {entry}: ask for the path, which adds the hops between"),
            Self::UpgradeTargetTooOld { minimum, .. } => format!("go to {minimum} or a later {}", minimum.line()),
            Self::StartTooOld { minimum, .. } => format!("go to {minimum} or a later {} first", minimum.line()),
            Self::UpgradeEdgeMissing { from, .. } => format!("stay at {from} until the release table of the operator knows the way"),
            Self::OutsideRange { from, to, .. } if from > to => "go back to a release that the catalog allows, or stay".to_owned(),
            Self::OutsideRange { .. } => "go to a release that the catalog allows from here first, or correct the catalog".to_owned(),
            Self::KnownIssue { .. } => "take another release, or correct the catalog if the issue does not concern you".to_owned(),
            Self::CandidateRefused { base, .. } => format!("use {base} or a later final release"),
            Self::ClaimRefused { kind, .. } => match kind {
                RefusedClaim::Floating => "name the release, for example with the tag 3.5.9".to_owned(),
                RefusedClaim::Branch => "use the image of a release, or roll this cluster by hand".to_owned(),
                RefusedClaim::Digest => "name the release besides the digest: repository:3.5.9@sha256:…, or set spec.version".to_owned(),
                RefusedClaim::Unknown => "use a tag of the form MAJOR.MINOR.PATCH, or set spec.version".to_owned(),
            },
        }
    }

    /// Where the rule behind the refusal is written, if it is not a rule of this operator.
    pub fn source(&self) -> Option<&str> {
        match self {
            Self::KnownBad { source, .. }
            | Self::PatchDowngradeBlocked { source, .. }
            | Self::DowngradeBlocked { source, .. }
            | Self::DowngradeTargetTooOld { source, .. }
            | Self::UpgradeTargetTooOld { source, .. }
            | Self::StartTooOld { source, .. }
            | Self::KnownIssue { source, .. } => Some(source),
            Self::OutsideRange { catalog, .. } => catalog.as_deref(),
            Self::NotFromLine { .. } => Some("docs: deployment/manage_deployment/upgrade.md"),
            Self::DowngradeEdgeMissing { .. } => Some("docs: deployment/manage_deployment/downgrade.md"),
            Self::CandidateRefused { .. } => Some("docs: introduction/versioning.md"),
            Self::UnknownLine { .. } | Self::NewerThanTable { .. } | Self::UpgradeEdgeMissing { .. } | Self::ClaimRefused { .. } => None,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}. Way out: {}.", self.code(), self.message(), self.way_out())
    }
}

impl std::error::Error for Refusal {}

/// Table texts are whole sentences; inside another sentence they lose the full stop.
fn unended(text: &str) -> &str {
    text.strip_suffix('.').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::super::{Image, parse_reported};
    use super::*;

    #[test]
    fn only_a_final_release_is_taken_for_one_and_each_other_claim_has_its_code() {
        assert_eq!(release_of(&parse_reported("3.5.0-7b3a469")), Ok(Version::new(3, 5, 0)));
        let cases = [
            (parse_reported("3.3.0-rc01-3b8cb0c"), "SR-1012"),
            (Image::parse("fe:3.5-latest").claim(), "SR-1013"),
            (parse_reported("BRANCH-3.0-RELEASE-8eb8705"), "SR-1014"),
            (Image::parse("fe@sha256:abc").claim(), "SR-1015"),
            (parse_reported("NULL"), "SR-1016"),
        ];
        for (claim, code) in cases {
            let refusal = release_of(&claim).expect_err("no release");
            assert_eq!(refusal.code(), code);
            assert!(!refusal.way_out().is_empty());
        }
    }

    #[test]
    fn a_refusal_reads_as_code_reason_and_way_out() {
        let refusal = Refusal::CandidateRefused { text: "4.1.0-rc01".into(), base: Version::new(4, 1, 0) };
        assert_eq!(
            refusal.to_string(),
            "SR-1012: 4.1.0-rc01 is not final, it only leads to 4.1.0. Way out: use 4.1.0 or a later final release."
        );
    }
}
