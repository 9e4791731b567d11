//! Promises of catalogs: what they add and forbid, that they loosen nothing by accident, and that merging is total, idempotent and without an order.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::release::{Path, Range, Refusal};

fn v(text: &str) -> Version {
    text.parse().unwrap()
}

fn range(text: &str) -> Option<Range> {
    Some(Range::parse(text).unwrap())
}

fn release(version: &str, state: State) -> Release {
    Release::new(v(version), state)
}

fn entry(version: &str, replaces: Option<&str>) -> Entry {
    Entry { version: v(version), replaces: replaces.map(v), skips: Default::default(), skip_range: None }
}

fn channel(name: &str, entries: Vec<Entry>) -> Channel {
    Channel { name: name.to_owned(), entries }
}

fn of_releases(releases: Vec<Release>) -> CatalogSource {
    CatalogSource { releases, ..CatalogSource::default() }
}

fn of_channel(channel: Channel) -> CatalogSource {
    CatalogSource { channels: vec![channel], ..CatalogSource::default() }
}

fn merged(sources: Vec<(&str, CatalogSource)>) -> Merged {
    Catalog::merged(&sources.into_iter().map(|(name, source)| (name.to_owned(), source)).collect())
}

fn sound(source: CatalogSource) -> Catalog {
    let merged = merged(vec![("mine", source)]);
    assert_eq!(merged.faults, BTreeMap::new());
    merged.catalog
}

fn faults(source: CatalogSource) -> Vec<(&'static str, String)> {
    let merged = merged(vec![("mine", source)]);
    assert_eq!(merged.catalog, *Catalog::embedded(), "a broken catalog contributes nothing");
    let found = merged.faults.get("mine").cloned().unwrap_or_default();
    assert!(found.iter().all(|fault| !fault.way_out.is_empty() && !fault.rule.is_empty()));
    found.into_iter().map(|fault| (fault.code, fault.field)).collect()
}

fn path(catalog: &Catalog, from: &str, to: &str) -> Result<Path, Refusal> {
    catalog.table().path(&v(from), &v(to))
}

fn stops(catalog: &Catalog, from: &str, to: &str) -> String {
    path(catalog, from, to).unwrap_or_else(|refusal| panic!("{from} to {to}: {refusal}")).to_string()
}

fn code(catalog: &Catalog, from: &str, to: &str) -> &'static str {
    path(catalog, from, to).expect_err("must be refused").code()
}

#[test]
fn every_line_has_a_channel_and_those_of_old_lines_say_so() {
    let catalog = Catalog::embedded();
    for facts in catalog.table().lines() {
        let name = format!("stable-{}", facts.line);
        assert_eq!(catalog.head(&name), Some(facts.newest));
        let first = facts.line.patch(0);
        assert_eq!(catalog.next_in(&name, &first), Some(facts.newest).filter(|newest| *newest > first));
        assert_eq!(catalog.next_in(&name, &facts.newest), None);
        let words = catalog.deprecation(&Deprecated::Channel(name));
        assert_eq!(words.is_some(), facts.end_of_life.is_some(), "{}", facts.line);
    }
    assert_eq!(catalog.next_in("stable-3.3", &v("3.3.10")), Some(v("3.3.22")), "a withdrawn release is left as well");
    assert_eq!(catalog.next_in("stable-4.0", &v("3.5.20")), None, "a channel of a line does not lead into it");
    let words = catalog.deprecation(&Deprecated::Channel("stable-3.4".to_owned())).unwrap();
    assert!(words.contains("3.4") && words.contains("stable-3.5"), "{words}");
}

#[test]
fn the_catalog_that_is_shipped_is_sound_and_merging_it_once_more_changes_nothing() {
    let shipped = default_source(ReleaseTable::embedded());
    assert_eq!(sound(shipped.clone()), *Catalog::embedded());
    assert_eq!(merged(vec![("a", shipped.clone()), ("b", shipped)]).catalog, *Catalog::embedded());
    assert_eq!(Catalog::embedded().image(Component::Backend, &v("3.5.20")).unwrap().to_string(), "starrocks/be-ubuntu:3.5.20");
    assert_eq!(Catalog::embedded().release(&v("3.4.1")).unwrap().state, State::Withdrawn);
    assert_eq!(Catalog::embedded().release(&v("3.5.20")).unwrap().state, State::Recommended);
    assert_eq!(Catalog::embedded().release(&v("3.5.25")), None);
}

