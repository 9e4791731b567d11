//! A component's configuration file as decisions see it: where it comes from, digests of its content, and what nodes show of it; never sets anything.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Answer, Cluster, Component, FrontendSetting};
use crate::api::StarRocksClusterStatus;

/// What is done when the content of a configuration file changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigurationUpdate {
    /// What can be changed in running nodes is changed there, everything else by restarts.
    Live,
    /// The component is restarted.
    Restart,
}

/// The configuration file of a component, read from a ConfigMap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// Whether the file in a running pod follows the ConfigMap: not where a single key is mounted (`subPath`), which a pod keeps as it was when it started.
    pub follows: bool,
    /// Digest of the content: keys and values, not comments or their order.
    pub digest: String,
    /// Digest of each value.
    pub keys: BTreeMap<String, String>,
}

impl Configuration {
    /// Digests of a parsed file. That of a value has 16 bits: enough to see that it changed, too few to find a password by trying.
    pub fn of(content: &BTreeMap<String, String>, follows: bool) -> Self {
        let keys = content.iter().map(|(key, value)| (key.clone(), format!("{:04x}", fold(fnv_1a(&[key, value]))))).collect();
        let parts: Vec<&str> = content.iter().flat_map(|(key, value)| [key.as_str(), value.as_str()]).collect();
        Self { follows, digest: format!("{:016x}", fnv_1a(&parts)), keys }
    }
}

/// A short digest of a text.
pub fn digest(text: &str) -> String {
    format!("{:016x}", fnv_1a(&[text]))
}

/// FNV-1a, 64 bits, over texts with their ends marked.
fn fnv_1a(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

const fn fold(hash: u64) -> u64 {
    (hash ^ (hash >> 16) ^ (hash >> 32) ^ (hash >> 48)) & 0xffff
}

/// One key as a running node shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ShownKey {
    /// Its present value as text.
    pub value: String,
    /// Whether the node takes another one while it runs.
    pub mutable: bool,
    /// The value without a line in the file; only backends and compute nodes tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<String>,
}

impl ShownKey {
    /// Whether the value is hidden: from 4.0.17 and 4.1.7 on, credentials are shown as stars (starrocks.md §1.4).
    pub fn is_masked(&self) -> bool {
        self.value.len() >= 3 && self.value.bytes().all(|byte| byte == b'*')
    }

    /// Whether the node has this value, however it writes it: `1` and `true`, `0.50` and `0.5`, `[a, b]` and `a,b` are the same.
    pub fn is(&self, wanted: &str) -> bool {
        let (shown, wanted) = (plain(&self.value), plain(wanted));
        shown == wanted || is_same_truth(&shown, &wanted) || is_same_number(&shown, &wanted) || items(&shown) == items(&wanted)
    }
}

/// Without the quotes that a shell would take off.
fn plain(text: &str) -> String {
    let text = text.trim();
    let inner = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    inner.trim().to_owned()
}

fn is_same_truth(one: &str, other: &str) -> bool {
    let truth = |text: &str| match text.to_ascii_lowercase().as_str() {
        "true" => Some((true, true)),
        "false" => Some((false, true)),
        "1" => Some((true, false)),
        "0" => Some((false, false)),
        _ => None,
    };
    // Two numbers are compared as numbers.
    matches!((truth(one), truth(other)), (Some((left, word)), Some((right, other_word))) if left == right && (word || other_word))
}

fn is_same_number(one: &str, other: &str) -> bool {
    match (one.parse::<i128>(), other.parse::<i128>()) {
        (Ok(left), Ok(right)) => left == right,
        _ => {
            matches!((one.parse::<f64>(), other.parse::<f64>()), (Ok(left), Ok(right)) if (left - right).abs() <= f64::EPSILON * left.abs())
        }
    }
}

/// The items of a list: Java shows arrays in brackets.
fn items(text: &str) -> Vec<&str> {
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    inner.split(',').map(str::trim).collect()
}

/// What nodes show of the keys that changed; asked only while a change is being brought into force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigurationReport {
    /// ADMIN SHOW FRONTEND CONFIG of each frontend, by pod.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub frontends: BTreeMap<String, Answer<BTreeMap<String, ShownKey>>>,
    /// information_schema.be_configs, by the id of the backend or compute node. Nodes that are not alive are not in it.
    #[serde(default)]
    pub nodes: Answer<BTreeMap<u64, BTreeMap<String, ShownKey>>>,
}

