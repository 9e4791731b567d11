//! What runs and the way so far go in, where a rollback would lead comes out; by the edges of the release table only.

use std::collections::BTreeSet;

use crate::api::Operation;
use crate::release::{Refusal, ReleaseTable, Version, parse_version};

/// The earliest release of the walk to which everything that runs may go back.
///
/// # Errors
/// The rule that forbids even the shortest way back.
pub(in super::super) fn way_back(
    table: &ReleaseTable,
    running: &BTreeSet<Version>,
    operation: &Operation,
) -> Result<Option<Version>, Refusal> {
    first_open(table, running, passed(operation))
}

/// The release before the hop under way, if everything that runs may go back to it: as far as nobody is asked about.
///
/// # Errors
/// The rule that forbids it.
pub(in super::super) fn one_hop_back(
    table: &ReleaseTable,
    running: &BTreeSet<Version>,
    operation: &Operation,
) -> Result<Option<Version>, Refusal> {
    first_open(table, running, passed(operation).last())
}

/// Releases that the walk has come through, the one before the hop under way last.
fn passed(operation: &Operation) -> impl Iterator<Item = Version> {
    let hop = usize::try_from(operation.hop.max(1)).unwrap_or(1);
    operation.from.iter().chain(&operation.path).take(hop).filter_map(|text| parse_version(text).ok())
}

fn first_open(
    table: &ReleaseTable,
    running: &BTreeSet<Version>,
    stops: impl IntoIterator<Item = Version>,
) -> Result<Option<Version>, Refusal> {
    let mut refusal = None;
    for stop in stops {
        match running.iter().map(|at| table.path(at, &stop)).find_map(Result::err) {
            None => return Ok(Some(stop)),
            Some(found) => refusal = Some(found),
        }
    }
    refusal.map_or(Ok(None), Err)
}

/// From which hop on, counted from 1, there is no way back to the start, and why.
pub(super) fn point_of_no_return(table: &ReleaseTable, operation: &Operation) -> Option<(usize, Refusal)> {
    let from = operation.from.as_deref().and_then(|text| parse_version(text).ok())?;
    let stops = operation.path.iter().filter_map(|text| parse_version(text).ok());
    stops.enumerate().find_map(|(index, stop)| table.path(&stop, &from).err().map(|refusal| (index + 1, refusal)))
}