#[test]
fn a_newer_patch_becomes_the_stop_of_its_line_and_those_before_it_that_nobody_lists_do_not() {
    let catalog = sound(of_releases(vec![release("3.5.25", State::Available)]));
    assert_eq!(stops(&catalog, "3.4.10", "4.0.17"), "3.4.10 -> 3.5.25 -> 4.0.17");
    assert!(catalog.release(&v("3.5.22")).is_none() && catalog.release(&v("3.5.25")).is_some());
    let hop = catalog.table().hop(&v("3.5.20"), &v("3.5.22")).unwrap();
    assert!(hop.rules.iter().any(|rule| rule.code == "SR-1104"), "it can be asked for by name, at one's own risk");
    let hop = catalog.table().hop(&v("3.5.20"), &v("3.5.25")).unwrap();
    assert!(!hop.rules.iter().any(|rule| rule.code == "SR-1104"));
}

#[test]
fn a_withdrawn_release_is_no_target_and_no_stop_even_if_it_was_the_newest() {
    let mut withdrawn = release("3.5.20", State::Withdrawn);
    withdrawn.reason = Some("our tests fail".to_owned());
    let catalog = sound(of_releases(vec![withdrawn]));
    assert_eq!(stops(&catalog, "3.4.10", "4.0.17"), "3.4.10 -> 3.5.19 -> 4.0.17");
    let refusal = path(&catalog, "3.4.10", "3.5.20").unwrap_err();
    assert_eq!((refusal.code(), refusal.way_out().as_str()), ("SR-1003", "use 3.5.19 instead"));
    assert!(refusal.message().contains("our tests fail"));
    assert!(catalog.is_withdrawn(&catalog.head("stable-3.5").unwrap()), "a channel says what it says");
    assert_eq!(catalog.next_in("stable-3.5", &v("3.5.9")), None);
    let whole: Vec<Release> = (0..=7).map(|patch| release(&format!("4.1.{patch}"), State::Withdrawn)).collect();
    let catalog = sound(of_releases(whole));
    assert_eq!(path(&catalog, "4.0.17", "4.1.7").unwrap_err().way_out(), "use 4.0.17 instead");
}

#[test]
fn the_operators_own_table_is_loosened_only_by_name() {
    assert_eq!(faults(of_releases(vec![release("3.4.1", State::Available)])), [("SR-3108", "spec.releases[0].state".to_owned())]);
    let own_build = Release { overrides: true, ..release("3.4.1", State::Available) };
    assert_eq!(stops(&sound(of_releases(vec![own_build.clone()])), "3.3.22", "3.4.1"), "3.3.22 -> 3.4.1");
    let careful = of_releases(vec![release("3.4.1", State::Withdrawn)]);
    let both = merged(vec![("a", of_releases(vec![own_build])), ("b", careful)]);
    assert_eq!(code(&both.catalog, "3.3.22", "3.4.1"), "SR-1003", "no catalog overrides another one's care");

    let wide = Release { downgrade_to: range(">=3.4.0 <3.6.0"), ..release("3.5.20", State::Available) };
    assert_eq!(code(&sound(of_releases(vec![wide.clone()])), "3.5.20", "3.4.5"), "SR-1007", "the table's own limit stands");
    let overriding = sound(of_releases(vec![Release { overrides: true, ..wide }]));
    assert_eq!(stops(&overriding, "3.5.20", "3.4.5"), "3.5.20 -> 3.4.5");
    assert_eq!(code(&overriding, "3.5.19", "3.4.5"), "SR-1007", "and only of that release");
}

