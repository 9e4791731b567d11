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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn the_release_that_is_carried_is_the_last_one_with_every_definition() {
        let released = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog/released");
        let names = fs::read_dir(&released).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
        let newest = names.filter_map(|name| semver::Version::parse(&name).ok()).max().unwrap();
        assert_eq!(VERSION, newest.to_string(), "a release was added: name its files in src/cli/scorecard/released.rs");
        let manifests = fs::read_dir(released.join(VERSION).join("manifests")).unwrap();
        let texts = manifests.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
        let mut written: Vec<String> = texts.filter(|text| text.contains("kind: CustomResourceDefinition\n")).collect();
        written.sort();
        let mut carried = DEFINITIONS.map(str::to_owned).to_vec();
        carried.sort();
        assert!(written == carried, "src/cli/scorecard/released.rs does not carry every definition of {VERSION}");
    }
}
