//! The vocabulary of the release table: lines, bad releases, edges, conditions, rules; decides nothing.

use serde::{Deserialize, Serialize};

use super::version::{Line, Version};

/// What is known about one release line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LineFacts {
    /// The line.
    pub line: Line,
    /// The newest patch this table knows; never a known-bad one.
    pub newest: Version,
    /// The oldest JDK the frontends start with.
    pub jdk_min: u32,
    /// The JDK the images carry.
    pub jdk_recommended: u32,
    /// The first patch whose frontends know ALTER SYSTEM TRANSFER LEADER (StarRocks/starrocks#75592, merged in the middle of 2026); absent for lines
    /// without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leader_transfer_since: Option<Version>,
    /// How StarRocks' documentation labels a line that is past its time (`old`, `archived`); absent for current lines.
    /// There is no official long-term-support list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_of_life: Option<String>,
    /// Where this is written.
    pub source: String,
}

/// A release nobody should go to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BadRelease {
    /// The release.
    pub version: Version,
    /// What is wrong with it.
    pub reason: String,
    /// Where this is written.
    pub source: String,
    /// What must hold before a cluster that runs it is restarted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaving: Option<Condition>,
}

/// A rule that shaped a hop, as users read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// Stable code, `SR-11nn`.
    pub code: String,
    /// The rule.
    pub text: String,
    /// Where it is written.
    pub source: String,
}

/// Something a person or the plan must see to before or after a hop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Condition {
    /// Stable code, `SR-12nn`.
    pub code: String,
    /// What to see to.
    pub text: String,
    /// Where it is written.
    pub source: String,
    /// How binding it is.
    pub kind: ConditionKind,
    /// When it must hold.
    #[serde(default)]
    pub stage: Stage,
    /// The run mode it is limited to; absent means both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_in: Option<RunMode>,
    /// How the operator can check it by itself; absent means that a person must.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<MachineCheck>,
}

/// How binding a condition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ConditionKind {
    /// The hop goes wrong without it.
    Required,
    /// The hop works without it, at a price.
    Recommended,
    /// A change of behaviour to know about.
    Note,
}

/// When, in the walk through a hop, a condition must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stage {
    /// Before anything changes.
    #[default]
    Before,
    /// After the statements and settings that come before the hop, before the image.
    Prepared,
    /// After the image, before the first node restarts.
    Imaged,
    /// After the last node has restarted.
    After,
}

/// StarRocks' two storage architectures; a cluster never changes from one to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RunMode {
    /// Data lives on the backends.
    SharedNothing,
    /// Data lives in object storage.
    SharedData,
}

/// A role of a StarRocks process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Component {
    /// FE.
    Frontend,
    /// BE.
    Backend,
    /// CN.
    ComputeNode,
}

impl Component {
    /// The repository of StarRocks' own images.
    pub const fn official_repository(self) -> &'static str {
        match self {
            Self::Frontend => "starrocks/fe-ubuntu",
            Self::Backend => "starrocks/be-ubuntu",
            Self::ComputeNode => "starrocks/cn-ubuntu",
        }
    }
}

/// A condition in a form the operator can check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MachineCheck {
    /// JAVA_OPTS hold nothing that this JDK refuses.
    JavaOptsLint {
        /// The JDK of the target.
        jdk: u32,
    },
    /// JAVA_OPTS_FOR_JDK_9 and JAVA_OPTS_FOR_JDK_11 are not set.
    NoJavaOptsForOtherJdks,
    /// JAVA_OPTS of the backends hold these options.
    BackendJavaOptsContain {
        /// Options, each one word.
        options: Vec<String>,
    },
    /// The images must bring at least this JDK.
    JdkAtLeast {
        /// The oldest JDK the target starts with.
        jdk: u32,
    },
    /// The configuration of a component no longer uses an old key.
    ConfigKeyRenamed {
        /// Whose configuration; that of backends is read by compute nodes as well.
        component: Component,
        /// The key that must be gone; `*` at the end stands for any rest.
        old: String,
        /// The key that takes its place, with the same `*`.
        new: String,
    },
    /// The configuration of a component no longer uses a key.
    ConfigKeyRemoved {
        /// Whose configuration; that of backends is read by compute nodes as well.
        component: Component,
        /// The key that must be gone; `*` at the end stands for any rest.
        key: String,
    },
    /// The hop is not made in a cluster that the condition is about.
    NotHere,
    /// fe.conf sets a key to a value.
    FrontendConfigEquals {
        /// The key.
        key: String,
        /// The value it must have.
        value: String,
    },
    /// No table has random bucketing together with `bucket_size`.
    NoRandomBucketSizeTables,
    /// No schema change is pending or running.
    SchemaChangesFinished,
    /// No database remembers a finished schema change.
    SchemaChangeHistoryEmpty,
    /// No asynchronous materialized view is compressed with lz4.
    NoLz4AsyncMaterializedViews,
    /// No compaction transaction waits to be published.
    NoUnpublishedCompactions,
    /// Every frontend has an image at least as new as the journal when it was asked for.
    ImageOnEveryFrontend,
    /// A backup or cluster snapshot is recent.
    RecentBackup,
}

