//! The edges of the embedded table, each with what it asks for and what it refuses.

use super::super::{ConfigHow, Direction, HopKind, MachineCheck, Refusal, ReleaseTable, RunMode};
use super::{condition_codes, hop, path, refusal, rule_codes, stops, v};

#[test]
fn the_demo_upgrade_goes_through_the_newest_3_4() {
    assert_eq!(stops("3.3.11", "3.5.9"), "3.3.11 -> 3.4.10 -> 3.5.9");
    assert_eq!(stops("3.1.4", "3.5.9"), "3.1.4 -> 3.2.16 -> 3.3.22 -> 3.4.10 -> 3.5.9");
    let path = path("3.3.11", "3.5.9").unwrap();
    assert_eq!(path.direction, Direction::Upgrade);
    assert!(rule_codes(&path.hops[0]).contains(&"SR-1102"));
    assert!(path.hops.iter().all(|hop| hop.freeze.len() == 4 && hop.kind == HopKind::Minor));
}

#[test]
fn a_patch_jump_is_one_hop_without_a_freeze() {
    let path = path("3.5.3", "3.5.20").unwrap();
    assert_eq!(path.hops.len(), 1);
    let hop = &path.hops[0];
    assert_eq!((hop.kind, hop.direction), (HopKind::Patch, Direction::Upgrade));
    assert!(hop.freeze.is_empty() && hop.frontend_config_while_mixed.is_empty() && hop.frontend_config_before.is_empty());
    assert_eq!(rule_codes(hop), ["SR-1103"]);
}

#[test]
fn the_old_lines_lead_one_by_one_to_2_5_and_only_2_5_leads_to_3_0() {
    assert_eq!(stops("2.0.1", "3.0.9"), "2.0.1 -> 2.1.13 -> 2.2.13 -> 2.3.18 -> 2.4.5 -> 2.5.22 -> 3.0.9");
    let hop = hop("2.5.22", "3.0.9");
    assert_eq!(hop.kind, HopKind::Major);
    assert!(rule_codes(&hop).contains(&"SR-1120"));
    assert_eq!(condition_codes(&hop), ["SR-1203", "SR-1204"]);
    let skipped = ReleaseTable::embedded().hop(&v("2.4.5"), &v("3.0.9")).unwrap_err();
    assert!(matches!(&skipped, Refusal::NotFromLine { entry, .. } if entry.to_string() == "2.5"), "{skipped}");
}

#[test]
fn a_2_5_that_cannot_make_an_image_is_patched_before_it_is_left() {
    assert_eq!(stops("2.5.2", "3.0.9"), "2.5.2 -> 2.5.22 -> 3.0.9");
    assert_eq!(stops("2.5.3", "3.0.9"), "2.5.3 -> 3.0.9");
    assert!(matches!(ReleaseTable::embedded().hop(&v("2.5.2"), &v("3.0.9")), Err(Refusal::StartTooOld { .. })));
}

#[test]
fn only_2_4_is_the_way_back_from_2_5() {
    assert_eq!(stops("2.5.0", "2.4.5"), "2.5.0 -> 2.4.5");
    assert!(matches!(refusal("2.5.0", "2.3.18"), Refusal::DowngradeEdgeMissing { .. }));
}

#[test]
fn the_way_back_from_3_0_is_blocked_with_its_reason() {
    let refusal = refusal("3.0.9", "2.5.22");
    assert_eq!(refusal.code(), "SR-1006");
    assert!(refusal.message().contains("starrocks-bdb-je-18.3.13.jar"), "{refusal}");
    assert!(refusal.way_out().contains("restore a backup"), "{refusal}");
    assert_eq!(refusal.source(), Some("StarRocks/starrocks#20679"));
}

#[test]
fn entering_3_1_renames_a_port_and_keeps_the_storage_volume_of_shared_data() {
    let hop = hop("3.0.9", "3.1.17");
    assert_eq!(condition_codes(&hop), ["SR-1205", "SR-1206"]);
    assert!(
        matches!(&hop.conditions[0].check, Some(MachineCheck::ConfigKeyRenamed { old, new, .. }) if old == "thrift_port" && new == "be_port")
    );
    assert_eq!(hop.conditions[1].only_in, Some(RunMode::SharedData));
    assert!(rule_codes(&hop).contains(&"SR-1105"), "the reader learns that 3.1.10 is avoided");
    assert!(matches!(refusal("3.1.17", "3.0.9"), Refusal::DowngradeEdgeMissing { .. }));
}

