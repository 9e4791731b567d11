//! A StarRocksVersionCatalog that is made or changed in, what of it cannot be read out; whether it fits the other catalogs, which are not seen, is warned of.

use std::collections::BTreeMap;

use super::judge::{Change, new_faults, parse};
use super::review::Verdict;
use super::warnings;
use crate::api::StarRocksVersionCatalog;
use crate::release::{Catalog, CatalogFault, FaultKind};
use crate::validate;

/// Judges a StarRocksVersionCatalog.
pub(super) fn judge(change: &Change<'_>) -> Verdict {
    let code = FaultKind::Unreadable.code();
    let former = change.before.map(|before| parse::<StarRocksVersionCatalog>(before, code));
    let resource = match parse::<StarRocksVersionCatalog>(change.after, code) {
        Ok(resource) => resource,
        Err(why) if matches!(former, Some(Err(_))) => return Verdict::warned(warnings::lines(vec![why])),
        Err(why) => return Verdict::refused(vec![why]),
    };
    let source = match validate::catalog(&resource.spec) {
        Ok(source) => source,
        Err(faults) => {
            let known = match &former {
                Some(Ok(former)) => validate::catalog(&former.spec).err().unwrap_or_default(),
                Some(Err(_)) => return Verdict::default(),
                None => Vec::new(),
            };
            let refused = new_faults(&known, &faults, |fault| (fault.code, &fault.field), ToString::to_string);
            if refused.is_empty() {
                return Verdict::warned(warnings::lines(left_out(&faults)));
            }
            return Verdict::refused(refused);
        }
    };
    let name = resource.metadata.name.unwrap_or_default();
    let merged = Catalog::merged(&BTreeMap::from([(name.clone(), source)]));
    let faults = merged.faults.get(&name).map(Vec::as_slice).unwrap_or_default();
    Verdict::warned(warnings::lines(left_out(faults)))
}

/// A catalog with a fault is left out as a whole.
fn left_out(faults: &[CatalogFault]) -> Vec<String> {
    faults.iter().map(|fault| format!("unless another catalog mends it, this one will be left out. {fault}")).collect()
}
