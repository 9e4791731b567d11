//! Configuration files in, values out; and the frontend parameters that `ADMIN SET` knows, with their types, aliases and defaults.

use std::collections::BTreeMap;

use super::version::Release;

/// What a parameter's text must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Int,
    Long,
    Boolean,
    Text,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Long => "long",
            Self::Boolean => "boolean",
            Self::Text => "String",
        }
    }

    /// Whether a frontend could read the text as this type.
    pub(super) fn accepts(self, text: &str) -> bool {
        match self {
            Self::Int => text.trim().parse::<i32>().is_ok(),
            Self::Long => text.trim().parse::<i64>().is_ok(),
            Self::Boolean => matches!(text.trim().to_ascii_lowercase().as_str(), "true" | "false"),
            Self::Text => true,
        }
    }
}

/// One frontend parameter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameter {
    pub(super) key: &'static str,
    pub(super) alias: Option<&'static str>,
    pub(super) default: &'static str,
    pub(super) kind: Kind,
    pub(super) mutable: bool,
    /// First line that has it.
    pub(super) since: (u16, u16),
}

const fn mutable(key: &'static str, alias: Option<&'static str>, default: &'static str, kind: Kind) -> Parameter {
    Parameter { key, alias, default, kind, mutable: true, since: (2, 0) }
}

const fn fixed(key: &'static str, default: &'static str, kind: Kind) -> Parameter {
    Parameter { key, alias: None, default, kind, mutable: false, since: (2, 0) }
}

/// Names, aliases and defaults as `ADMIN SHOW FRONTEND CONFIG` answered (recording cfg35; real-fe.md §5, §11; starrocks.md §2.1).
pub(super) const PARAMETERS: &[Parameter] = &[
    mutable("alter_scheduler_interval_millisecond", None, "10000", Kind::Int),
    fixed("bdbje_heartbeat_timeout_second", "30", Kind::Int),
    fixed("bdbje_replica_ack_timeout_second", "10", Kind::Int),
    Parameter { since: (3, 4), ..mutable("checkpoint_only_on_leader", None, "false", Kind::Boolean) },
    mutable("checkpoint_timeout_seconds", None, "86400", Kind::Long),
    mutable("default_replication_num", None, "3", Kind::Int),
    mutable("drop_backend_after_decommission", None, "true", Kind::Boolean),
    fixed("edit_log_port", "9010", Kind::Int),
    mutable("edit_log_roll_num", None, "50000", Kind::Int),
    mutable("history_job_keep_max_second", None, "604800", Kind::Int),
    fixed("http_port", "8030", Kind::Int),
    mutable("max_bdbje_clock_delta_ms", None, "5000", Kind::Long),
    mutable("max_running_txn_num_per_db", None, "1000", Kind::Int),
    fixed("meta_delay_toleration_second", "300", Kind::Int),
    fixed("meta_dir", "${STARROCKS_HOME}/meta", Kind::Text),
    mutable("metadata_ignore_unknown_operation_type", Some("ignore_unknown_log_id"), "false", Kind::Boolean),
    mutable("pipe_scheduler_interval_millis", None, "1000", Kind::Int),
    fixed("query_port", "9030", Kind::Int),
    mutable("routine_load_scheduler_interval_millisecond", None, "10000", Kind::Int),
    fixed("rpc_port", "9020", Kind::Int),
    fixed("run_mode", "shared_nothing", Kind::Text),
    mutable("tablet_sched_be_down_tolerate_time_s", None, "900", Kind::Long),
    mutable("tablet_sched_checker_interval_seconds", Some("tablet_checker_interval_seconds"), "20", Kind::Int),
    mutable("tablet_sched_consecutive_full_clone_delay_sec", None, "180", Kind::Long),
    mutable("tablet_sched_disable_balance", Some("disable_balance"), "false", Kind::Boolean),
    mutable("tablet_sched_disable_colocate_balance", Some("disable_colocate_balance"), "false", Kind::Boolean),
    mutable("tablet_sched_disable_colocate_overall_balance", None, "true", Kind::Boolean),
    mutable("tablet_sched_max_balancing_tablets", Some("max_balancing_tablets"), "500", Kind::Int),
    mutable("tablet_sched_max_not_being_scheduled_interval_ms", None, "900000", Kind::Long),
    mutable("tablet_sched_max_scheduling_tablets", Some("max_scheduling_tablets"), "10000", Kind::Int),
    mutable("tablet_sched_repair_delay_factor_second", Some("tablet_repair_delay_factor_second"), "60", Kind::Long),
    mutable("tablet_sched_slot_num_per_path", Some("schedule_slot_num_per_path"), "8", Kind::Int),
];

/// The parameter of that name or alias, if a frontend of that release has it.
pub(super) fn find(name: &str, release: Release) -> Option<&'static Parameter> {
    PARAMETERS.iter().find(|parameter| {
        release.line() >= parameter.since
            && (parameter.key.eq_ignore_ascii_case(name) || parameter.alias.is_some_and(|alias| alias.eq_ignore_ascii_case(name)))
    })
}

/// Reads `key = value` lines of an fe.conf or be.conf; later lines win, `#` starts a comment line.
pub(super) fn parse_configuration(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim().to_owned(), value.trim().trim_matches('"').to_owned()))
        .collect()
}

/// SQL `LIKE` without escapes: `%` any text, `_` any character; ASCII letters compare without case.
pub(super) fn like(pattern: &str, text: &str) -> bool {
    fn matches(pattern: &[u8], text: &[u8]) -> bool {
        match pattern.split_first() {
            None => text.is_empty(),
            Some((b'%', rest)) => (0..=text.len()).any(|skipped| matches(rest, &text[skipped..])),
            Some((b'_', rest)) => !text.is_empty() && matches(rest, &text[1..]),
            Some((wanted, rest)) => text.first().is_some_and(|found| found.eq_ignore_ascii_case(wanted)) && matches(rest, &text[1..]),
        }
    }
    matches(pattern.as_bytes(), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_files_keep_the_last_value_of_a_key() {
        let read = parse_configuration("# c\nhttp_port = 8031\nJAVA_OPTS=\"-Xmx1g -XX:+A\"\nhttp_port=8032\n");
        assert_eq!(read["http_port"], "8032");
        assert_eq!(read["JAVA_OPTS"], "-Xmx1g -XX:+A");
    }

    #[test]
    fn a_pattern_matches_like_sql_does() {
        assert!(like("tablet_sched_disable%", "tablet_sched_disable_balance"));
        assert!(like("%schedul%", "pipe_scheduler_interval_millis"));
        assert!(!like("disable", "disable_balance"));
    }

    #[test]
    fn a_parameter_is_found_by_its_alias_and_only_in_the_lines_that_have_it() {
        assert_eq!(find("disable_balance", Release::new(3, 5, 0)).map(|found| found.key), Some("tablet_sched_disable_balance"));
        assert!(find("checkpoint_only_on_leader", Release::new(3, 3, 0)).is_none());
    }
}
