//! Catalogs by name in, one catalog and the faults of those left out; the same whatever order they came in, and total: nothing stops it.

use std::collections::{BTreeMap, BTreeSet};

use super::super::facts::{BadRelease, Edge, Extras, LineFacts, When};
use super::super::table::{PATCH_MAX, ReleaseTable};
use super::super::version::{Line, Version};
use super::defaults::default_source;
use super::fault::{CatalogFault, FaultKind};
use super::source::{CatalogSource, Deprecated, Deprecation, Release, State};
use super::{Catalog, Channel};

/// Name of the catalog that this build ships, which no resource can have.
const SHIPPED: &str = "";

/// What came of a merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged {
    /// What is known now.
    pub catalog: Catalog,
    /// Why which catalogs were left out.
    pub faults: BTreeMap<String, Vec<CatalogFault>>,
}

impl Catalog {
    /// The catalog that this build ships with a table.
    pub(super) fn of_table(table: &ReleaseTable) -> Self {
        Self::of(table, &[])
    }

    /// Sources that have no fault of their own, over those of the table.
    fn of(table: &ReleaseTable, sources: &[(&str, &CatalogSource)]) -> Self {
        let shipped = default_source(table);
        let all = || std::iter::once((SHIPPED, &shipped)).chain(sources.iter().copied());
        let mut catalog = Self {
            table: merged_table(table, &all().collect::<Vec<_>>()),
            channels: BTreeMap::new(),
            deprecations: BTreeMap::new(),
            images: BTreeMap::new(),
            complete: true,
        };
        // The last one by name has the last word.
        for (_, source) in all() {
            catalog.channels.extend(source.channels.iter().map(|channel| (channel.name.clone(), channel.clone())));
            catalog
                .deprecations
                .extend(source.deprecations.iter().map(|deprecation| (deprecation.of.clone(), deprecation.message.clone())));
            for release in &source.releases {
                let images = release.images.iter().map(|(component, image)| ((release.version, *component), image.clone()));
                catalog.images.extend(images);
            }
        }
        catalog
    }
}

/// Leaves out what has a fault, until what is left has none: a catalog may rest on another that turns out to be broken.
pub(super) fn merged(table: &ReleaseTable, sources: &BTreeMap<String, CatalogSource>) -> Merged {
    let mut faults: BTreeMap<String, Vec<CatalogFault>> = BTreeMap::new();
    for (name, source) in sources {
        let found = own_faults(table, source);
        if !found.is_empty() {
            faults.insert(name.clone(), found);
        }
    }
    loop {
        let sound = sources.iter().filter(|(name, _)| !faults.contains_key(*name));
        let sound: Vec<(&str, &CatalogSource)> = sound.map(|(name, source)| (name.as_str(), source)).collect();
        let catalog = Catalog::of(table, &sound);
        let broken: BTreeMap<String, Vec<CatalogFault>> = sound
            .into_iter()
            .map(|(name, source)| (name.to_owned(), faults_in(&catalog, source)))
            .filter(|(_, found)| !found.is_empty())
            .collect();
        if broken.is_empty() {
            return Merged { catalog, faults };
        }
        faults.extend(broken);
    }
}

/// Faults that a catalog has whatever others say.
fn own_faults(table: &ReleaseTable, source: &CatalogSource) -> Vec<CatalogFault> {
    let mut faults = Vec::new();
    let mut names = BTreeSet::new();
    for (index, channel) in source.channels.iter().enumerate() {
        let path = format!("spec.channels[{index}]");
        if !names.insert(channel.name.as_str()) {
            faults.push(duplicate(format!("{path}.name"), &channel.name));
        }
        faults.extend(channel.faults(&path));
    }
    let mut seen = BTreeSet::new();
    for (index, deprecation) in source.deprecations.iter().enumerate() {
        if !seen.insert(&deprecation.of) {
            let name = match &deprecation.of {
                Deprecated::Channel(name) => name.clone(),
                Deprecated::Release(version) => version.to_string(),
            };
            faults.push(duplicate(format!("spec.deprecations[{index}]"), &name));
        }
    }
    let mut seen = BTreeSet::new();
    for (index, release) in source.releases.iter().enumerate() {
        let path = format!("spec.releases[{index}]");
        if !seen.insert(release.version) {
            faults.push(duplicate(format!("{path}.version"), &release.version.to_string()));
        }
        faults.extend(release_fault(table, release, &path));
    }
    faults
}