#[test]
fn entering_3_2_asks_for_3_2_2_and_the_pipeline_engine() {
    for target in ["3.2.0", "3.2.1"] {
        for start in ["3.1.0", "3.1.2", "3.1.17"] {
            let refusal = refusal(start, target);
            assert!(matches!(&refusal, Refusal::UpgradeTargetTooOld { minimum, .. } if *minimum == v("3.2.2")), "{refusal}");
            assert_eq!(refusal.way_out(), "go to 3.2.2 or a later 3.2");
        }
    }
    let hop = hop("3.1.2", "3.2.2");
    assert_eq!(hop.sql_before[0].sql, "SET GLOBAL enable_pipeline_engine=true");
    assert!(rule_codes(&hop).contains(&"SR-1123"));
    assert_eq!(condition_codes(&hop), ["SR-1207", "SR-1208"]);
}

#[test]
fn going_back_to_3_1_asks_for_random_bucket_tables_and_for_lz4_below_3_1_14() {
    assert_eq!(hop("3.2.16", "3.1.17").conditions[0].check, Some(MachineCheck::NoRandomBucketSizeTables));
    assert!(!condition_codes(&hop("3.2.16", "3.1.14")).contains(&"SR-1210"));
    assert!(condition_codes(&hop("3.2.16", "3.1.13")).contains(&"SR-1210"));
}

#[test]
fn entering_3_3_raises_the_jdk_and_never_goes_to_3_3_10() {
    let hop = hop("3.2.16", "3.3.22");
    assert_eq!(hop.jdk, Some(11));
    assert!(rule_codes(&hop).contains(&"SR-1106"));
    assert_eq!(hop.conditions[0].check, Some(MachineCheck::JdkAtLeast { jdk: 11 }));
    let refusal = refusal("3.2.16", "3.3.10");
    assert!(matches!(&refusal, Refusal::KnownBad { instead, .. } if *instead == v("3.3.22")), "{refusal}");
}

#[test]
fn going_back_to_3_2_depends_on_how_new_the_3_3_is() {
    for (from, to) in [("3.3.8", "3.2.3"), ("3.3.9", "3.2.11"), ("3.3.22", "3.2.16")] {
        assert_eq!(stops(from, to), format!("{from} -> {to}"));
    }
    for (from, to, least) in [("3.3.8", "3.2.2", "3.2.3"), ("3.3.9", "3.2.10", "3.2.11"), ("3.3.22", "3.2.2", "3.2.11")] {
        let refusal = refusal(from, to);
        assert!(matches!(&refusal, Refusal::DowngradeTargetTooOld { minimum, .. } if *minimum == v(least)), "{refusal}");
    }
    let hop = hop("3.3.8", "3.2.7");
    assert!(hop.frontend_config_before.iter().any(|step| step.key == "history_job_keep_max_second" && step.value == "0"));
    let checks: Vec<&MachineCheck> = hop.conditions.iter().filter_map(|condition| condition.check.as_ref()).collect();
    for check in [&MachineCheck::SchemaChangesFinished, &MachineCheck::SchemaChangeHistoryEmpty, &MachineCheck::NoLz4AsyncMaterializedViews]
    {
        assert!(checks.contains(&check), "{check:?}");
    }
    assert!(!condition_codes(&super::hop("3.3.8", "3.2.8")).contains(&"SR-1214"));
}

#[test]
fn a_long_way_back_is_refused_where_one_of_its_hops_is() {
    let refusal = refusal("3.4.10", "3.2.7");
    assert!(matches!(&refusal, Refusal::DowngradeTargetTooOld { from, .. } if from.line().to_string() == "3.3"), "{refusal}");
    assert_eq!(stops("4.1.7", "3.2.16"), "4.1.7 -> 4.0.17 -> 3.5.20 -> 3.4.10 -> 3.3.22 -> 3.2.16");
}

