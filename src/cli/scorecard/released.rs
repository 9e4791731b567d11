//! The definitions of the last release, carried in the program: where scorecard runs a test there is nothing but the bundle.

use serde_json::Value;

use crate::yaml::{self, YamlError};

/// The last release; the newest folder of `catalog/released`.
pub(super) const VERSION: &str = "0.1.0";

/// Its definitions.
const DEFINITIONS: [&str; 4] = [
    include_str!("../../../catalog/released/0.1.0/manifests/starrocks.com_starrocksclusters.yaml"),
    include_str!("../../../catalog/released/0.1.0/manifests/starrocks.com_starrocksupgrades.yaml"),
    include_str!("../../../catalog/released/0.1.0/manifests/starrocks.com_starrocksversioncatalogs.yaml"),
    include_str!("../../../catalog/released/0.1.0/manifests/starrocks.com_starrockswarehouses.yaml"),
];

/// The definitions of the last release.
pub(super) fn definitions() -> Result<Vec<Value>, YamlError> {
    DEFINITIONS.iter().map(|text| yaml::from_str(text)).collect()
}
