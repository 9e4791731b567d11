//! The kind StarRocksVersionCatalog: what users add to the operator's knowledge of releases, in OLM's words; its identity, spec and status. Never judges it.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lenient::null_is_default;
use super::release::CatalogRelease;
use super::status::Condition;

/// What a catalog says about StarRocks releases.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "starrocks.com",
    version = "v1beta1",
    kind = "StarRocksVersionCatalog",
    plural = "starrocksversioncatalogs",
    singular = "starrocksversioncatalog",
    shortname = "srcatalog",
    status = "StarRocksVersionCatalogStatus",
    derive = "Default",
    derive = "PartialEq",
    // As for StarRocksCluster: one odd resource must not spoil the list it stands in.
    attr = "cfg_attr(all(), serde(default))",
    doc = "StarRocksVersionCatalog adds to what the operator knows of StarRocks releases: channels to follow, further releases and images, and releases \
           and ways that are not to be used. All catalogs are merged in the order of their names; one with a fault is left out and stops nothing.",
    printcolumn(name = "Accepted", json_path = ".status.conditions[?(@.type=='Accepted')].status", type_ = "string"),
    printcolumn(name = "Reason", json_path = ".status.conditions[?(@.type=='Accepted')].reason", type_ = "string"),
    printcolumn(name = "Channels", json_path = ".status.channels", type_ = "integer"),
    printcolumn(name = "Releases", json_path = ".status.releases", type_ = "integer"),
    printcolumn(name = "Age", json_path = ".metadata.creationTimestamp", type_ = "date")
)]
#[serde(default, rename_all = "camelCase")]
// Each printer column has its own `type_`; the lint takes them for one attribute.
#[allow(clippy::duplicated_attributes)]
pub struct StarRocksVersionCatalogSpec {
    /// What the catalog is about: `starrocks`. Required.
    #[serde(deserialize_with = "null_is_default")]
    #[schemars(extend("enum" = ["starrocks"]))]
    pub package: String,

    /// Channels that clusters can follow with `spec.channel`. A channel of a name that another catalog, or the operator itself, has already is replaced
    /// as a whole; the last catalog by name has the word.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub channels: Vec<CatalogChannel>,

    /// Words for those who follow a channel, or run a release, that they should leave.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), extend("x-kubernetes-list-type" = "atomic"))]
    pub deprecations: Vec<CatalogDeprecation>,

    /// Releases that the operator does not know, and what is to be known of others. What several catalogs say of one release adds up; where they
    /// differ, the more careful one holds.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 512), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["version"]))]
    pub releases: Vec<CatalogRelease>,
}

/// A list of releases that clusters follow. It has one head: the entry that no other entry replaces or skips.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct CatalogChannel {
    /// Name of the channel, such as stable-3.5.
    #[serde(deserialize_with = "null_is_default")]
    #[schemars(length(max = 63), extend("pattern" = CHANNEL_PATTERN))]
    pub name: String,

    /// Releases of the channel. From the head, `replaces` leads to every entry that no `skips` names.
    #[serde(deserialize_with = "null_is_default")]
    #[schemars(length(min = 1, max = 256), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["version"]))]
    pub entries: Vec<CatalogEntry>,
}

/// Names of channels.
pub(super) const CHANNEL_PATTERN: &str = "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$";
pub(super) const VERSION_PATTERN: &str = "^[0-9]+[.][0-9]+[.][0-9]+$";

/// A release of a channel, and from which releases it is reached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct CatalogEntry {
    /// The release, such as 3.5.20. It is one that the operator knows, or that a catalog lists under `releases`.
    #[serde(deserialize_with = "null_is_default")]
    #[schemars(length(max = 64), extend("pattern" = VERSION_PATTERN))]
    pub version: String,

    /// The release before it in the channel; clusters that run it may come here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), extend("pattern" = VERSION_PATTERN))]
    pub replaces: Option<String>,

    /// Further releases that may come here, and that the channel no longer leads to.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), extend("x-kubernetes-list-type" = "set"), inner(length(max = 64), regex(pattern = VERSION_PATTERN)))]
    pub skips: Vec<String>,

    /// Releases that may come here, as a range: `>=3.5.0 <3.5.20`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub skip_range: Option<String>,
}

/// Words for those who use something that they should leave.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.channel) != has(self.version)", "message": "a deprecation names a channel or a version, and not both"}
]))]
pub struct CatalogDeprecation {
    /// The channel that should be left.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub channel: Option<String>,

    /// The release that should be left; it is taken for Deprecated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), extend("pattern" = VERSION_PATTERN))]
    pub version: Option<String>,

    /// Why, and what to follow instead.
    #[serde(deserialize_with = "null_is_default")]
    #[schemars(length(min = 1, max = 1024))]
    pub message: String,
}

/// What the operator reports about a catalog.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct StarRocksVersionCatalogStatus {
    /// Generation of the spec that this status answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Accepted: whether the catalog is in use; if not, every fault with its field, code and way out.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,

    /// Number of channels that it defines.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<i32>,

    /// Number of releases that it speaks of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub releases: Option<i32>,
}
