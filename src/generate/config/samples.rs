//! `config/samples`, one resource of each kind that users write, and `config/catalog`, what the operator knows without any version catalog.

use serde_json::Value;

use super::super::{GeneratedFile, catalog as embedded, file};
use super::kustomization;
use crate::yaml::YamlError;

const CLUSTER: &str = include_str!("../../../examples/minimal.yaml");
const WAREHOUSE: &str = include_str!("../../../examples/kinds/warehouse.yaml");
/// Not that of `examples/`: what is applied as a whole must not change which images other clusters get.
const CATALOG: &str = "\
# A channel for clusters with `spec.channel: sample`. It changes nothing for any other cluster.
apiVersion: starrocks.com/v1beta1
kind: StarRocksVersionCatalog
metadata:
  name: sample
spec:
  package: starrocks
  channels:
  - name: sample
    entries:
    - {version: 3.4.10}
    - {version: 3.5.20, replaces: 3.4.10, skipRange: \">=3.5.0 <3.5.20\"}
";

/// The samples: file below the folder, and content.
const SAMPLES: [(&str, &str); 3] = [
    ("starrocks_v1_starrockscluster.yaml", CLUSTER),
    ("starrocks_v1_starrockswarehouse.yaml", WAREHOUSE),
    ("starrocks_v1beta1_starrocksversioncatalog.yaml", CATALOG),
];

/// `config/samples`.
pub(super) fn folder() -> Result<Vec<GeneratedFile>, YamlError> {
    let mut files: Vec<GeneratedFile> =
        SAMPLES.iter().map(|(name, text)| file(&format!("config/samples/{name}"), (*text).to_owned())).collect();
    let names = SAMPLES.map(|(name, _)| name);
    let what = "One resource of each kind that users write; StarRocksUpgrades are made by the operator. More of them are in examples/.";
    files.push(kustomization("samples", &[what], &names, Value::Null)?);
    Ok(files)
}

/// `config/catalog`: to read and copy from; no install has it.
pub(super) fn catalog() -> Result<Vec<GeneratedFile>, YamlError> {
    Ok(vec![file("config/catalog/starrocks.yaml", embedded::catalog_yaml()?)])
}
