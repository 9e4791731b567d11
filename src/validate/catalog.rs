//! A StarRocksVersionCatalog as written in, what it says in types or every fault of its texts out; whether catalogs agree is decided where they are merged.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use crate::api::{
    CatalogChannel, CatalogConfig, CatalogCves, CatalogDeprecation, CatalogEntry, CatalogImage, CatalogImages, CatalogIssue, CatalogKey,
    CatalogMatch, CatalogRelease, CatalogRename, CatalogRunMode, CatalogSql, ConfigOf, IssueLevel, ReleaseState, SqlName,
    StarRocksVersionCatalogSpec,
};
use crate::model::cluster::given;
use crate::release::{
    CatalogFault, CatalogSource, Channel, Claim, Component, ConfigChanges, ConfigKey, Deprecated, Deprecation, Entry, FaultKind, Image,
    KnownIssue, Level, NamedSql, Range, Release, RunMode, State, Version,
};

/// Reads a catalog, or says everything that cannot be read.
///
/// # Errors
/// Every fault that was found, in the order of the spec.
pub fn catalog(spec: &StarRocksVersionCatalogSpec) -> Result<CatalogSource, Vec<CatalogFault>> {
    let StarRocksVersionCatalogSpec { package, channels, deprecations, releases } = spec;
    let mut reader = Reader::default();
    if package != "starrocks" {
        reader.fault(FaultKind::Package, "spec.package", format!("the package is {package:?}"), "Write starrocks");
    }
    let each = |list: &str, index: usize| format!("spec.{list}[{index}]");
    let source = CatalogSource {
        channels: channels.iter().enumerate().filter_map(|(index, channel)| reader.channel(&each("channels", index), channel)).collect(),
        deprecations: deprecations
            .iter()
            .enumerate()
            .filter_map(|(index, deprecation)| reader.deprecation(&each("deprecations", index), deprecation))
            .collect(),
        releases: releases.iter().enumerate().filter_map(|(index, release)| reader.release(&each("releases", index), release)).collect(),
    };
    if reader.faults.is_empty() { Ok(source) } else { Err(reader.faults) }
}

#[derive(Default)]
struct Reader {
    faults: Vec<CatalogFault>,
}

impl Reader {
    fn fault(&mut self, kind: FaultKind, field: impl Into<String>, rule: impl Into<String>, way_out: impl Into<String>) {
        self.faults.push(CatalogFault::new(kind, field, rule, way_out));
    }

    fn version(&mut self, field: String, text: &str) -> Option<Version> {
        Version::from_str(text)
            .map_err(|error| {
                self.fault(FaultKind::Version, field, error.to_string(), "Write the full number of a release, for example 3.5.9")
            })
            .ok()
    }

    fn range(&mut self, field: String, text: Option<&str>) -> Option<Range> {
        let way_out = "Write comparisons such as \">=3.5.0 <3.5.20\"";
        Range::parse(text?).map_err(|error| self.fault(FaultKind::Range, field, error.to_string(), way_out)).ok()
    }

    fn unknown_word(&mut self, field: String, word: &str, known: &[&str]) {
        self.fault(
            FaultKind::Word,
            field,
            format!("{word:?} is no word that this operator knows"),
            format!("Write one of {}", known.join(", ")),
        );
    }

    fn required(&mut self, field: String, text: &str) {
        if text.trim().is_empty() {
            self.fault(FaultKind::Value, field, "it is empty", "Write a text");
        }
    }

    fn channel(&mut self, path: &str, channel: &CatalogChannel) -> Option<Channel> {
        let CatalogChannel { name, entries } = channel;
        let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'.';
        let ends_well = !name.starts_with(['-', '.']) && !name.ends_with(['-', '.']);
        if name.is_empty() || name.len() > 63 || !name.bytes().all(fits) || !ends_well {
            let rule = format!("{name:?} is no name of a channel");
            self.fault(
                FaultKind::Value,
                format!("{path}.name"),
                rule,
                "Write lower-case letters, digits, dashes and dots, for example stable-3.5",
            );
        }
        let entries = entries.iter().enumerate().filter_map(|(index, entry)| self.entry(&format!("{path}.entries[{index}]"), entry));
        Some(Channel { entries: entries.collect(), name: name.clone() })
    }

