//! `crds`: prints the CustomResourceDefinitions; reads nothing.

use std::io::Write;

use super::Outcome;
use crate::generate;

pub(super) fn crds() -> anyhow::Result<Outcome> {
    std::io::stdout().write_all(generate::crds::crds_yaml()?.as_bytes())?;
    Ok(Outcome::Done)
}
