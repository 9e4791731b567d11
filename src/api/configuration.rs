//! What users say about changed configuration files, and what is remembered and told of such a change. Never holds a value of a configuration.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lenient::{map_without_nulls, null_is_default};
use super::words::words;

words! {
    /// What is done when the content of a component's configuration file changes.
    closed ConfigurationUpdate {
        /// Keys that can be set while StarRocks runs are set on every node; everything else restarts the component's pods.
        Live,
        /// The component's pods are restarted.
        Restart,
    }
}

/// How far a component's configuration file is in force. Digests tell that a value changed and are too short to tell the value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ConfigurationStatus {
    /// The component: fe, be or cn.
    #[serde(deserialize_with = "null_is_default")]
    pub component: String,

    /// Digest of the content that is in force on every node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,

    /// Digest of each value in that content, by key.
    #[serde(deserialize_with = "map_without_nulls", skip_serializing_if = "BTreeMap::is_empty")]
    pub keys: BTreeMap<String, String>,

    /// The change for which the pods were restarted last, by the time at which it was seen; it stands in their template.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub restarted_for: Option<String>,

    /// The change that is being brought into force; absent at rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<ConfigurationChange>,

    /// The last change that came into force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_change: Option<ConfigurationChange>,
}

/// A change of a configuration file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ConfigurationChange {
    /// Digest of the new content.
    #[serde(deserialize_with = "null_is_default")]
    pub digest: String,

    /// When the change was seen.
    #[serde(deserialize_with = "null_is_default")]
    #[schemars(extend("format" = "date-time"))]
    pub since: String,

    /// Keys whose values differ from those in force before.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub keys: Vec<String>,

    /// Those of the keys that only a start of the process reads, each with why.
    #[serde(deserialize_with = "map_without_nulls", skip_serializing_if = "BTreeMap::is_empty")]
    pub at_start: BTreeMap<String, String>,

    /// Since when keys are set in running nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub set_since: Option<String>,

    /// When it was in force on every node.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub in_force_at: Option<String>,
}