    fn entry(&mut self, path: &str, entry: &CatalogEntry) -> Option<Entry> {
        let CatalogEntry { version, replaces, skips, skip_range } = entry;
        let replaces = given(replaces).and_then(|text| self.version(format!("{path}.replaces"), text));
        let skips = skips.iter().enumerate().filter_map(|(index, text)| self.version(format!("{path}.skips[{index}]"), text));
        let skips: BTreeSet<Version> = skips.collect();
        let skip_range = self.range(format!("{path}.skipRange"), given(skip_range));
        let version = self.version(format!("{path}.version"), version)?;
        Some(Entry { version, replaces, skips, skip_range })
    }

    fn deprecation(&mut self, path: &str, deprecation: &CatalogDeprecation) -> Option<Deprecation> {
        let CatalogDeprecation { channel, version, message } = deprecation;
        self.required(format!("{path}.message"), message);
        let of = match (given(channel), given(version)) {
            (Some(channel), None) => Deprecated::Channel(channel.to_owned()),
            (None, Some(version)) => Deprecated::Release(self.version(format!("{path}.version"), version)?),
            (_, _) => {
                let rule = "a deprecation is about a channel or about a release";
                self.fault(FaultKind::Value, path, rule, "Write one of `channel` and `version`");
                return None;
            }
        };
        Some(Deprecation { of, message: message.clone() })
    }

    fn release(&mut self, path: &str, release: &CatalogRelease) -> Option<Release> {
        let CatalogRelease {
            version,
            state,
            reason,
            overrides,
            end_of_life,
            images,
            java,
            leader_transfer,
            upgrade_from,
            downgrade_to,
            config,
            sql,
            known_issues,
            cves,
        } = release;
        let version = self.version(format!("{path}.version"), version)?;
        let state = match state {
            Some(ReleaseState::Other(word)) => {
                self.unknown_word(format!("{path}.state"), word, ReleaseState::KNOWN);
                State::Available
            }
            Some(word) => State::parse(word.as_str()).unwrap_or(State::Available),
            None => State::Available,
        };
        let end_of_life = given(end_of_life).map(str::to_owned);
        if let Some(day) = end_of_life.as_deref().filter(|day| !is_day(day)) {
            self.fault(FaultKind::Value, format!("{path}.endOfLife"), format!("{day:?} is no day"), "Write YYYY-MM-DD");
        }
        let java = java.and_then(|java| match u32::try_from(java) {
            Ok(java @ 8..=100) => Some(java),
            _ => {
                self.fault(FaultKind::Value, format!("{path}.java"), format!("{java} is no JDK"), "Write a number such as 17");
                None
            }
        });
        let CatalogSql { before, after } = sql.clone().unwrap_or_default();
        let CatalogCves { fixed, known } = cves.clone().unwrap_or_default();
        let issues = known_issues.iter().enumerate();
        Some(Release {
            version,
            state,
            reason: given(reason).map(str::to_owned),
            overrides: overrides.unwrap_or(false),
            end_of_life,
            images: self.images(&format!("{path}.images"), images.as_ref(), version),
            java,
            leader_transfer: *leader_transfer,
            upgrade_from: self.range(format!("{path}.upgradeFrom"), given(upgrade_from)),
            downgrade_to: self.range(format!("{path}.downgradeTo"), given(downgrade_to)),
            config: self.config(&format!("{path}.config"), &config.clone().unwrap_or_default()),
            sql_before: self.sql(&format!("{path}.sql.before"), &before),
            sql_after: self.sql(&format!("{path}.sql.after"), &after),
            known_issues: issues.filter_map(|(index, issue)| self.issue(&format!("{path}.knownIssues[{index}]"), issue)).collect(),
            cves_fixed: fixed.into_iter().collect(),
            cves_known: known.into_iter().collect(),
        })
    }

    fn images(&mut self, path: &str, images: Option<&CatalogImages>, version: Version) -> BTreeMap<Component, Image> {
        let Some(CatalogImages { fe, be, cn }) = images else { return BTreeMap::new() };
        let written = [(Component::Frontend, "fe", fe), (Component::Backend, "be", be), (Component::ComputeNode, "cn", cn)];
        let written = written.into_iter().filter_map(|(component, name, image)| Some((component, name, image.as_ref()?)));
        written.filter_map(|(component, name, image)| Some((component, self.image(&format!("{path}.{name}"), image, version)?))).collect()
    }