impl ConfigurationReport {
    /// Whether nothing was asked.
    pub fn is_empty(&self) -> bool {
        self.frontends.is_empty() && self.nodes == Answer::NotAsked
    }
}

/// The keys to ask nodes of a component about, and to set in them: those that a change on record changed. Where every change restarts the component
/// these are the settings of frontends alone that an upgrade may have put back to what they were before it.
pub fn awaited(cluster: &Cluster, status: &StarRocksClusterStatus, component: Component) -> BTreeSet<String> {
    let concerns = |key: &String| match cluster.configuration_update {
        None => false,
        Some(ConfigurationUpdate::Live) => true,
        Some(ConfigurationUpdate::Restart) => component == Component::Frontend && FrontendSetting::from_key(key).is_some(),
    };
    let entries = status.configuration.iter().filter(|entry| entry.component == component.label());
    entries.filter_map(|entry| entry.change.as_ref()).flat_map(|change| change.keys.iter()).filter(|key| concerns(key)).cloned().collect()
}

/// Words that name a secret, in lower case: in keys of configuration files (`authentication_ldap_simple_bind_root_pwd`, `aws_s3_secret_key`) and in lines of logs.
const SECRETS: [&str; 12] = [
    "password",
    "passwd",
    "pwd",
    "secret",
    "token",
    "credential",
    "access_key",
    "accesskey",
    "shared_key",
    "sharedkey",
    "private_key",
    "privatekey",
];

/// Whether a text names a secret: a key by its name, whose value is then kept out of events, logs and the status, or a line of a log, which is then not told.
pub fn names_a_secret(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    SECRETS.iter().any(|word| text.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: &str) -> ShownKey {
        ShownKey { value: value.to_owned(), mutable: true, default: None }
    }

    #[test]
    fn the_same_value_written_otherwise_is_the_same() {
        for (value, wanted) in [
            ("true", "TRUE"),
            ("true", "1"),
            ("0", "false"),
            ("10", " 10 "),
            ("0.500000", "0.5"),
            ("[a, b]", "a,b"),
            ("x y", "\"x y\""),
            ("-1", "-1"),
            ("", ""),
        ] {
            assert!(shown(value).is(wanted), "{value} {wanted}");
        }
        for (value, wanted) in
            [("true", "false"), ("10", "11"), ("abc", "ABC"), ("1", "10"), ("9223372036854775807", "9223372036854775806"), ("", "0")]
        {
            assert!(!shown(value).is(wanted), "{value} {wanted}");
        }
    }

    #[test]
    fn keys_that_hold_secrets_are_known_by_their_names() {
        for key in [
            "authentication_ldap_simple_bind_root_pwd",
            "authentication_ldap_simple_ssl_conn_trust_store_pwd",
            "ssl_keystore_password",
            "aws_s3_access_key",
            "aws_s3_secret_key",
            "azure_blob_shared_key",
            "azure_adls2_oauth2_client_secret",
            "gcp_gcs_service_account_private_key",
            "auth_token",
            "OAUTH2_CLIENT_SECRET",
        ] {
            assert!(names_a_secret(key), "{key}");
        }
        for key in ["http_port", "sys_log_level", "tablet_sched_disable_balance", "priority_networks", "JAVA_OPTS", "storage_root_path"] {
            assert!(!names_a_secret(key), "{key}");
        }
    }

    #[test]
    fn a_hidden_value_is_told_from_a_short_one() {
        assert!(shown("***").is_masked() && shown("******").is_masked());
        assert!(!shown("*").is_masked() && !shown("").is_masked() && !shown("a**").is_masked());
    }

    #[test]
    fn digests_follow_values_and_not_how_a_file_is_written() {
        let content = |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let (one, other) =
            (Configuration::of(&content(&[("a", "1"), ("b", "2")]), true), Configuration::of(&content(&[("b", "2"), ("a", "1")]), true));
        assert_eq!(one, other);
        let changed = Configuration::of(&content(&[("a", "1"), ("b", "3")]), true);
        assert_ne!(one.digest, changed.digest);
        assert_eq!((one.keys["a"] == changed.keys["a"], one.keys["b"] == changed.keys["b"]), (true, false));
        assert!(one.keys.values().all(|digest| digest.len() == 4));
        assert_ne!(Configuration::of(&content(&[("a", "bc")]), true).digest, Configuration::of(&content(&[("ab", "c")]), true).digest);
    }
}