#[test]
fn ranges_and_blocking_issues_close_ways_that_the_table_has() {
    let narrow = Release {
        upgrade_from: range(">=3.5.0 <4.0.0 || >=4.0.0 <4.1.0"),
        downgrade_to: range(">=4.0.10"),
        ..release("4.0.17", State::Available)
    };
    let catalog = sound(of_releases(vec![narrow]));
    assert_eq!(stops(&catalog, "3.5.9", "4.0.17"), "3.5.9 -> 4.0.17");
    assert_eq!(code(&catalog, "4.0.17", "4.0.9"), "SR-1017");
    assert_eq!(code(&catalog, "4.0.17", "3.5.20"), "SR-1017");
    let late = Release { upgrade_from: range(">=3.5.19 <4.1.0"), ..release("4.0.17", State::Available) };
    let catalog = sound(of_releases(vec![late]));
    assert_eq!(stops(&catalog, "3.5.9", "4.0.17"), "3.5.9 -> 3.5.20 -> 4.0.17", "a patch first, where that opens the way");
    let issue = |level, run_mode| KnownIssue {
        id: "KI-1".to_owned(),
        from: range("<4.0.0"),
        run_mode,
        level,
        text: "it loses data".to_owned(),
        url: None,
    };
    let with = |issue| sound(of_releases(vec![Release { known_issues: vec![issue], ..release("4.0.17", State::Available) }]));
    let blocked = with(issue(Level::Block, None));
    assert_eq!(code(&blocked, "3.5.20", "4.0.17"), "SR-1018");
    assert_eq!(stops(&blocked, "4.0.10", "4.0.17"), "4.0.10 -> 4.0.17");
    assert_eq!(stops(&blocked, "3.5.20", "4.1.7"), "3.5.20 -> 4.0.16 -> 4.1.7", "the way leads round it");
    let conditions = |catalog: &Catalog| {
        let hop = catalog.table().hop(&v("3.5.20"), &v("4.0.17")).unwrap();
        hop.conditions.iter().map(|condition| (condition.code.clone(), condition.only_in)).collect::<Vec<_>>()
    };
    let shared = Some(crate::release::RunMode::SharedData);
    assert!(conditions(&with(issue(Level::Block, shared))).contains(&("SR-1253".to_owned(), shared)));
    assert!(conditions(&with(issue(Level::Warn, None))).contains(&("SR-1252".to_owned(), None)));
}

#[test]
fn a_line_that_only_a_catalog_knows_is_entered_and_left_as_the_catalog_says() {
    let first = Release {
        upgrade_from: range(">=4.1.5 <4.3.0"),
        downgrade_to: range(">=4.1.5"),
        java: Some(21),
        ..release("4.2.1", State::Available)
    };
    let second = Release { downgrade_to: None, ..Release { version: v("4.2.3"), ..first.clone() } };
    let catalog = sound(of_releases(vec![second, first]));
    assert_eq!(stops(&catalog, "4.0.17", "4.2.3"), "4.0.17 -> 4.1.7 -> 4.2.3");
    assert_eq!(stops(&catalog, "4.1.2", "4.2.1"), "4.1.2 -> 4.1.7 -> 4.2.1");
    assert_eq!(stops(&catalog, "4.2.1", "4.0.17"), "4.2.1 -> 4.1.7 -> 4.0.17");
    assert_eq!(code(&catalog, "4.2.3", "4.1.7"), "SR-1017", "nothing is said of the way back");
    assert_eq!(code(&catalog, "4.1.7", "4.2.2"), "SR-1017", "nor of a release that nobody lists");
    assert_eq!(catalog.table().hop(&v("4.1.7"), &v("4.2.1")).unwrap().jdk, Some(21));
    assert_eq!(faults(of_releases(vec![release("4.2.1", State::Available)])), [("SR-3107", "spec.releases[0].upgradeFrom".to_owned())]);
    let between = Release { upgrade_from: range("*"), ..release("3.6.0", State::Available) };
    assert_eq!(faults(of_releases(vec![between])), [("SR-3107", "spec.releases[0].version".to_owned())]);
}