fn duplicate(field: String, name: &str) -> CatalogFault {
    CatalogFault::new(FaultKind::Duplicate, field, format!("{name} is named twice"), "Keep one of the two")
}

fn release_fault(table: &ReleaseTable, release: &Release, path: &str) -> Option<CatalogFault> {
    let version = release.version;
    if version.patch > PATCH_MAX {
        let rule = format!("{version} has a patch number above {PATCH_MAX}");
        return Some(CatalogFault::new(FaultKind::Version, format!("{path}.version"), rule, "Write the release as StarRocks numbers it"));
    }
    let is_known_line = table.line(version.line()).is_some();
    if !is_known_line && table.newest().is_some_and(|newest| version.line() < newest.line()) {
        let rule = format!("{} is no line of this operator's table, and only lines newer than all of these can be added", version.line());
        return Some(CatalogFault::new(FaultKind::Line, format!("{path}.version"), rule, "Take the release out"));
    }
    if !is_known_line && release.state != State::Withdrawn && release.upgrade_from.is_none() {
        let rule = format!("nothing is known about the way to the line {}", version.line());
        let way_out = "Say in upgradeFrom from which releases it may be reached, for example \">=4.1.5 <4.2.0\"";
        return Some(CatalogFault::new(FaultKind::Line, format!("{path}.upgradeFrom"), rule, way_out));
    }
    let is_older = table.line(version.line()).is_some_and(|facts| version <= facts.newest);
    if release.leader_transfer == Some(true) && is_older && !release.overrides && !table.has_leader_transfer(&version) {
        let rule = format!("this operator's table has {version} as without ALTER SYSTEM TRANSFER LEADER");
        let way_out = "Take leaderTransfer out, or set overrides to true if your build of it has the statement";
        return Some(CatalogFault::new(FaultKind::Loosening, format!("{path}.leaderTransfer"), rule, way_out));
    }
    let bad = table.known_bad(&version).filter(|_| release.state != State::Withdrawn && !release.overrides)?;
    let rule = format!("this operator's table has {version} as withdrawn: {}", bad.reason);
    let way_out = "Take the release out, or set overrides to true if your build of it is without that fault";
    Some(CatalogFault::new(FaultKind::Loosening, format!("{path}.state"), rule, way_out))
}

/// Faults that only show among the others: entries of channels that nobody lists.
fn faults_in(catalog: &Catalog, source: &CatalogSource) -> Vec<CatalogFault> {
    let unknown = |(index, channel): (usize, &Channel)| {
        let path = format!("spec.channels[{index}]");
        let entries = channel.entries.iter().enumerate().filter(|(_, entry)| !catalog.table.knows(&entry.version));
        let fault = |(entry, version): (usize, Version)| {
            let rule = format!("neither this operator's table nor a catalog lists {version}");
            let way_out = "Add it to `releases`, or correct it";
            CatalogFault::new(FaultKind::UnknownEntry, format!("{path}.entries[{entry}].version"), rule, way_out)
        };
        entries.map(|(index, entry)| fault((index, entry.version))).collect::<Vec<_>>()
    };
    source.channels.iter().enumerate().flat_map(unknown).collect()
}

