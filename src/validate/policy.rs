//! Upgrade policy, credentials and disaster recovery as written in, with their defaults out; never reads a Secret.

use std::time::Duration;

use k8s_openapi::api::core::v1::EnvVar;

use super::fault::{Findings, Rule};
use crate::api::{self, Consent, Credentials, UpgradePolicy};
use crate::model::cluster::{DisasterRecovery, LoginSource, MountInfo, Policy, RunMode, ValueSource, Workload, given};

const CANARY_SOAK_SECONDS: i32 = 30;
const NODE_TIMEOUT_SECONDS: i32 = 600;

/// Reads `upgradePolicy`.
pub(super) fn policy(written: Option<&UpgradePolicy>, findings: &mut Findings) -> Policy {
    let absent = UpgradePolicy::default();
    // What a channel may do by itself is read with the channel.
    let UpgradePolicy { paused, automatic: _, approved_version: _, canary_soak_seconds, node_timeout_seconds, consents } =
        written.unwrap_or(&absent);
    for (index, consent) in consents.iter().enumerate() {
        if let Consent::Other(word) = consent {
            findings.fault(
                Rule::PolicyRange,
                format!("spec.upgradePolicy.consents[{index}]"),
                format!("{word:?} is no risk that this operator knows"),
                format!("Write one of {}", Consent::KNOWN.join(", ")),
            );
        }
    }
    Policy {
        paused: paused.unwrap_or(false),
        canary_soak: seconds("canarySoakSeconds", *canary_soak_seconds, CANARY_SOAK_SECONDS, 0, 86_400, findings),
        // After 900 s StarRocks begins to copy the tablets of a lost backend elsewhere.
        node_timeout: seconds("nodeTimeoutSeconds", *node_timeout_seconds, NODE_TIMEOUT_SECONDS, 30, 850, findings),
        consents: consents.iter().map(ToString::to_string).collect(),
    }
}

fn seconds(field: &str, written: Option<i32>, default: i32, min: i32, max: i32, findings: &mut Findings) -> Duration {
    let seconds = written.unwrap_or(default);
    if !(min..=max).contains(&seconds) {
        findings.fault(
            Rule::PolicyRange,
            format!("spec.upgradePolicy.{field}"),
            format!("{seconds} does not lie between {min} and {max}"),
            format!("Write a number from {min} to {max}, or take the field away for {default}"),
        );
    }
    Duration::from_secs(u64::from(seconds.unsigned_abs()))
}

/// Where the login comes from: the Secret that is named, else root with the password that the components are given, in the
/// order frontends, backends, compute nodes; else root without a password.
pub(super) fn login<'a>(
    credentials: Option<&Credentials>,
    workloads: impl IntoIterator<Item = &'a Workload>,
    findings: &mut Findings,
) -> LoginSource {
    let root = || ValueSource::Literal("root".to_owned());
    if let Some(Credentials { secret_name, user_key, password_key }) = credentials {
        if secret_name.is_empty() {
            findings.fault(
                Rule::CredentialsSecret,
                "spec.credentials.secretName",
                "credentials need the name of a Secret",
                "Name the Secret, or take credentials away to use root",
            );
        }
        let secret = |key: &str| ValueSource::Secret { name: secret_name.clone(), key: key.to_owned() };
        return LoginSource {
            user: given(user_key).map_or_else(root, secret),
            password: secret(given(password_key).unwrap_or("password")),
        };
    }
    let password = workloads.into_iter().find_map(|workload| workload.env.iter().find_map(password_of));
    LoginSource { user: root(), password: password.unwrap_or_else(|| ValueSource::Literal(String::new())) }
}

fn password_of(variable: &EnvVar) -> Option<ValueSource> {
    if variable.name != "MYSQL_PWD" {
        return None;
    }
    let Some(source) = &variable.value_from else { return Some(ValueSource::Literal(variable.value.clone().unwrap_or_default())) };
    let secret = source.secret_key_ref.as_ref().map(|secret| ValueSource::Secret { name: secret.name.clone(), key: secret.key.clone() });
    secret.or_else(|| source.config_map_key_ref.as_ref().map(|map| ValueSource::ConfigMap { name: map.name.clone(), key: map.key.clone() }))
}

/// Reads `disasterRecovery`, which only a shared-data cluster can do.
pub(super) fn recovery(
    written: Option<&api::DisasterRecovery>,
    run_mode: RunMode,
    frontend: &Workload,
    findings: &mut Findings,
) -> Option<DisasterRecovery> {
    let api::DisasterRecovery { enabled, generation } = written?;
    if *enabled != Some(true) {
        return None;
    }
    if run_mode == RunMode::SharedNothing {
        findings.advise(
            Rule::IgnoredField,
            "spec.disasterRecovery",
            "a cluster that keeps its data on backends cannot be recovered from a snapshot",
        );
        return None;
    }
    let names_snapshot = |mount: &MountInfo| {
        let directory = given(&mount.mount_path).unwrap_or_default().trim_end_matches('/');
        given(&mount.sub_path).unwrap_or_default().contains("cluster_snapshot.yaml") || directory.ends_with("fe/conf")
    };
    let snapshot_mounted = frontend.spec.config_maps.iter().any(names_snapshot);
    Some(DisasterRecovery { generation: generation.unwrap_or(0), snapshot_mounted })
}
