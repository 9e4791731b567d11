//! The release table in, the catalog that this build ships out: one channel for each line; it says nothing that the table does not.

use std::collections::BTreeMap;

use super::super::facts::{Component, LineFacts};
use super::super::image::Image;
use super::super::table::ReleaseTable;
use super::super::version::{Line, Version};
use super::source::{CatalogSource, Channel, Deprecated, Deprecation, Entry, Release, State};

/// Name of the channel of a line.
fn channel_of(line: Line) -> String {
    format!("stable-{line}")
}

/// The catalog that this build ships; merging it once more changes nothing.
pub fn default_source(table: &ReleaseTable) -> CatalogSource {
    let newest_first = || table.lines().iter().rev();
    let current = table.lines().iter().find(|facts| facts.end_of_life.is_none()).map(|facts| facts.line);
    let channels =
        newest_first().map(|facts| Channel { name: channel_of(facts.line), entries: vec![Entry::of_line(facts.newest)] }).collect();
    let deprecated = |facts: &LineFacts| {
        let label = facts.end_of_life.as_ref()?;
        let instead = current.map(|line| format!("; follow {}", channel_of(line))).unwrap_or_default();
        let message = format!("StarRocks calls the line {} {label}: it gets no further patches{instead}", facts.line);
        Some(Deprecation { of: Deprecated::Channel(channel_of(facts.line)), message })
    };
    let mut releases: Vec<Release> = newest_first().map(newest_of).collect();
    releases.extend(
        table
            .known_bad_releases()
            .iter()
            .rev()
            .map(|bad| Release { reason: Some(bad.reason.clone()), ..Release::new(bad.version, State::Withdrawn) }),
    );
    CatalogSource { channels, deprecations: newest_first().filter_map(deprecated).collect(), releases }
}

fn newest_of(facts: &LineFacts) -> Release {
    let is_current = facts.end_of_life.is_none();
    let state = if is_current { State::Recommended } else { State::Available };
    let images = if is_current { official_images(facts.newest) } else { BTreeMap::new() };
    Release { java: Some(facts.jdk_min), images, ..Release::new(facts.newest, state) }
}

fn official_images(version: Version) -> BTreeMap<Component, Image> {
    let image = |component: Component| Image {
        repository: component.official_repository().to_owned(),
        tag: Some(version.to_string()),
        digest: None,
    };
    [Component::Frontend, Component::Backend, Component::ComputeNode].map(|component| (component, image(component))).into()
}