#[test]
fn leader_transfer_holds_from_a_release_on_within_its_line_and_no_is_the_more_careful_word() {
    let says = |version: &str, has: bool| Release {
        leader_transfer: Some(has),
        upgrade_from: range(">=4.1.5 <4.3.0"),
        ..release(version, State::Available)
    };
    let of = |sources: Vec<(&str, CatalogSource)>| {
        let merged = merged(sources);
        assert_eq!(merged.faults, BTreeMap::new());
        move |version: &str| merged.catalog.table().has_leader_transfer(&v(version))
    };
    let one = of(vec![("mine", of_releases(vec![says("4.2.1", true), says("4.2.3", false), says("4.2.5", true)]))]);
    assert_eq!(
        ["4.1.7", "4.2.0", "4.2.1", "4.2.2", "4.2.4", "4.2.5", "4.2.9", "4.3.0"].map(one),
        [false, false, true, true, false, true, true, false]
    );
    let two = of(vec![("a", of_releases(vec![says("4.2.1", true)])), ("b", of_releases(vec![says("4.2.1", false)]))]);
    assert!(!two("4.2.1"));
    let hop = |from: &str, to: &str| {
        let catalog = sound(of_releases(vec![says("4.2.0", true), says("4.2.1", true)]));
        catalog.table().hop(&v(from), &v(to)).unwrap().leader_transfer
    };
    assert!(hop("4.2.0", "4.2.1"));
    assert!(!hop("4.1.7", "4.2.0"), "the leader runs 4.1");
}

#[test]
fn a_statement_that_the_table_knows_to_be_missing_is_not_claimed_by_accident() {
    let claim = |version: &str, overrides: bool| Release { leader_transfer: Some(true), overrides, ..release(version, State::Available) };
    assert_eq!(faults(of_releases(vec![claim("4.1.5", false)])), [("SR-3108", "spec.releases[0].leaderTransfer".to_owned())]);
    let has = |source: CatalogSource, version: &str| sound(source).table().has_leader_transfer(&v(version));
    assert!(has(of_releases(vec![claim("4.1.5", true)]), "4.1.6"), "an own build");
    assert!(has(of_releases(vec![claim("4.1.9", false)]), "4.1.9"), "a patch that the table does not know");
}

#[test]
fn configuration_keys_and_statements_come_with_the_upgrade_that_passes_them() {
    let key = |key: &str| ConfigKey { component: Component::Backend, key: key.to_owned() };
    let config =
        ConfigChanges { removed: [key("gone")].into(), renamed: [(key("old"), "new".to_owned())].into(), mutable: [key("live")].into() };
    let told = Release {
        config,
        sql_before: vec![NamedSql::DisableSimpleAggregateRewrite],
        sql_after: vec![NamedSql::EnableSimpleAggregateRewrite],
        ..release("3.5.19", State::Available)
    };
    let catalog = sound(of_releases(vec![told]));
    let codes = |from: &str, to: &str| -> Vec<String> {
        let hop = catalog.table().hop(&v(from), &v(to)).unwrap();
        hop.conditions.iter().map(|condition| condition.code.clone()).filter(|code| code.starts_with("SR-125")).collect()
    };
    assert_eq!(codes("3.5.18", "3.5.20"), ["SR-1250", "SR-1251"]);
    assert_eq!(codes("3.5.19", "3.5.20"), [""; 0]);
    assert_eq!(codes("3.5.20", "3.5.18"), [""; 0]);
    let hop = catalog.table().hop(&v("3.5.18"), &v("3.5.19")).unwrap();
    assert_eq!(hop.sql_before[0].sql, "SET GLOBAL enable_rewrite_simple_agg_to_meta_scan=false");
    assert_eq!(hop.sql_after.len(), 1);
    assert!(catalog.release(&v("3.5.19")).unwrap().config.mutable.contains(&key("live")));
}

