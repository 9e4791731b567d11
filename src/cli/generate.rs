//! `generate`: writes the generated files below a folder, or tells which of them differ.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;

use super::Outcome;
use crate::generate::{self, GeneratedFile};

/// What to do with the generated files.
#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// Fail if a file differs from what the code says
    #[arg(long, conflicts_with = "write")]
    check: bool,
    /// Write the files
    #[arg(long)]
    write: bool,
    /// Folder of the checkout
    #[arg(long, default_value = ".")]
    root: PathBuf,
}

pub(super) fn generate(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let files = generate::files()?;
    let mut stale = Vec::new();
    for file in &files {
        let path = arguments.root.join(&file.path);
        if fs::read_to_string(&path).is_ok_and(|present| present == file.content) {
            continue;
        }
        if arguments.write {
            let folder = path.parent().context("a generated file lies in a folder")?;
            fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
            fs::write(&path, &file.content).with_context(|| format!("writing {}", path.display()))?;
            println!("wrote {}", path.display());
        } else {
            stale.push(file.path.clone());
        }
    }
    for path in left_behind(&arguments.root, &files)? {
        if arguments.write {
            fs::remove_file(arguments.root.join(&path)).with_context(|| format!("deleting {path}"))?;
            println!("deleted {path}");
        } else {
            stale.push(path);
        }
    }
    if stale.is_empty() {
        return Ok(Outcome::Done);
    }
    if arguments.check {
        anyhow::bail!("these files differ from what the code says; run `make bless`: {}", stale.join(", "));
    }
    println!("{}", stale.join("\n"));
    Ok(Outcome::Done)
}

/// Files in folders that are generated as a whole which nobody generates any more.
fn left_behind(root: &Path, files: &[GeneratedFile]) -> anyhow::Result<Vec<String>> {
    let wanted: BTreeSet<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = generate::FOLDERS.iter().map(|folder| root.join(folder)).filter(|folder| folder.is_dir()).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))? {
            let path = entry.with_context(|| format!("reading {}", folder.display()))?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let below = path.strip_prefix(root).unwrap_or(&path).display().to_string();
            if !wanted.contains(below.as_str()) && !generate::HAND_WRITTEN.contains(&below.as_str()) {
                found.push(below);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_nobody_generates_any_more_is_found_where_everything_is_generated() {
        let root = std::env::temp_dir().join(format!("starrocks-operator-generate-{}", std::process::id()));
        let manifests = root.join("bundle/manifests");
        fs::create_dir_all(&manifests).expect("a folder");
        for name in ["wanted.yaml", "old.yaml"] {
            fs::write(manifests.join(name), "").expect("a file");
        }
        let wanted = GeneratedFile { path: "bundle/manifests/wanted.yaml".to_owned(), content: String::new() };
        let found = left_behind(&root, std::slice::from_ref(&wanted)).expect("reads");
        fs::remove_dir_all(&root).expect("cleans up");
        assert_eq!(found, ["bundle/manifests/old.yaml"]);
    }
}