    /// An image whose tag names the release: whoever looks at a pod can tell what it is to run.
    fn image(&mut self, path: &str, image: &CatalogImage, version: Version) -> Option<Image> {
        let CatalogImage { reference, digest } = image;
        let mut image = Image::parse(reference);
        image.tag.get_or_insert_with(|| version.to_string());
        image.digest = given(digest).map(str::to_owned).or(image.digest);
        let is_digest = |digest: &str| {
            digest.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
        };
        if image.digest.as_deref().is_some_and(|digest| !is_digest(digest)) {
            let way_out = "Write sha256: and 64 hexadecimal digits";
            self.fault(FaultKind::Value, format!("{path}.digest"), "it is no digest", way_out);
            return None;
        }
        if image.repository.is_empty() || image.repository.contains(char::is_whitespace) {
            self.fault(FaultKind::Value, format!("{path}.ref"), format!("{reference:?} is no image"), "Write REPOSITORY or REPOSITORY:TAG");
            return None;
        }
        if image.claim() != Claim::Release(version) {
            let rule = format!("the tag of {reference} does not name {version}");
            self.fault(FaultKind::Value, format!("{path}.ref"), rule, format!("Write the tag {version}, or no tag"));
            return None;
        }
        Some(image)
    }

    fn component(&mut self, field: String, component: &ConfigOf) -> Option<Component> {
        match component {
            ConfigOf::fe => Some(Component::Frontend),
            ConfigOf::be => Some(Component::Backend),
            ConfigOf::cn => Some(Component::ComputeNode),
            ConfigOf::Other(word) => {
                self.unknown_word(field, word, ConfigOf::KNOWN);
                None
            }
        }
    }

    fn key(&mut self, path: &str, component: &ConfigOf, key: &str) -> Option<ConfigKey> {
        self.required(format!("{path}.key"), key);
        Some(ConfigKey { component: self.component(format!("{path}.component"), component)?, key: key.to_owned() })
    }

    fn config(&mut self, path: &str, config: &CatalogConfig) -> ConfigChanges {
        let CatalogConfig { removed, renamed, mutable } = config;
        let mut keys = |list: &str, keys: &[CatalogKey]| -> BTreeSet<ConfigKey> {
            let keys = keys.iter().enumerate();
            keys.filter_map(|(index, CatalogKey { component, key })| self.key(&format!("{path}.{list}[{index}]"), component, key)).collect()
        };
        let (removed, mutable) = (keys("removed", removed), keys("mutable", mutable));
        let renamed = renamed.iter().enumerate().filter_map(|(index, CatalogRename { component, key, to })| {
            let path = format!("{path}.renamed[{index}]");
            self.required(format!("{path}.to"), to);
            Some((self.key(&path, component, key)?, to.clone()))
        });
        ConfigChanges { removed, renamed: renamed.collect(), mutable }
    }

    fn sql(&mut self, path: &str, names: &[SqlName]) -> Vec<NamedSql> {
        let names = names.iter().enumerate().filter_map(|(index, name)| {
            let known = NamedSql::parse(name.as_str());
            if known.is_none() {
                self.unknown_word(format!("{path}[{index}]"), name.as_str(), SqlName::KNOWN);
            }
            known
        });
        names.collect()
    }

    fn issue(&mut self, path: &str, issue: &CatalogIssue) -> Option<KnownIssue> {
        let CatalogIssue { id, matches, level, text, url } = issue;
        let CatalogMatch { from, run_mode } = matches.clone().unwrap_or_default();
        self.required(format!("{path}.id"), id);
        self.required(format!("{path}.text"), text);
        let from = self.range(format!("{path}.match.from"), given(&from));
        let run_mode = match run_mode {
            None => None,
            Some(CatalogRunMode::SharedNothing) => Some(RunMode::SharedNothing),
            Some(CatalogRunMode::SharedData) => Some(RunMode::SharedData),
            Some(CatalogRunMode::Other(word)) => {
                self.unknown_word(format!("{path}.match.runMode"), &word, CatalogRunMode::KNOWN);
                return None;
            }
        };
        let level = match level {
            IssueLevel::Block => Level::Block,
            IssueLevel::Warn => Level::Warn,
            IssueLevel::Other(word) => {
                self.unknown_word(format!("{path}.level"), word, IssueLevel::KNOWN);
                return None;
            }
        };
        Some(KnownIssue { id: id.clone(), from, run_mode, level, text: text.clone(), url: given(url).map(str::to_owned) })
    }
}

/// Whether a text has the form of a day.
fn is_day(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let number =
        |part: &str, length: usize, most: u32| part.len() == length && part.parse::<u32>().is_ok_and(|number| (1..=most).contains(&number));
    matches!(parts.as_slice(), [year, month, day] if number(year, 4, 9999) && number(month, 2, 12) && number(day, 2, 31))
}
