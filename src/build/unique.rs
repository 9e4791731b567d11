//! Lists as users write them in, lists in which each key stands once out; never loses what reaches a process.
//!
//! Kubernetes stores a list with the same key twice, and server-side apply refuses to write one.

use k8s_openapi::api::core::v1::{Container, EnvVar, HostAlias, LocalObjectReference};

/// Each variable once, in its first place and with its last value: that is the value that reaches the process.
pub(super) fn variables(written: &[EnvVar]) -> Vec<EnvVar> {
    let mut kept: Vec<EnvVar> = Vec::with_capacity(written.len());
    for variable in written {
        match kept.iter_mut().find(|earlier| earlier.name == variable.name) {
            Some(earlier) => *earlier = variable.clone(),
            None => kept.push(variable.clone()),
        }
    }
    kept
}

/// Containers whose variables stand once each.
pub(super) fn containers(written: &[Container]) -> Vec<Container> {
    let tidied = |container: &Container| Container { env: container.env.as_deref().map(variables), ..container.clone() };
    written.iter().map(tidied).collect()
}

/// Each Secret once.
pub(super) fn secrets(written: &[LocalObjectReference]) -> Vec<LocalObjectReference> {
    let mut kept: Vec<LocalObjectReference> = Vec::with_capacity(written.len());
    for secret in written {
        if !kept.contains(secret) {
            kept.push(secret.clone());
        }
    }
    kept
}

/// Each address once, with all names that it was given.
pub(super) fn hosts(written: &[HostAlias]) -> Vec<HostAlias> {
    let mut kept: Vec<HostAlias> = Vec::with_capacity(written.len());
    for alias in written {
        match kept.iter_mut().find(|earlier| earlier.ip == alias.ip) {
            Some(earlier) => earlier.hostnames.get_or_insert_default().extend(alias.hostnames.iter().flatten().cloned()),
            None => kept.push(alias.clone()),
        }
    }
    kept
}
