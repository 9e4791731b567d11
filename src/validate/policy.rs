//! Upgrade policy, credentials and disaster recovery as written in, with their defaults out; never reads a Secret.

use std::time::Duration;

use k8s_openapi::api::core::v1::EnvVar;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::canary;
use super::fault::{Findings, Rule};
use crate::api::{self, Approval, Consent, Credentials, MaintenanceWindow, OnFailure, UpgradePolicy, Weekday};
use crate::model::cluster::{ApprovalScope, DisasterRecovery, LoginSource, MountInfo, Policy, RunMode, ValueSource, Workload, given};
use crate::model::{ConfigurationUpdate, Share, Window, WindowFault};

const CANARY_SOAK_SECONDS: i32 = 30;
const NODE_TIMEOUT_SECONDS: i32 = 600;
/// More nodes than this at once are a mistake.
const MOST_NODES: u32 = 1_000;

/// Reads `upgradePolicy`.
pub(super) fn policy(written: Option<&UpgradePolicy>, findings: &mut Findings) -> Policy {
    let absent = UpgradePolicy::default();
    let UpgradePolicy {
        paused,
        // What a channel may do by itself is read with the channel.
        automatic: _,
        approved_version: _,
        canary_soak_seconds,
        canary: watched,
        node_timeout_seconds,
        drain_seconds,
        max_unavailable_compute_nodes,
        approval,
        maintenance_windows,
        on_failure,
        backup_required,
        pre_pull_images,
        consents,
    } = written.unwrap_or(&absent);
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
        canary: canary::canary(watched.as_ref(), findings),
        // After 900 s StarRocks begins to copy the tablets of a lost backend elsewhere.
        node_timeout: seconds("nodeTimeoutSeconds", *node_timeout_seconds, NODE_TIMEOUT_SECONDS, 30, 850, findings),
        drain: seconds("drainSeconds", *drain_seconds, 0, 0, 3_600, findings),
        compute_nodes_at_once: share("maxUnavailableComputeNodes", max_unavailable_compute_nodes.as_ref(), findings),
        approval: scope(approval.as_ref(), findings),
        windows: maintenance_windows.iter().enumerate().filter_map(|(index, written)| window(index, written, findings)).collect(),
        rolls_back: rolls_back(on_failure.as_ref(), findings),
        backup_required: backup_required.unwrap_or(false),
        pre_pull: pre_pull_images.unwrap_or(false),
        consents: consents.iter().map(ToString::to_string).collect(),
    }
}

/// A number of nodes or a percentage of them; one when nothing is written.
fn share(field: &str, written: Option<&IntOrString>, findings: &mut Findings) -> Share {
    let (text, share) = match written {
        None => return Share::Count(1),
        Some(IntOrString::Int(count)) => {
            (count.to_string(), u32::try_from(*count).ok().filter(|count| (1..=MOST_NODES).contains(count)).map(Share::Count))
        }
        Some(IntOrString::String(text)) => {
            let percent = text.strip_suffix('%').filter(|digits| !digits.starts_with(['0', '+'])).and_then(|digits| digits.parse().ok());
            (format!("{text:?}"), percent.filter(|percent| (1..=100).contains(percent)).map(Share::Percent))
        }
    };
    share.unwrap_or_else(|| {
        findings.fault(
            Rule::PolicyRange,
            format!("spec.upgradePolicy.{field}"),
            format!("{text} is neither a number from 1 to {MOST_NODES} nor a percentage from 1% to 100%"),
            "Write a number such as 2 or a percentage such as 25%, or take the field away for 1",
        );
        Share::Count(1)
    })
}

fn scope(written: Option<&Approval>, findings: &mut Findings) -> ApprovalScope {
    match written {
        None | Some(Approval::None) => ApprovalScope::Nothing,
        Some(Approval::Once) => ApprovalScope::Whole,
        Some(Approval::PerHop) => ApprovalScope::Hop,
        Some(Approval::PerComponent) => ApprovalScope::Component,
        Some(Approval::Other(word)) => {
            unknown_word("approval", word, Approval::KNOWN, findings);
            ApprovalScope::Component
        }
    }
}

fn rolls_back(written: Option<&OnFailure>, findings: &mut Findings) -> bool {
    if let Some(OnFailure::Other(word)) = written {
        unknown_word("onFailure", word, OnFailure::KNOWN, findings);
    }
    written == Some(&OnFailure::RollBack)
}

/// Reads `configurationUpdate`.
pub(super) fn configuration_update(written: Option<&api::ConfigurationUpdate>, findings: &mut Findings) -> Option<ConfigurationUpdate> {
    match written? {
        api::ConfigurationUpdate::Live => Some(ConfigurationUpdate::Live),
        api::ConfigurationUpdate::Restart => Some(ConfigurationUpdate::Restart),
        api::ConfigurationUpdate::Other(word) => {
            findings.fault(
                Rule::Word,
                "spec.configurationUpdate",
                format!("{word:?} is no word that this operator knows"),
                format!("Write one of {}", api::ConfigurationUpdate::KNOWN.join(", ")),
            );
            None
        }
    }
}

fn unknown_word(field: &str, word: &str, known: &[&str], findings: &mut Findings) {
    findings.fault(
        Rule::PolicyRange,
        format!("spec.upgradePolicy.{field}"),
        format!("{word:?} is no word that this operator knows"),
        format!("Write one of {}", known.join(", ")),
    );
}

fn window(index: usize, written: &MaintenanceWindow, findings: &mut Findings) -> Option<Window> {
    let at = |field: &str| format!("spec.upgradePolicy.maintenanceWindows[{index}]{field}");
    let MaintenanceWindow { days, start, duration_minutes, time_zone } = written;
    let mut numbers = Vec::with_capacity(days.len());
    for (place, day) in days.iter().enumerate() {
        match Weekday::KNOWN.iter().position(|known| *known == day.as_str()).and_then(|number| u8::try_from(number).ok()) {
            Some(number) => numbers.push(number),
            None => findings.fault(
                Rule::PolicyRange,
                at(&format!(".days[{place}]")),
                format!("{day} is no day of the week"),
                format!("Write one of {}", Weekday::KNOWN.join(", ")),
            ),
        }
    }
    let minutes = u32::try_from(*duration_minutes).unwrap_or(0);
    let (field, problem, way_out) = match Window::new(numbers, start, minutes, given(time_zone)) {
        Ok(window) => return Some(window),
        Err(WindowFault::Start) => (".start", format!("{start:?} is no time of day"), "Write hours and minutes, such as 22:30".to_owned()),
        Err(WindowFault::Duration) => (
            ".durationMinutes",
            format!("{duration_minutes} does not lie between 1 and {}", Window::MINUTES_MAX),
            "Write the minutes for which the window is open, at most a week".to_owned(),
        ),
        Err(WindowFault::Zone) => (
            ".timeZone",
            format!("{} is no time zone that this operator knows", given(time_zone).unwrap_or_default()),
            "Write an IANA name such as Europe/Berlin, or take the field away for UTC".to_owned(),
        ),
    };
    findings.fault(Rule::PolicyRange, at(field), problem, way_out);
    None
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
