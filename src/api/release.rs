//! What a version catalog says about single releases: state, images, ranges, configuration, statements and issues. Never judges it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::catalog::VERSION_PATTERN;
use super::lenient::null_is_default;
use super::words::words;

/// What is to be known of one release. Beside what the operator's own table says, not instead of it, unless `overrides` is true.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct CatalogRelease {
    /// The release, such as 3.5.20. A newer patch of a known line becomes the newest of its line; a line newer than all known ones is added with what
    /// `upgradeFrom` and `downgradeTo` say, and nothing else is assumed of it.
    #[serde(deserialize_with = "null_is_default")]
    #[schemars(length(max = 64), extend("pattern" = VERSION_PATTERN))]
    pub version: String,

    /// What is thought of it. Default Available.
    ///
    /// Recommended: better than others of its line.
    ///
    /// Available: may be used.
    ///
    /// Deprecated: may be used and should be left; ways through its line take another release where there is one.
    ///
    /// Withdrawn: never a target, and never on the way. Clusters that run it go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<ReleaseState>,

    /// Why it is deprecated or withdrawn; shown to users.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub reason: Option<String>,

    /// Lets `state`, `upgradeFrom`, `downgradeTo`, `java` and `leaderTransfer` hold against the operator's own table: a release that it has as withdrawn may
    /// be gone to, and ways within the two ranges may be gone although the table refuses them. For own builds without the fault in question. What another catalog
    /// forbids stays forbidden, and lines are still walked one by one. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub overrides: Option<bool>,

    /// Day on which its life ends, YYYY-MM-DD.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10), extend("pattern" = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    pub end_of_life: Option<String>,

    /// Images for components without an `image`, for example of a registry of your own. Default: StarRocks' own. A cluster that runs the release is not
    /// restarted when they change; it takes them with the next change of its resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub images: Option<CatalogImages>,

    /// Oldest JDK that it starts with. Default: that of its line.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minimum" = 8, "maximum" = 100))]
    pub java: Option<i32>,

    /// Whether its frontends know `ALTER SYSTEM TRANSFER LEADER`; it holds for later patches of its line as well, up to the next that says otherwise. A leader
    /// that runs such a release hands its lead over before it restarts, unless the data lies in object storage. Default: as the operator's own table
    /// says; no for a line that it does not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader_transfer: Option<bool>,

    /// Releases from which it may be reached by an upgrade in one hop, patches of its own line included: `>=3.4.10 <3.6.0`. Required for a line that the
    /// operator does not know. Default: as the operator's own table says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub upgrade_from: Option<String>,

    /// Releases to which one may go back from it in one hop. Default: as the operator's own table says; none for a line that it does not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub downgrade_to: Option<String>,

    /// Configuration keys that it treats in another way than the releases before it. An upgrade that passes it waits until removed and renamed keys
    /// are out of the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<CatalogConfig>,

    /// Statements that an upgrade to it needs, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sql: Option<CatalogSql>,

    /// What goes wrong with it.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["id"]))]
    pub known_issues: Vec<CatalogIssue>,

    /// Vulnerabilities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cves: Option<CatalogCves>,
}

words! {
    /// What is thought of a release.
    closed ReleaseState {
        /// Better than others of its line.
        Recommended,
        /// May be used.
        Available,
        /// May be used and should be left.
        Deprecated,
        /// Never a target.
        Withdrawn,
    }
}

/// Images by component.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct CatalogImages {
    /// Frontends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fe: Option<CatalogImage>,

    /// Backends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub be: Option<CatalogImage>,

    /// Compute nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cn: Option<CatalogImage>,
}

/// An image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct CatalogImage {
    /// REPOSITORY or REPOSITORY:TAG. Without a tag the release is the tag; a tag names the release.
    #[serde(rename = "ref", deserialize_with = "null_is_default")]
    #[schemars(length(min = 1, max = 512))]
    pub reference: String,

    /// Digest of the very build, `sha256:` and 64 digits. Default: none, the tag decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 71), extend("pattern" = "^sha256:[0-9a-f]{64}$"))]
    pub digest: Option<String>,
}

/// Configuration keys that a release treats in another way than the releases before it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct CatalogConfig {
    /// Keys that are gone.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["component", "key"]))]
    pub removed: Vec<CatalogKey>,

    /// Keys that have another name.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["component", "key"]))]
    pub renamed: Vec<CatalogRename>,

    /// Keys that can be set while the process runs. Kept for tools; the operator does not act on it.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["component", "key"]))]
    pub mutable: Vec<CatalogKey>,
}

