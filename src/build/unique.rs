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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_stands_twice_stands_once_with_what_reaches_the_process() {
        let variable = |name: &str, value: &str| EnvVar { name: name.into(), value: Some(value.into()), value_from: None };
        let written = [variable("TZ", "UTC"), variable("A", "$(TZ)"), variable("TZ", "Asia/Shanghai")];
        assert_eq!(variables(&written), [variable("TZ", "Asia/Shanghai"), variable("A", "$(TZ)")]);
        let secret = |name: &str| LocalObjectReference { name: name.into() };
        assert_eq!(secrets(&[secret("a"), secret("b"), secret("a")]), [secret("a"), secret("b")]);
        let alias =
            |ip: &str, names: &[&str]| HostAlias { ip: ip.into(), hostnames: Some(names.iter().map(|name| (*name).to_owned()).collect()) };
        let written = [alias("10.0.0.1", &["a"]), alias("10.0.0.2", &["b"]), alias("10.0.0.1", &["c"])];
        assert_eq!(hosts(&written), [alias("10.0.0.1", &["a", "c"]), alias("10.0.0.2", &["b"])]);
    }
}