#[test]
fn the_frontends_of_3_4_0_are_kept_from_the_metadata_of_3_3_9() {
    for start in ["3.3.9", "3.3.22"] {
        let refusal = refusal(start, "3.4.0");
        assert!(matches!(&refusal, Refusal::UpgradeTargetTooOld { minimum, .. } if *minimum == v("3.4.2")), "{refusal}");
    }
    assert_eq!(stops("3.3.8", "3.4.0"), "3.3.8 -> 3.4.0");
    assert_eq!(stops("3.2.16", "3.4.0"), "3.2.16 -> 3.3.8 -> 3.4.0");
}

#[test]
fn neither_3_4_1_nor_a_way_back_from_3_4_below_3_3_9_is_accepted() {
    assert!(matches!(refusal("3.3.22", "3.4.1"), Refusal::KnownBad { .. }));
    assert_eq!(stops("3.4.10", "3.3.9"), "3.4.10 -> 3.3.9");
    assert!(matches!(refusal("3.4.10", "3.3.8"), Refusal::DowngradeTargetTooOld { .. }));
    assert_eq!(condition_codes(&hop("3.3.22", "3.4.10")), ["SR-1215", "SR-1216", "SR-1217"]);
}

#[test]
fn a_running_bad_release_can_be_left_and_says_how() {
    assert_eq!(stops("3.3.10", "3.3.22"), "3.3.10 -> 3.3.22");
    let hop = hop("3.4.1", "3.4.10");
    assert!(rule_codes(&hop).contains(&"SR-1107"));
    assert_eq!(hop.conditions[0].check, Some(MachineCheck::NoUnpublishedCompactions));
}

#[test]
fn a_3_4_that_is_too_old_for_3_5_is_patched_first() {
    assert_eq!(stops("3.4.5", "3.5.9"), "3.4.5 -> 3.4.10 -> 3.5.9");
    assert_eq!(stops("3.4.10", "3.5.9"), "3.4.10 -> 3.5.9");
    let path = path("3.4.5", "3.5.9").unwrap();
    let why = path.hops[0].rules.iter().find(|rule| rule.code == "SR-1127").unwrap();
    assert!(why.text.starts_with("This patch hop comes first.") && why.text.contains("3.4.10"));
    let straight = ReleaseTable::embedded().hop(&v("3.4.9"), &v("3.5.9")).unwrap_err();
    assert!(matches!(straight, Refusal::StartTooOld { minimum, .. } if minimum == v("3.4.10")));
}

#[test]
fn entering_3_5_lints_java_options_for_jdk_17() {
    let hop = hop("3.4.10", "3.5.20");
    assert_eq!(hop.jdk, Some(17));
    let checks: Vec<&MachineCheck> = hop.conditions.iter().filter_map(|condition| condition.check.as_ref()).collect();
    assert!(checks.contains(&&MachineCheck::JavaOptsLint { jdk: 17 }));
    assert!(checks.contains(&&MachineCheck::NoJavaOptsForOtherJdks));
    assert_eq!(checks.iter().filter(|check| matches!(check, MachineCheck::BackendJavaOptsContain { .. })).count(), 2);
}

#[test]
fn going_back_from_3_5_respects_3_4_6_and_the_patch_crash() {
    assert_eq!(stops("3.5.20", "3.4.6"), "3.5.20 -> 3.4.6");
    assert!(matches!(refusal("3.5.20", "3.4.5"), Refusal::DowngradeTargetTooOld { .. }));
    assert_eq!(stops("3.5.20", "3.5.2"), "3.5.20 -> 3.5.2");
    assert_eq!(stops("3.5.1", "3.5.0"), "3.5.1 -> 3.5.0");
    for target in ["3.5.0", "3.5.1"] {
        let refusal = refusal("3.5.2", target);
        assert!(matches!(refusal, Refusal::PatchDowngradeBlocked { oldest: None, .. }), "{refusal}");
        let refusal = super::refusal("3.5.9", target);
        assert!(matches!(&refusal, Refusal::PatchDowngradeBlocked { oldest: Some(oldest), .. } if *oldest == v("3.5.2")), "{refusal}");
    }
}

#[test]
fn entering_4_0_notes_what_changes() {
    let hop = hop("3.5.20", "4.0.17");
    assert_eq!(hop.kind, HopKind::Major);
    assert_eq!(condition_codes(&hop), ["SR-1224", "SR-1225", "SR-1226", "SR-1227"]);
}

