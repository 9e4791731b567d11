//! What must hold before the first node of a hop is touched; everything that does not is said at once, so that one visit mends all.

use super::super::budgets;
use super::super::health;
use super::super::pulls;
use super::super::record::Checklist;
use super::super::scale;
use super::super::versions::Leg;
use super::super::view::{View, require};
use super::configuration;
use crate::model::cluster::RunMode;
use crate::model::{Component, Statement, Step, WaitingOn};
use crate::release::{self, Condition, ConditionKind, ConfigHow, ConfigStep, MachineCheck};

/// Disks fuller than this leave no room for what the new release writes (starrocks.md §11.2), in hundredths of a percent.
const DISK_USED_MAX: u32 = 8_500;

/// With more journal entries than this after the last image, something keeps the leader from making one (starrocks.md §5, §11.2).
const JOURNAL_SINCE_IMAGE_MAX: u64 = 100_000;

/// Everything that is looked at before the hop, with what keeps it from beginning.
pub(super) fn checks(view: &View<'_>, leg: &Leg, loads: Option<WaitingOn>) -> Checklist {
    let mut list = Checklist::default();
    list.add("NodesHealthy", health::of_all(view).into_iter().chain(health::of_group(view)).chain(scale::under_way(view)));
    list.add("ReplicasHealthy", health::of_replicas(view));
    if view.consents("SkipHealthGates") {
        let skipped =
            ["TabletsHealthy, DiskSpace, NoRunningJobs, MetadataImage and RoutineLoads are skipped by the consent SkipHealthGates"];
        list.note("HealthGates", skipped.map(str::to_owned));
    } else {
        list.add("TabletsHealthy", tablets(view));
        list.add("DiskSpace", disks(view));
        list.add("NoRunningJobs", jobs(view));
        list.add("MetadataImage", checkpoint(view));
        list.add("RoutineLoads", loads);
    }
    list.add("FrontendOutage", frontend_outage(view, leg));
    list.add("DisruptionBudgets", budgets::against(view, |component| leg.moves(component)));
    list.add("SingleReplicaTables", single_replica_tables(view));
    list.add("Configuration", configuration::faults(view, leg));
    list.note("ConfigurationHints", configuration::hints(view, leg));
    list.note("ImagesPresent", pulls::notes(view, leg));
    list.remark(pulls::remark(view, leg));
    list.add("Backup", view.cluster.policy.backup_required.then_some(WaitingOn::BackupMissing));
    list.note("ManualSteps", for_people(view, leg));
    list.note("ReleaseSupport", unsupported(view, leg));
    list
}

/// What of it follows from the resource and the hop alone, without asking anybody.
pub(super) fn foreseeable(view: &View<'_>, leg: &Leg) -> Vec<WaitingOn> {
    let backup = view.cluster.policy.backup_required.then_some(WaitingOn::BackupMissing);
    frontend_outage(view, leg).into_iter().chain(configuration::faults(view, leg)).chain(backup).collect()
}

/// What is known against the release that the hop goes to, though nothing forbids it.
fn unsupported(view: &View<'_>, leg: &Leg) -> Option<String> {
    let line = leg.hop.to.line();
    let label = view.cluster.releases.table().line(line)?.end_of_life.clone()?;
    Some(format!("StarRocks' documentation calls the line {line} {label}: it gets no more corrections"))
}

/// Statements that the edge asks for before the first node; idempotent, so that a lost one is simply sent again.
pub(super) fn statements(view: &View<'_>, leg: &Leg) -> Vec<Step> {
    let Some(leader) = view.leader() else { return Vec::new() };
    let of = |text: &str| {
        let (variable, value) = text.strip_prefix("SET GLOBAL ")?.split_once('=')?;
        Some(Statement::SetGlobal { variable: variable.trim().to_owned(), value: value.trim().to_owned() })
    };
    leg.hop
        .sql_before
        .iter()
        .filter_map(|step| of(&step.sql))
        .map(|statement| Step::Execute { frontend: leader.name.clone(), statement })
        .collect()
}

/// What the hop needs and the operator cannot see to: required conditions that only a person can judge, and lines of fe.conf.
pub(super) fn for_people(view: &View<'_>, leg: &Leg) -> Vec<String> {
    let stock = |check: &MachineCheck| matches!(check, MachineCheck::JdkAtLeast { .. });
    let theirs = |condition: &&Condition| {
        condition.kind == ConditionKind::Required && !condition.check.as_ref().is_some_and(|check| check.is_made() || stock(check))
    };
    let hop = format!("{} -> {}", leg.hop.from, leg.hop.to);
    let conditions = conditions(view, leg).filter(theirs).map(|condition| format!("{hop}: {} ({})", condition.text, condition.code));
    let config = &view.cluster.frontend.config;
    let in_file = |step: &&ConfigStep| {
        let wanted = matches!(step.how, ConfigHow::DynamicAndUsersFile | ConfigHow::UsersFile);
        wanted && config.get(&step.key).is_none_or(|present| !present.trim().eq_ignore_ascii_case(&step.value))
    };
    let lines = leg.hop.frontend_config_before.iter().filter(in_file).map(|step| {
        let why = step.why.trim_end_matches('.');
        format!(
            "{hop}: fe.conf should hold {} = {} until the hop is over ({why}); the operator does not write fe.conf",
            step.key, step.value
        )
    });
    let afterwards =
        leg.hop.sql_after.iter().map(|step| format!("{hop}: when it is over, run {} ({}; {})", step.sql, step.why, step.source));
    conditions.chain(lines).chain(afterwards).collect()
}