#[test]
fn a_channel_has_one_head_and_every_entry_is_reached_or_skipped() {
    let fault = |entries| faults(of_channel(channel("c", entries))).into_iter().map(|(code, _)| code).collect::<Vec<_>>();
    assert_eq!(fault(vec![]), ["SR-3109"]);
    assert_eq!(fault(vec![entry("3.5.9", None), entry("3.5.10", None)]), ["SR-3109"], "two heads");
    assert_eq!(fault(vec![entry("3.5.9", Some("3.5.9"))]), ["SR-3109"], "nothing replaces itself");
    assert_eq!(fault(vec![entry("3.5.9", Some("3.5.10")), entry("3.5.10", Some("3.5.9"))]), ["SR-3109"], "nor goes back");
    assert_eq!(fault(vec![entry("3.5.9", None), entry("3.5.9", None)]), ["SR-3105"]);
    assert_eq!(fault(vec![entry("3.5.99", None)]), ["SR-3110"]);
    let twice = CatalogSource { channels: vec![channel("c", vec![entry("3.5.9", None)]); 2], ..CatalogSource::default() };
    assert_eq!(faults(twice), [("SR-3105", "spec.channels[1].name".to_owned())]);

    let skipping = Entry { skips: [v("3.5.10")].into(), ..entry("3.5.11", Some("3.5.9")) };
    let catalog = sound(of_channel(channel("c", vec![entry("3.5.9", Some("3.4.10")), entry("3.5.10", Some("3.5.9")), skipping])));
    assert_eq!(catalog.head("c"), Some(v("3.5.11")));
    assert_eq!(catalog.next_in("c", &v("3.4.10")), Some(v("3.5.9")));
    assert_eq!(catalog.successors("c", &v("3.5.9")), [v("3.5.11")], "what is skipped is no target");
    assert_eq!(catalog.next_in("c", &v("3.5.10")), Some(v("3.5.11")));
    assert_eq!(catalog.next_in("c", &v("3.5.2")), None);
}

#[test]
fn a_catalog_may_rest_on_another_and_falls_with_it() {
    let lists = of_releases(vec![release("3.5.30", State::Available)]);
    let follows = of_channel(channel("c", vec![entry("3.5.30", None)]));
    let both = merged(vec![("a-channels", follows.clone()), ("b-releases", lists.clone())]);
    assert_eq!(both.faults, BTreeMap::new());
    assert_eq!(both.catalog.head("c"), Some(v("3.5.30")));
    let broken = CatalogSource { channels: vec![channel("x", vec![])], ..lists };
    let neither = merged(vec![("a-channels", follows), ("b-releases", broken)]);
    assert_eq!(neither.faults.keys().collect::<Vec<_>>(), ["a-channels", "b-releases"]);
    assert_eq!(neither.catalog, *Catalog::embedded());
}

#[test]
fn of_two_channels_or_images_of_one_name_the_last_catalog_by_name_has_the_word() {
    let with = |patch: u64| {
        let version = crate::release::Line::new(3, 5).patch(patch);
        let image = Image::parse(&format!("registry-{patch}/fe:3.5.9"));
        let told = Release { images: [(Component::Frontend, image)].into(), ..release("3.5.9", State::Available) };
        CatalogSource { channels: vec![channel("c", vec![Entry::of_line(version)])], releases: vec![told], ..CatalogSource::default() }
    };
    let both = merged(vec![("10-base", with(9)), ("20-ours", with(10))]).catalog;
    assert_eq!(both.head("c"), Some(v("3.5.10")));
    assert_eq!(both.image(Component::Frontend, &v("3.5.9")).unwrap().repository, "registry-10/fe");
}

fn any_version() -> impl Strategy<Value = Version> {
    let lines: Vec<crate::release::Line> = ReleaseTable::embedded().lines().iter().map(|facts| facts.line).collect();
    prop_oneof![
        8 => (prop::sample::select(lines), 0..26_u64).prop_map(|(line, patch)| line.patch(patch)),
        2 => (4..6_u64, 0..5_u64, 0..5_u64).prop_map(|(major, minor, patch)| Version::new(major, minor, patch)),
        1 => any::<(u64, u64, u64)>().prop_map(|(major, minor, patch)| Version::new(major, minor, patch)),
    ]
}

fn any_range() -> impl Strategy<Value = Option<Range>> {
    prop_oneof![
        2 => Just(None),
        1 => Just(range("*")),
        3 => (any_version(), any_version()).prop_map(|(low, high)| range(&format!(">={low} <{high}"))),
    ]
}

