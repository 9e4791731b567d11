//! Everything between a sent object and its commit, in the server's order: decoding, defaulting, allocation, validation; commits nothing.

use serde_json::Value;

use super::decode::{self, Findings, Reader};
use super::error::{ApiError, FieldFault};
use super::options::{FieldValidation, WriteOptions};
use super::registry::Origin;
use super::store::Store;
use super::write::Target;
use super::{allocation, defaults, definition, schema_check, strategy, validation};

/// Prepares an object for its commit or refuses it; `live` is the stored object and whether only its status is written.
pub(super) fn admit(
    store: &Store,
    target: &Target,
    object: &mut Value,
    live: Option<(&Value, bool)>,
    options: &WriteOptions,
) -> Result<Vec<String>, ApiError> {
    let schema = target.schema();
    let reader = match target.resource.origin {
        Origin::BuiltIn => Reader::BuiltIn,
        Origin::Custom => Reader::Custom,
    };
    let findings = decode::decode(object, schema, reader);
    let warnings = judge_decoding(target, &findings, options)?;
    let before = live.map(|(live, _)| live);
    let status_only = live.is_some_and(|(_, status_only)| status_only);
    let mut faults = Vec::new();
    match target.resource.origin {
        Origin::Custom => {
            decode::fill_defaults(object, schema);
            faults.extend(validation::metadata(target, object, before));
            faults.extend(schema_check::faults(object, before, schema));
        }
        Origin::BuiltIn => {
            strategy::drop_disabled(&target.key.kind, object);
            defaults::fill(object, schema);
            if target.key.kind == "CustomResourceDefinition" {
                definition::complete(object);
            }
            if !status_only {
                faults.extend(allocation::allocate(store, &target.key, object, before));
            }
            faults.extend(validation::metadata(target, object, before));
            if !status_only {
                faults.extend(validation::object(&target.key.kind, object, before));
            }
        }
    }
    refuse(target, &faults)?;
    if target.key.kind == "CustomResourceDefinition" && !status_only {
        definition::check(object)?;
        check_kind_is_free(store, target, object)?;
    }
    Ok(warnings)
}

/// Kinds are told apart by their name alone here, so a second group cannot bring the same one.
fn check_kind_is_free(store: &Store, target: &Target, definition: &Value) -> Result<(), ApiError> {
    let (kind, group) = (&definition["spec"]["names"]["kind"], &definition["spec"]["group"]);
    let taken = kind.as_str().and_then(|kind| store.registry().kind(kind)).filter(|resource| *group != resource.group);
    let Some(taken) = taken else { return Ok(()) };
    let detail = format!("the embedded API already serves this kind in group {:?}", taken.group);
    refuse(target, &[FieldFault::invalid("spec.names.kind", kind, &detail)])
}

fn judge_decoding(target: &Target, findings: &Findings, options: &WriteOptions) -> Result<Vec<String>, ApiError> {
    let kind = &target.resource.kind;
    let fail =
        |why: &str| ApiError::bad_request(format!("{kind} in version \"{}\" cannot be handled as a {kind}: {why}", target.version.name));
    if let Some(unreadable) = &findings.unreadable {
        return Err(fail(unreadable));
    }
    let unknown: Vec<String> = findings.unknown.iter().map(|path| format!("unknown field \"{path}\"")).collect();
    match options.field_validation {
        FieldValidation::Ignore => Ok(Vec::new()),
        FieldValidation::Warn => Ok(unknown),
        FieldValidation::Strict if unknown.is_empty() => Ok(Vec::new()),
        FieldValidation::Strict => Err(fail(&format!("strict decoding error: {}", unknown.join(", ")))),
    }
}

fn refuse(target: &Target, faults: &[FieldFault]) -> Result<(), ApiError> {
    if faults.is_empty() {
        return Ok(());
    }
    Err(ApiError::invalid(&target.resource.group, &target.resource.kind, &target.key.name, faults))
}
