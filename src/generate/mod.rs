//! Every generated file as text; one loop in the command line writes or checks them.

pub mod bundle;
pub mod catalog;
pub mod config;
pub mod crds;
pub mod install;
pub mod objects;
pub mod rbac;
pub mod reference;
pub mod releases;
pub mod webhook;

use crate::yaml::YamlError;

/// Folders whose every file is generated: what else lies there was left behind by an older version.
pub const FOLDERS: [&str; 2] = ["bundle", "config"];
/// What a person wrote in one of them.
pub const HAND_WRITTEN: [&str; 1] = ["config/images-lock"];

/// A file that the code determines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GeneratedFile {
    /// Path below the root of the checkout.
    pub path: String,
    /// Whole content.
    pub content: String,
}

/// All generated files.
///
/// # Errors
/// When a value cannot be written as YAML, which would be a defect of the code.
pub fn files() -> Result<Vec<GeneratedFile>, YamlError> {
    let mut files = config::files(env!("CARGO_PKG_VERSION"))?;
    files.extend([
        file("PROJECT", config::project()?),
        file("docs/reference/releases.md", releases::releases()),
        file("docs/reference/starrockscluster.md", reference::star_rocks_cluster()),
        file("docs/reference/starrocksversioncatalog.md", reference::star_rocks_version_catalog()),
        file("docs/reference/starrocksupgrade.md", reference::star_rocks_upgrade()),
        file("docs/reference/starrockswarehouse.md", reference::star_rocks_warehouse()),
    ]);
    files.extend(bundle::files(env!("CARGO_PKG_VERSION"))?);
    files.extend(webhook::component()?.into_iter().chain(webhook::cert_manager()?).map(|(path, content)| file(path, content)));
    Ok(files)
}

fn file(path: &str, content: String) -> GeneratedFile {
    GeneratedFile { path: path.to_owned(), content }
}