fn any_release() -> impl Strategy<Value = Release> {
    let state = prop::sample::select(vec![State::Recommended, State::Available, State::Deprecated, State::Withdrawn]);
    (any_version(), state, prop::bool::weighted(0.2), any_range(), any_range(), prop::option::of(8..25_u32)).prop_map(
        |(version, state, overrides, upgrade_from, downgrade_to, java)| Release {
            overrides,
            upgrade_from,
            downgrade_to,
            java,
            ..Release::new(version, state)
        },
    )
}

fn any_entry() -> impl Strategy<Value = Entry> {
    (any_version(), prop::option::of(any_version()), prop::collection::btree_set(any_version(), 0..2), any_range())
        .prop_map(|(version, replaces, skips, skip_range)| Entry { version, replaces, skips, skip_range })
}

fn any_source() -> impl Strategy<Value = CatalogSource> {
    let channels = prop::collection::vec(
        (prop::sample::select(vec!["a", "stable-3.5", "stable-4.1"]), prop::collection::vec(any_entry(), 0..3)),
        0..2,
    );
    (channels, prop::collection::vec(any_release(), 0..4)).prop_map(|(channels, releases)| CatalogSource {
        channels: channels.into_iter().map(|(name, entries)| channel(name, entries)).collect(),
        deprecations: Vec::new(),
        releases,
    })
}

fn any_sources() -> impl Strategy<Value = BTreeMap<String, CatalogSource>> {
    prop::collection::btree_map("[a-d]", any_source(), 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn merging_never_fails_and_what_is_broken_leaves_no_trace(sources in any_sources()) {
        let merged = Catalog::merged(&sources);
        prop_assert!(merged.faults.values().flatten().all(|fault| fault.code.starts_with("SR-31") && fault.field.starts_with("spec.") && !fault.way_out.is_empty()));
        let sound: BTreeMap<_, _> = sources.into_iter().filter(|(name, _)| !merged.faults.contains_key(name)).collect();
        let again = Catalog::merged(&sound);
        prop_assert_eq!(again.faults, BTreeMap::new());
        prop_assert_eq!(again.catalog, merged.catalog);
    }

    #[test]
    fn the_order_of_arrival_says_nothing(sources in any_sources(), seed in any::<u64>()) {
        let mut shuffled: Vec<_> = sources.clone().into_iter().collect();
        shuffled.sort_by_key(|(name, _)| seed.wrapping_mul(u64::from(name.as_bytes()[0])) % 97);
        let inserted = shuffled.into_iter().fold(BTreeMap::new(), |mut all, (name, source)| { all.insert(name, source); all });
        prop_assert_eq!(Catalog::merged(&inserted), Catalog::merged(&sources));
    }

    #[test]
    fn no_catalog_opens_a_way_that_the_table_closes_without_saying_so(sources in any_sources(), from in any_version(), to in any_version()) {
        let merged = Catalog::merged(&sources).catalog;
        let table = ReleaseTable::embedded();
        let overrides = sources.values().flat_map(|source| &source.releases).any(|release| release.overrides);
        let known = [from, to].iter().all(|version| table.line(version.line()).is_some());
        if known && !overrides && table.hop(&from, &to).is_err() {
            prop_assert!(merged.table().hop(&from, &to).is_err(), "{} to {}", from, to);
        }
        if let Ok(path) = merged.table().path(&from, &to) {
            let mut here = from;
            for hop in &path.hops {
                prop_assert_eq!(hop.from, here);
                prop_assert!(!merged.is_withdrawn(&hop.to));
                prop_assert!(merged.table().hop(&hop.from, &hop.to).is_ok());
                here = hop.to;
            }
            prop_assert_eq!(here, to);
        }
    }

    #[test]
    fn a_channel_leads_forward_only_and_never_to_what_is_withdrawn(sources in any_sources(), from in any_version()) {
        let merged = Catalog::merged(&sources).catalog;
        for name in merged.channels().keys() {
            prop_assert!(merged.head(name).is_some());
            for next in merged.successors(name, &from) {
                prop_assert!(next > from && !merged.is_withdrawn(&next));
            }
        }
    }
}
