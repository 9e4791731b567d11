//! A bundle's folder in, its objects, annotations and samples out; judges nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::yaml;

/// Where the annotations stand.
pub(super) const ANNOTATIONS: &str = "metadata/annotations.yaml";
/// Where the labels of the image stand, in the bundle's folder or beside it; it is not part of the image.
pub(super) const DOCKERFILE: &str = "bundle.Dockerfile";
/// The annotation with the samples.
pub(super) const EXAMPLES: &str = "alm-examples";

/// A file below `manifests/`.
#[derive(Clone, Debug)]
pub(super) struct Manifest {
    /// Path relative to the bundle.
    pub(super) file: String,
    /// Every document of it.
    pub(super) objects: Vec<Value>,
}

/// Everything that a bundle holds.
#[derive(Clone, Debug)]
pub(super) struct Bundle {
    /// Text by path relative to the bundle.
    files: BTreeMap<String, String>,
    /// What stands in `manifests/`, in the order of the names.
    pub(super) manifests: Vec<Manifest>,
}

/// A kind that the package owns, at one version.
pub(super) struct Owned<'a> {
    /// The file of the ClusterServiceVersion.
    pub(super) file: &'a str,
    /// Where the entry stands in it.
    pub(super) field: String,
    /// The entry itself.
    pub(super) entry: &'a Value,
    /// Schema of the whole object; `None` when no definition in the bundle has that kind at that version.
    pub(super) schema: Option<&'a Value>,
}

impl Bundle {
    /// Reads a bundle's folder.
    pub(super) fn read(folder: &Path) -> anyhow::Result<Self> {
        let mut files = BTreeMap::new();
        for part in ["manifests", "metadata", "tests"] {
            collect(folder, part, &mut files).with_context(|| format!("reading the bundle in {}", folder.display()))?;
        }
        if files.is_empty() {
            bail!("{} holds no bundle: no file in manifests/ or metadata/; say with --bundle where it is", folder.display());
        }
        let beside = [Some(folder), folder.parent()].into_iter().flatten().map(|place| place.join(DOCKERFILE)).find(|path| path.is_file());
        if let Some(path) = beside {
            let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
            files.insert(DOCKERFILE.to_owned(), text);
        }
        Self::from_files(files)
    }

    /// The bundle that these files are.
    pub(super) fn from_files(files: BTreeMap<String, String>) -> anyhow::Result<Self> {
        let mut manifests = Vec::new();
        for (file, text) in files.iter().filter(|(file, _)| file.starts_with("manifests/")) {
            let objects = yaml::documents(text).with_context(|| format!("{file} is no YAML"))?;
            manifests.push(Manifest { file: file.clone(), objects });
        }
        Ok(Self { files, manifests })
    }

    /// The text of a file.
    pub(super) fn text(&self, file: &str) -> Option<&str> {
        self.files.get(file).map(String::as_str)
    }

    /// Whether there is a file of this name.
    pub(super) fn has(&self, file: &str) -> bool {
        self.files.contains_key(file)
    }

    /// Every object with its file.
    pub(super) fn objects(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.manifests.iter().flat_map(|manifest| manifest.objects.iter().map(|object| (manifest.file.as_str(), object)))
    }

