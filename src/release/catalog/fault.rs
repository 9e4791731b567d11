//! Why a catalog is left out: field, rule, way out and a stable code; never a bare "no".

use std::fmt;

/// Something in a catalog that keeps it from being used.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CatalogFault {
    /// Stable code, `SR-31nn`.
    pub code: &'static str,
    /// Path of the field, for example `spec.channels[0].entries[2].replaces`.
    pub field: String,
    /// What the rule is and what was found.
    pub rule: String,
    /// What to do.
    pub way_out: String,
}

impl fmt::Display for CatalogFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}: {}. {}.", self.code, self.field, self.rule, self.way_out)
    }
}

impl CatalogFault {
    /// A fault of a kind at a field.
    pub fn new(kind: FaultKind, field: impl Into<String>, rule: impl Into<String>, way_out: impl Into<String>) -> Self {
        Self { code: kind.code(), field: field.into(), rule: rule.into(), way_out: way_out.into() }
    }
}

/// The rules that a catalog can break. Codes are never given to another rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// The resource cannot be read at all.
    Unreadable,
    /// The catalog is about another package.
    Package,
    /// A release is no MAJOR.MINOR.PATCH.
    Version,
    /// A range cannot be read.
    Range,
    /// A word is none that the operator knows.
    Word,
    /// Something is named twice.
    Duplicate,
    /// A text, number or image is missing or malformed.
    Value,
    /// A release of a line that nobody knows, without the way to it.
    Line,
    /// The operator's own table is loosened without saying so.
    Loosening,
    /// The entries of a channel do not lead to one head.
    ChannelGraph,
    /// A channel has an entry that is no known release.
    UnknownEntry,
}

impl FaultKind {
    /// Stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unreadable => "SR-3100",
            Self::Package => "SR-3101",
            Self::Version => "SR-3102",
            Self::Range => "SR-3103",
            Self::Word => "SR-3104",
            Self::Duplicate => "SR-3105",
            Self::Value => "SR-3106",
            Self::Line => "SR-3107",
            Self::Loosening => "SR-3108",
            Self::ChannelGraph => "SR-3109",
            Self::UnknownEntry => "SR-3110",
        }
    }
}