pub(super) fn conditions<'l>(view: &View<'_>, leg: &'l Leg) -> impl Iterator<Item = &'l Condition> + use<'l> {
    let mode = match view.cluster.run_mode {
        RunMode::SharedNothing => release::RunMode::SharedNothing,
        RunMode::SharedData => release::RunMode::SharedData,
    };
    leg.hop.conditions.iter().filter(move |condition| condition.only_in.is_none_or(|only| only == mode))
}

fn tablets(view: &View<'_>) -> Option<WaitingOn> {
    if view.cluster.run_mode == RunMode::SharedData || view.cluster.backend.is_none() {
        return None;
    }
    match require(&view.observed.group.statistic, "SHOW PROC '/statistic'") {
        Ok(statistic) if statistic.unhealthy == 0 && statistic.inconsistent == 0 => None,
        Ok(statistic) => Some(WaitingOn::TabletsUnhealthy { unhealthy: statistic.unhealthy.max(statistic.inconsistent) }),
        Err(wait) => Some(wait),
    }
}

fn disks(view: &View<'_>) -> Vec<WaitingOn> {
    let full = |used: u32| used >= DISK_USED_MAX;
    let rows = view.node_rows(Component::Backend).into_iter().flatten();
    rows.filter_map(|row| {
        let used = row.max_disk_used_basis_points.filter(|used| full(*used))?;
        Some(WaitingOn::DiskFull { pod: health::pod_label(&row.host), used_percent: used / 100 })
    })
    .collect()
}

fn checkpoint(view: &View<'_>) -> Option<WaitingOn> {
    match require(&view.observed.group.journal_since_image, "starrocks_fe_meta_log_count in /metrics of the leader") {
        Ok(entries) if *entries < JOURNAL_SINCE_IMAGE_MAX => None,
        Ok(entries) => Some(WaitingOn::CheckpointOverdue { entries: *entries }),
        Err(wait) => Some(wait),
    }
}

fn jobs(view: &View<'_>) -> Option<WaitingOn> {
    match require(&view.observed.group.running_jobs, "running jobs") {
        Ok(jobs) if jobs.is_empty() => None,
        Ok(jobs) => Some(WaitingOn::JobsRunning { jobs: jobs.clone() }),
        Err(wait) => Some(wait),
    }
}

/// Schema changes that have ended and are still on record, where the target release cannot read them. The frontends forget them once the
/// settings of the edge are in force.
pub(super) fn remembered_schema_changes(view: &View<'_>, leg: &Leg) -> Option<WaitingOn> {
    let must_be_none = conditions(view, leg).any(|condition| condition.check == Some(MachineCheck::SchemaChangeHistoryEmpty));
    if !must_be_none || view.consents("SkipHealthGates") {
        return None;
    }
    match require(&view.observed.group.schema_changes, "SHOW ALTER TABLE COLUMN") {
        Ok(0) => None,
        Ok(count) => Some(WaitingOn::SchemaChangesRemembered { count: *count }),
        Err(wait) => Some(wait),
    }
}

fn frontend_outage(view: &View<'_>, leg: &Leg) -> Option<WaitingOn> {
    let frontends = view.fleet(Component::Frontend).map_or(0, super::super::view::Fleet::live_replicas);
    let needed = leg.moves_frontends() && frontends < 3 && !view.consents("SingleFrontendOutage");
    needed.then(|| WaitingOn::ConsentNeeded {
        consent: "SingleFrontendOutage".to_owned(),
        detail: format!("with {frontends} frontend(s) nobody can query or load while one restarts"),
    })
}

fn single_replica_tables(view: &View<'_>) -> Option<WaitingOn> {
    let keeps_tablets = view.cluster.backend.is_some() && view.cluster.run_mode == RunMode::SharedNothing;
    if !keeps_tablets || view.consents("SingleReplicaTables") {
        return None;
    }
    match require(&view.observed.group.single_replica_tables, "tables with a single replica") {
        Ok(0) => None,
        Ok(tables) => Some(WaitingOn::ConsentNeeded {
            consent: "SingleReplicaTables".to_owned(),
            detail: format!("{tables} partitions of user tables have a single replica and are unavailable while their backend restarts"),
        }),
        Err(wait) => Some(wait),
    }
}