words! {
    /// Whose configuration: `fe` for fe.conf, `be` for be.conf, `cn` for cn.conf.
    #[allow(non_camel_case_types, reason = "the words stand in the resource as they are written here")]
    #[derive(Default)]
    closed ConfigOf {
        /// fe.conf.
        #[default]
        fe,
        /// be.conf.
        be,
        /// cn.conf.
        cn,
    }
}

/// A configuration key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct CatalogKey {
    /// Whose configuration.
    #[serde(deserialize_with = "null_is_default")]
    pub component: ConfigOf,

    /// The key; `*` at its end stands for any rest.
    #[serde(deserialize_with = "null_is_default")]
    #[schemars(length(min = 1, max = 128))]
    pub key: String,
}

/// A configuration key with another name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct CatalogRename {
    /// Whose configuration.
    #[serde(deserialize_with = "null_is_default")]
    pub component: ConfigOf,

    /// The name before; `*` at its end stands for any rest.
    #[serde(deserialize_with = "null_is_default")]
    #[schemars(length(min = 1, max = 128))]
    pub key: String,

    /// The name from this release on.
    #[serde(deserialize_with = "null_is_default")]
    #[schemars(length(min = 1, max = 128))]
    pub to: String,
}

/// Statements that an upgrade needs, by name: EnablePipelineEngine, DisableLowCardinalityOptimize, EnableLowCardinalityOptimize,
/// DisableSimpleAggregateRewrite, EnableSimpleAggregateRewrite.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct CatalogSql {
    /// Before the first node restarts; the operator executes them.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub before: Vec<SqlName>,

    /// After the last node has restarted; the operator names them in a warning event and leaves them to you.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub after: Vec<SqlName>,
}

words! {
    /// A statement that the operator knows.
    closed SqlName {
        /// SET GLOBAL enable_pipeline_engine=true.
        EnablePipelineEngine,
        /// SET GLOBAL cbo_enable_low_cardinality_optimize=false.
        DisableLowCardinalityOptimize,
        /// SET GLOBAL cbo_enable_low_cardinality_optimize=true.
        EnableLowCardinalityOptimize,
        /// SET GLOBAL enable_rewrite_simple_agg_to_meta_scan=false.
        DisableSimpleAggregateRewrite,
        /// SET GLOBAL enable_rewrite_simple_agg_to_meta_scan=true.
        EnableSimpleAggregateRewrite,
    }
}

/// Something that goes wrong with a release.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct CatalogIssue {
    /// Name under which people look it up.
    #[serde(deserialize_with = "null_is_default")]
    #[schemars(length(min = 1, max = 64))]
    pub id: String,

    /// Which hops to the release it concerns. Default: all.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub matches: Option<CatalogMatch>,

    /// Block: the hop is not made, and a way that leads through it goes round it. Warn: users are told.
    #[serde(deserialize_with = "null_is_default")]
    pub level: IssueLevel,

    /// What goes wrong.
    #[serde(deserialize_with = "null_is_default")]
    #[schemars(length(min = 1, max = 1024))]
    pub text: String,

    /// Where more is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub url: Option<String>,
}

words! {
    /// What a known issue does to a hop that it concerns.
    #[derive(Default)]
    closed IssueLevel {
        /// The hop is not made.
        #[default]
        Block,
        /// The hop is made and users are told.
        Warn,
    }
}

/// Which hops a known issue concerns: all for which everything given holds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct CatalogMatch {
    /// Range of the release at the start of the hop.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub from: Option<String>,

    /// Run mode of the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_mode: Option<CatalogRunMode>,
}

words! {
    /// Where a cluster's data lives.
    closed CatalogRunMode {
        /// On the backends.
        SharedNothing,
        /// In object storage.
        SharedData,
    }
}

/// Vulnerabilities, such as CVE-2026-12345.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct CatalogCves {
    /// Mended in this release.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), extend("x-kubernetes-list-type" = "set"), inner(length(max = 64)))]
    pub fixed: Vec<String>,

    /// Known in this release; the plan of an upgrade to it names them.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), extend("x-kubernetes-list-type" = "set"), inner(length(max = 64)))]
    pub known: Vec<String>,
}