/// The table with everything that catalogs say about releases.
fn merged_table(table: &ReleaseTable, sources: &[(&str, &CatalogSource)]) -> ReleaseTable {
    let mut merged = table.clone();
    let origin = |name: &str| format!("StarRocksVersionCatalog {name}");
    let mut listed: BTreeMap<Line, BTreeSet<Version>> = BTreeMap::new();
    for (name, source) in sources {
        for release in &source.releases {
            listed.entry(release.version.line()).or_default().insert(release.version);
            // That a release is withdrawn which the table has as withdrawn is nothing new.
            if release.state != State::Withdrawn || table.known_bad(&release.version).is_none() {
                merged.lore.add(release, &origin(name));
            }
        }
        for Deprecation { of, message } in &source.deprecations {
            if let Deprecated::Release(version) = of {
                let deprecated = Release { reason: Some(message.clone()), ..Release::new(*version, State::Deprecated) };
                merged.lore.add(&deprecated, &origin(name));
            }
        }
    }
    judge(&mut merged, sources, &origin);
    for (line, versions) in &listed {
        extend_line(&mut merged, table, *line, versions);
    }
    merged
}

/// Who is withdrawn: whoever a catalog withdraws, and whoever the table does unless a catalog overrides it.
fn judge(merged: &mut ReleaseTable, sources: &[(&str, &CatalogSource)], origin: &dyn Fn(&str) -> String) {
    let all = || sources.iter().flat_map(|(name, source)| source.releases.iter().map(move |release| (*name, release)));
    let by_users = all().filter(|(name, release)| *name != SHIPPED && release.state == State::Withdrawn);
    let withdrawn: BTreeSet<Version> = by_users.map(|(_, release)| release.version).collect();
    let lifted: BTreeSet<Version> = all()
        .filter(|(_, release)| release.overrides && !withdrawn.contains(&release.version))
        .map(|(_, release)| release.version)
        .collect();
    merged.known_bad.retain(|bad| !lifted.contains(&bad.version));
    for (name, release) in all().filter(|(_, release)| release.state == State::Withdrawn && !lifted.contains(&release.version)) {
        if merged.known_bad(&release.version).is_none() {
            let reason = release.reason.clone().unwrap_or_else(|| "a version catalog has it as withdrawn".to_owned());
            merged.known_bad.push(BadRelease { version: release.version, reason, source: origin(name), leaving: None });
        }
    }
    merged.known_bad.sort_by_key(|bad| bad.version);
}

/// Makes a line as long as catalogs say, or makes it.
fn extend_line(merged: &mut ReleaseTable, table: &ReleaseTable, line: Line, versions: &BTreeSet<Version>) {
    let Some(last) = versions.last().copied() else { return };
    let known = table.line(line).map(|facts| facts.newest);
    if known.is_none() && versions.iter().all(|version| merged.known_bad(version).is_some()) {
        return;
    }
    let first_unlisted = known.map_or(0, |newest| newest.patch + 1);
    merged.lore.unlisted.extend((first_unlisted..last.patch).map(|patch| line.patch(patch)).filter(|version| !versions.contains(version)));
    if known.is_none() {
        add_line(merged, line, last);
    }
    let newest = known.map_or(last, |newest| newest.max(last));
    let Some(index) = merged.index_of(line) else { return };
    if let Some(facts) = merged.lines.get_mut(index) {
        facts.newest = newest;
    }
    // The newest one is where hops stop, so it is one that may be gone to, if there is any.
    let good = merged.good_patches(index).max();
    if let (Some(good), Some(facts)) = (good, merged.lines.get_mut(index)) {
        facts.newest = good;
    }
}

/// A line that only catalogs know; what they say of its releases decides every way from and to it.
fn add_line(merged: &mut ReleaseTable, line: Line, newest: Version) {
    let Some(before) = merged.lines.last().cloned() else { return };
    let source = "StarRocksVersionCatalog".to_owned();
    merged.lore.add_line(line);
    let LineFacts { jdk_min, jdk_recommended, .. } = before;
    merged.lines.push(LineFacts {
        line,
        newest,
        jdk_min,
        jdk_recommended,
        leader_transfer_since: None,
        end_of_life: None,
        source: source.clone(),
    });
    for (from, to) in [(before.line, line), (line, before.line)] {
        merged.edges.push(Edge { from, to, when: When::default(), source: source.clone(), limits: Vec::new(), hop: Extras::default() });
    }
}