    /// Every object of a kind with its file.
    pub(super) fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.objects().filter(move |(_, object)| object["kind"] == kind)
    }

    /// The ClusterServiceVersion with its file.
    pub(super) fn csv(&self) -> anyhow::Result<(&str, &Value)> {
        let mut found = self.of_kind("ClusterServiceVersion");
        match (found.next(), found.next()) {
            (Some(csv), None) => Ok(csv),
            (None, _) => bail!("manifests/ holds no ClusterServiceVersion"),
            (Some(_), Some((file, _))) => bail!("manifests/ holds several ClusterServiceVersions, one more in {file}"),
        }
    }

    /// The definition of a kind, by its plural and group.
    pub(super) fn definition(&self, name: &str) -> Option<(&str, &Value)> {
        self.of_kind("CustomResourceDefinition").find(|(_, definition)| definition["metadata"]["name"] == name)
    }

    /// The kinds that the ClusterServiceVersion says it owns.
    pub(super) fn owned(&self) -> anyhow::Result<Vec<Owned<'_>>> {
        let (file, csv) = self.csv()?;
        let entries = csv.pointer("/spec/customresourcedefinitions/owned").and_then(Value::as_array);
        let owned = entries.into_iter().flatten().enumerate().map(|(index, entry)| Owned {
            file,
            field: format!("spec.customresourcedefinitions.owned[{index}]"),
            entry,
            schema: text(entry, "/name").and_then(|name| schema_of(self.definition(name)?.1, text(entry, "/version")?)),
        });
        Ok(owned.collect())
    }

    /// The samples of the ClusterServiceVersion.
    pub(super) fn samples(&self) -> anyhow::Result<Vec<Value>> {
        let (file, csv) = self.csv()?;
        let Some(examples) = csv["metadata"]["annotations"][EXAMPLES].as_str() else {
            bail!("{file} has no annotation {EXAMPLES}");
        };
        serde_json::from_str(examples).with_context(|| format!("{file}: the annotation {EXAMPLES} is no JSON array of objects"))
    }

    /// The annotations of the bundle.
    pub(super) fn annotations(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let text = self.text(ANNOTATIONS).with_context(|| format!("the bundle has no {ANNOTATIONS}"))?;
        let read: Value = yaml::from_str(text).with_context(|| format!("{ANNOTATIONS} is no YAML"))?;
        serde_json::from_value(read["annotations"].clone()).with_context(|| format!("{ANNOTATIONS}: `annotations` is no map of texts"))
    }

    /// The labels of the bundle's image, where its Dockerfile can be seen.
    pub(super) fn labels(&self) -> Option<BTreeMap<String, String>> {
        let lines = self.text(DOCKERFILE)?.lines().filter_map(|line| line.trim().strip_prefix("LABEL "));
        let pairs = lines.filter_map(|label| label.trim().split_once('='));
        Some(pairs.map(|(key, value)| (unquoted(key).to_owned(), unquoted(value).to_owned())).collect())
    }
}

/// The text at a pointer.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

/// The schema of a definition's version.
pub(super) fn schema_of<'a>(definition: &'a Value, version: &str) -> Option<&'a Value> {
    let versions = definition.pointer("/spec/versions")?.as_array()?;
    versions.iter().find(|candidate| candidate["name"] == version)?.pointer("/schema/openAPIV3Schema")
}

fn unquoted(text: &str) -> &str {
    let text = text.trim();
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text)
}

fn collect(root: &Path, below: &str, files: &mut BTreeMap<String, String>) -> anyhow::Result<()> {
    let folder = root.join(below);
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(&folder).with_context(|| format!("listing {}", folder.display()))? {
        let entry = entry.with_context(|| format!("listing {}", folder.display()))?;
        let path = format!("{below}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            collect(root, &path, files)?;
        } else {
            let text = fs::read_to_string(entry.path()).with_context(|| format!("reading {path}"))?;
            files.insert(path, text);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(files: &[(&str, &str)]) -> anyhow::Result<Bundle> {
        Bundle::from_files(files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect())
    }

    #[test]
    fn a_file_that_is_no_yaml_is_named() {
        let error = format!("{:#}", bundle(&[("manifests/a.yaml", "a: [1,\n")]).unwrap_err());
        assert!(error.starts_with("manifests/a.yaml is no YAML"), "{error}");
    }

    #[test]
    fn a_folder_without_a_bundle_says_what_to_do() {
        let error = Bundle::read(Path::new("/nowhere")).unwrap_err().to_string();
        assert!(error.contains("/nowhere") && error.contains("--bundle"), "{error}");
    }

    #[test]
    fn two_service_versions_are_one_too_many() {
        let csv = "kind: ClusterServiceVersion\n";
        assert!(bundle(&[("manifests/a.yaml", csv)]).unwrap().csv().is_ok());
        let error = bundle(&[("manifests/a.yaml", csv), ("manifests/b.yaml", csv)]).unwrap().csv().unwrap_err().to_string();
        assert!(error.contains("manifests/b.yaml"), "{error}");
        assert!(bundle(&[]).unwrap().csv().is_err());
    }

    #[test]
    fn labels_are_read_as_a_builder_reads_them() {
        let read = bundle(&[(DOCKERFILE, "FROM scratch\nLABEL a.b/c=d\n LABEL \"e\"=\"f g\"\n# LABEL no=no\n")]).unwrap().labels().unwrap();
        assert_eq!(read, BTreeMap::from([("a.b/c".to_owned(), "d".to_owned()), ("e".to_owned(), "f g".to_owned())]));
    }
}