impl MachineCheck {
    /// Whether the operator makes this check before the hop, and holds the hop while it fails; the others only tell what to look for.
    pub const fn is_made(&self) -> bool {
        match self {
            Self::JavaOptsLint { .. }
            | Self::NoJavaOptsForOtherJdks
            | Self::ConfigKeyRenamed { .. }
            | Self::ConfigKeyRemoved { .. }
            | Self::NotHere
            | Self::FrontendConfigEquals { .. }
            | Self::SchemaChangesFinished
            | Self::SchemaChangeHistoryEmpty
            | Self::ImageOnEveryFrontend => true,
            Self::BackendJavaOptsContain { .. }
            | Self::JdkAtLeast { .. }
            | Self::NoRandomBucketSizeTables
            | Self::NoLz4AsyncMaterializedViews
            | Self::NoUnpublishedCompactions
            | Self::RecentBackup => false,
        }
    }
}

/// A statement that belongs to a hop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SqlStep {
    /// The statement, without a semicolon.
    pub sql: String,
    /// What it is for.
    pub why: String,
    /// Where it is written.
    pub source: String,
}

/// A frontend setting that belongs to a hop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigStep {
    /// The key as fe.conf and ADMIN SET FRONTEND CONFIG name it.
    pub key: String,
    /// The value to set.
    pub value: String,
    /// How it gets to the frontends.
    pub how: ConfigHow,
    /// What it is for.
    pub why: String,
    /// Where it is written.
    pub source: String,
}

/// How a frontend setting gets to the frontends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ConfigHow {
    /// ADMIN SET FRONTEND CONFIG: at once on every running frontend, forgotten at its restart and therefore set again after each.
    Dynamic,
    /// The same as soon as a frontend of the newer line leads: one of the older line refuses the key.
    OnceTheNewerLeads,
    /// `Dynamic`, and in fe.conf as well, which only the user writes: a frontend needs it while it starts.
    DynamicAndUsersFile,
    /// fe.conf, which only the user writes.
    UsersFile,
}

/// A frontend setting for the time in which two versions run, on frontends of `since` and later only.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct MixedSetting {
    pub since: Line,
    pub key: String,
    pub value: String,
    pub why: String,
    pub source: String,
}

/// One entry about a step from one line to another (or inside one). Several entries may speak about the same pair; all whose
/// `when` covers the two releases apply together.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Edge {
    pub from: Line,
    pub to: Line,
    #[serde(default)]
    pub when: When,
    pub source: String,
    #[serde(default)]
    pub limits: Vec<Limit>,
    #[serde(default)]
    pub hop: Extras,
}

/// The releases an entry is about: lower bounds are included, upper bounds are not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct When {
    pub from_min: Option<Version>,
    pub from_below: Option<Version>,
    pub to_min: Option<Version>,
    pub to_below: Option<Version>,
}

impl When {
    pub fn covers_from(&self, from: Version) -> bool {
        self.from_min.is_none_or(|bound| from >= bound) && self.from_below.is_none_or(|bound| from < bound)
    }

    pub fn covers(&self, from: Version, to: Version) -> bool {
        self.covers_from(from) && self.to_min.is_none_or(|bound| to >= bound) && self.to_below.is_none_or(|bound| to < bound)
    }

    pub fn is_always(&self) -> bool {
        *self == Self::default()
    }
}

/// A bound on the two ends of a hop.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Limit {
    pub need: Need,
    pub code: String,
    pub text: String,
    pub source: String,
}

impl Limit {
    pub fn rule(&self) -> Rule {
        Rule { code: self.code.clone(), text: self.text.clone(), source: self.source.clone() }
    }
}

/// What a limit asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Need {
    /// Start at this patch or later.
    FromMin(Version),
    /// Better start at this patch or later; a path does.
    FromRecommended(Version),
    /// Arrive at this patch or later.
    ToMin(Version),
    /// Not at all.
    Blocked,
}

/// What a hop brings along.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Extras {
    pub rules: Vec<Rule>,
    pub conditions: Vec<Condition>,
    pub sql_before: Vec<SqlStep>,
    pub sql_after: Vec<SqlStep>,
    pub config_before: Vec<ConfigStep>,
    pub config_after: Vec<ConfigStep>,
}