#[test]
fn going_back_from_4_0_switches_a_rewrite_off_exactly_where_it_must() {
    let switched_off = |from: &str, to: &str| {
        hop(from, to).sql_before.iter().any(|step| step.sql.ends_with("enable_rewrite_simple_agg_to_meta_scan=false"))
    };
    for (from, to, expected) in [
        ("4.0.2", "4.0.1", true),
        ("4.0.17", "4.0.0", true),
        ("4.0.2", "3.5.2", true),
        ("4.0.17", "3.5.10", true),
        ("4.0.17", "3.5.11", false),
        ("4.0.1", "3.5.10", false),
        ("4.0.1", "4.0.0", false),
        ("4.0.17", "4.0.2", false),
        ("4.0.1", "4.0.2", false),
    ] {
        assert_eq!(switched_off(from, to), expected, "{from} to {to}");
    }
    assert!(matches!(refusal("4.0.17", "3.5.1"), Refusal::DowngradeTargetTooOld { .. }));
}

#[test]
fn entering_4_1_patches_4_0_first_so_that_a_way_back_stays() {
    assert_eq!(stops("4.0.3", "4.1.2"), "4.0.3 -> 4.0.17 -> 4.1.2");
    assert_eq!(stops("4.0.6", "4.1.2"), "4.0.6 -> 4.1.2");
    let path = path("4.0.3", "4.1.2").unwrap();
    assert!(path.hops[0].rules.iter().any(|rule| rule.code == "SR-1131" && rule.text.contains("no way back")));
    assert!(matches!(refusal("4.0.17", "4.1.0"), Refusal::KnownBad { .. }));
    assert!(matches!(refusal("4.1.7", "4.0.5"), Refusal::DowngradeTargetTooOld { .. }));
    assert_eq!(stops("4.1.7", "4.0.6"), "4.1.7 -> 4.0.6");
}

#[test]
fn no_bad_release_is_a_target_and_each_names_another() {
    for (from, to) in
        [("3.1.4", "3.1.10"), ("3.1.17", "3.2.5"), ("3.3.1", "3.3.10"), ("3.3.22", "3.3.10"), ("3.4.0", "3.4.1"), ("4.1.7", "4.1.0")]
    {
        let refusal = refusal(from, to);
        assert_eq!(refusal.code(), "SR-1003", "{refusal}");
    }
    assert_eq!(refusal("3.3.22", "3.3.10").way_out(), "use 3.3.9 instead");
}

#[test]
fn an_unknown_line_is_refused_but_a_newer_patch_of_a_known_line_is_not() {
    assert_eq!(refusal("4.1.7", "4.2.0").code(), "SR-1002");
    assert_eq!(refusal("1.19.3", "2.5.22").code(), "SR-1001");
    assert_eq!(refusal("3.5.20", "3.7.0").code(), "SR-1001");
    let newer = hop("4.1.7", "4.1.30");
    assert!(newer.rules.iter().any(|rule| rule.code == "SR-1104" && rule.text.contains("2026-11-23")));
    assert_eq!(stops("3.4.12", "3.5.25"), "3.4.12 -> 3.5.25");
}

#[test]
fn every_downgrade_to_another_line_steps_over_unknown_journal_entries_for_a_while() {
    let hop = hop("4.0.17", "3.5.20");
    let before = hop.frontend_config_before.iter().find(|step| step.key == "ignore_unknown_log_id").unwrap();
    assert_eq!((before.value.as_str(), before.how), ("true", ConfigHow::DynamicAndUsersFile));
    let after = hop.frontend_config_after.iter().find(|step| step.key == "ignore_unknown_log_id").unwrap();
    assert_eq!(after.value, "false");
    assert!(condition_codes(&hop).contains(&"SR-1231"));
    assert!(super::hop("4.0.17", "4.0.10").frontend_config_before.is_empty());
}

#[test]
fn images_are_written_by_the_leader_only_while_versions_from_3_4_on_are_mixed() {
    let how = |from: &str, to: &str| hop(from, to).frontend_config_while_mixed.first().map(|step| step.how);
    assert_eq!(how("3.5.20", "4.0.17"), Some(ConfigHow::Dynamic));
    assert_eq!(how("3.3.22", "3.4.10"), Some(ConfigHow::OnceTheNewerLeads));
    assert_eq!(how("3.4.10", "3.3.22"), Some(ConfigHow::Dynamic));
    assert_eq!(how("3.2.16", "3.3.22"), None);
}
