//! Files with StarRocksVersionCatalogs in, the catalog that an operator would make of them out, or every fault in one error.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};

use crate::api::StarRocksVersionCatalog;
use crate::release::{Catalog, CatalogFault, CatalogSource};
use crate::validate;
use crate::yaml;

/// Reads catalogs and merges them over the one of this build. A broken one is an error here: whoever names a file wants it to count.
pub(super) fn read(files: &[PathBuf]) -> anyhow::Result<Arc<Catalog>> {
    if files.is_empty() {
        return Ok(Catalog::embedded());
    }
    merge(&texts_of(files)?)
}

/// The catalog of this build with resources that exist, those without a fault, and files, which win over resources of the same name.
pub(super) fn with(existing: Vec<StarRocksVersionCatalog>, files: &[PathBuf]) -> anyhow::Result<Arc<Catalog>> {
    let sound = |resource: StarRocksVersionCatalog| Some((resource.metadata.name?, validate::catalog(&resource.spec).ok()?));
    let mut sources: BTreeMap<String, CatalogSource> = existing.into_iter().filter_map(sound).collect();
    let written = sources_of(&texts_of(files)?)?;
    let named: Vec<String> = written.keys().cloned().collect();
    sources.extend(written);
    let merged = Catalog::merged(&sources);
    match merged.faults.iter().find(|(name, _)| named.contains(name)) {
        Some((name, faults)) => Err(told(name, faults)),
        None => Ok(Arc::new(merged.catalog)),
    }
}

fn texts_of(files: &[PathBuf]) -> anyhow::Result<Vec<(String, String)>> {
    let read =
        |file: &PathBuf| Ok((file.display().to_string(), fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?));
    files.iter().map(read).collect()
}

fn merge(texts: &[(String, String)]) -> anyhow::Result<Arc<Catalog>> {
    let merged = Catalog::merged(&sources_of(texts)?);
    match merged.faults.first_key_value() {
        Some((name, faults)) => Err(told(name, faults)),
        None => Ok(Arc::new(merged.catalog)),
    }
}

fn sources_of(texts: &[(String, String)]) -> anyhow::Result<BTreeMap<String, CatalogSource>> {
    let mut sources: BTreeMap<String, CatalogSource> = BTreeMap::new();
    for (file, text) in texts {
        for document in yaml::documents(text).with_context(|| format!("in {file}"))? {
            if document["kind"] != "StarRocksVersionCatalog" {
                bail!("in {file}: a document of kind `{}` is no StarRocksVersionCatalog", document["kind"].as_str().unwrap_or(""));
            }
            let resource: StarRocksVersionCatalog =
                serde_json::from_value(document).with_context(|| format!("in {file}: the StarRocksVersionCatalog cannot be read"))?;
            let name = resource.metadata.name.unwrap_or_default();
            if name.is_empty() {
                bail!("in {file}: a StarRocksVersionCatalog has no name; catalogs are merged in the order of their names");
            }
            let source = validate::catalog(&resource.spec).map_err(|faults| told(&name, &faults))?;
            if sources.insert(name.clone(), source).is_some() {
                bail!("in {file}: there are two StarRocksVersionCatalogs called {name}");
            }
        }
    }
    Ok(sources)
}

fn told(name: &str, faults: &[CatalogFault]) -> anyhow::Error {
    let lines: Vec<String> = faults.iter().map(|fault| format!("  {fault}")).collect();
    anyhow::anyhow!("the StarRocksVersionCatalog {name} has {} fault(s):\n{}", lines.len(), lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> anyhow::Result<Arc<Catalog>> {
        merge(&[("catalog.yaml".to_owned(), text.to_owned())])
    }

    #[test]
    fn catalogs_of_a_file_count_and_a_broken_one_is_an_error_with_code_and_field() {
        let head =
            "apiVersion: starrocks.com/v1beta1\nkind: StarRocksVersionCatalog\nmetadata: {name: mine}\nspec:\n  package: starrocks\n";
        let catalog = read(&format!("{head}  releases: [{{version: 3.5.25}}]\n")).unwrap();
        assert_eq!(catalog.table().line("3.5".parse().unwrap()).unwrap().newest.to_string(), "3.5.25");
        let refused = read(&format!("{head}  releases: [{{version: 3.4.1}}]\n")).unwrap_err().to_string();
        assert!(refused.contains("mine has 1 fault") && refused.contains("SR-3108 spec.releases[0].state"), "{refused}");
        let unreadable = read(&format!("{head}  channels: [{{name: c, entries: [{{version: latest}}]}}]\n")).unwrap_err().to_string();
        assert!(unreadable.contains("SR-3102 spec.channels[0].entries[0].version"), "{unreadable}");
        assert!(read("kind: Secret\n").is_err());
    }

    #[test]
    fn catalogs_that_exist_count_beside_files_and_broken_ones_are_left_out() {
        let existing = |name: &str, spec: serde_json::Value| -> StarRocksVersionCatalog {
            serde_json::from_value(serde_json::json!({"metadata": {"name": name}, "spec": spec})).unwrap()
        };
        let broken = existing("broken", serde_json::json!({"package": "mysql"}));
        let sound = existing("sound", serde_json::json!({"package": "starrocks", "releases": [{"version": "3.5.25"}]}));
        let catalog = with(vec![broken, sound], &[]).unwrap();
        assert_eq!(catalog.table().line("3.5".parse().unwrap()).unwrap().newest.to_string(), "3.5.25");
    }
}
