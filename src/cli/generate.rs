//! `generate`: writes the generated files below a folder, or tells which of them differ.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use super::Outcome;
use crate::generate;

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
    let mut stale = Vec::new();
    for file in generate::files()? {
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
    if stale.is_empty() {
        return Ok(Outcome::Done);
    }
    if arguments.check {
        anyhow::bail!("these files differ from what the code says; run `make bless`: {}", stale.join(", "));
    }
    println!("{}", stale.join("\n"));
    Ok(Outcome::Done)
}
