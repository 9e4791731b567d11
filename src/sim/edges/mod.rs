//! Pages of the edge table: headings such as `## 3.3.22 -> 3.5.20` in, the same page with what is planned and what a cluster did for each out.
//!
//! Under a heading stand lines of two kinds: what the release table plans or refuses, and (`PLAYED`) what the operator did to a simulated cluster that
//! was asked for it. Comments between the scenarios stay as they are.

mod heading;
mod told;

pub use heading::{ConfLine, Heading, HeadingError, Target};

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use serde_json::json;

use super::simulation::NAMESPACE;
use super::story::{Declares, Manner, SHARED_CONF, Story, merge};
use super::walk::{Change, End, Resting, Walk};
use crate::release::{Image, Path, Refusal, ReleaseTable, release_of};

/// How lines begin that only a play can write.
const PLAYED: [&str; 6] = ["    first ", "    restarts ", "    meanwhile ", "    then ", "  arrives", "  held"];

/// Every cluster of the pages, but for shared data.
const SIZE: [u32; 3] = [3, 3, 1];
/// Frontends, backends and compute nodes in shared data.
const SHARED_SIZE: [u32; 3] = [3, 0, 2];

/// A page in parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// What stands before the first heading.
    preface: String,
    scenarios: Vec<Scenario>,
}

/// A heading with what stands below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// What is asked for.
    pub heading: Heading,
    /// What is expected, line by line.
    pub expected: Vec<String>,
    /// Comments and blank lines after it.
    rest: String,
}

/// Clusters at rest that scenarios begin with, each raised once.
#[derive(Default)]
pub struct Stable(BTreeMap<String, Resting>);

impl Page {
    /// Reads a page.
    ///
    /// # Errors
    /// Names the heading that cannot be read.
    pub fn parse(text: &str) -> Result<Self, HeadingError> {
        let mut page = Self::default();
        for line in text.lines() {
            let last = page.scenarios.last_mut();
            match (line.strip_prefix("## "), last) {
                (Some(heading), _) => {
                    page.scenarios.push(Scenario { heading: heading.parse()?, expected: Vec::new(), rest: String::new() });
                }
                (None, None) => page.preface += &format!("{line}\n"),
                (None, Some(last)) if line.starts_with("  ") => last.expected.push(line.to_owned()),
                (None, Some(last)) => last.rest += &format!("{line}\n"),
            }
        }
        Ok(page)
    }

    /// The scenarios.
    pub fn scenarios(&self) -> &[Scenario] {
        &self.scenarios
    }

    /// The page as text, with other expectations: as many as there are scenarios, in their order.
    pub fn with(&self, expected: &[Vec<String>]) -> String {
        let mut text = self.preface.clone();
        for (scenario, lines) in self.scenarios.iter().zip(expected) {
            text += &format!("## {}\n", scenario.heading);
            for line in lines {
                text += &format!("{line}\n");
            }
            text += if scenario.rest.is_empty() { "\n" } else { &scenario.rest };
        }
        text.trim_end().to_owned() + "\n"
    }
}

impl Scenario {
    /// The expected lines that the release table alone can write.
    pub fn expected_plan(&self) -> Vec<&str> {
        let played = |line: &&str| PLAYED.iter().any(|start| line.starts_with(start));
        self.expected.iter().map(String::as_str).filter(|line| !played(line)).collect()
    }

    /// What the release table says to it.
    pub fn plan(&self) -> Vec<String> {
        match self.way() {
            Ok(path) => told::plan(&path),
            Err(refusal) => told::refusal(&refusal),
        }
    }

    fn way(&self) -> Result<Path, Refusal> {
        let to = match &self.heading.to {
            Target::Release(version) => *version,
            Target::Tag(tag) => release_of(&Image::parse(&format!("starrocks/fe-ubuntu:{tag}")).claim())?,
        };
        ReleaseTable::embedded().path(&self.heading.from, &to)
    }

    /// Plans it and plays it to its end.
    ///
    /// # Errors
    /// When a safety rule is broken, the end is not the planned one, or something was touched although the way is refused.
    pub async fn play(&self, stable: &mut Stable) -> anyhow::Result<Vec<String>> {
        let way = self.way();
        let walk = stable.resting(&self.heading).await?.ask(&self.change()).await.with_context(|| self.heading.to_string())?;
        let mut lines = self.plan();
        match &way {
            Ok(path) => told::walk(path, &walk, &mut lines),
            Err(refusal) => {
                self.prove_refused(refusal, &walk).with_context(|| self.heading.to_string())?;
                told::held(&walk, &mut lines);
            }
        }
        Ok(lines)
    }

    fn prove_refused(&self, refusal: &Refusal, walk: &Walk) -> anyhow::Result<()> {
        let End::Held(blocked) = &walk.end else { anyhow::bail!("it was done although the release table refuses it") };
        ensure!(walk.acts.is_empty() && !walk.touched, "something was touched although the way is refused: {:?}", walk.acts);
        let told = match self.heading.to {
            Target::Release(_) => blocked.iter().any(|blocked| blocked.message.contains(refusal.code())),
            Target::Tag(_) => blocked.iter().any(|blocked| blocked.code == "SR-2209"),
        };
        ensure!(told, "the status does not tell {}: {blocked:?}", refusal.code());
        Ok(())
    }

    /// What the user changes: the release, and one line of a configuration file with it.
    fn change(&self) -> Change {
        let story = story(&self.heading);
        let (mut patch, version) = match &self.heading.to {
            Target::Release(version) => (story.asking_for(version), *version),
            Target::Tag(tag) => (story.asking_for_text(tag), self.heading.from),
        };
        let mut objects = Vec::new();
        if let Some(line) = &self.heading.with {
            let base = if story.is_shared_data() && line.file == "fe.conf" { SHARED_CONF } else { "" };
            objects.push(json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "edge-conf", "namespace": NAMESPACE},
                "data": {(line.file.clone()): format!("{base}{} = {}\n", line.key, line.value)},
            }));
            let section = match line.file.as_str() {
                "fe.conf" => "starRocksFeSpec",
                "be.conf" => "starRocksBeSpec",
                _ => "starRocksCnSpec",
            };
            merge(&mut patch, &json!({section: {"configMapInfo": {"configMapName": "edge-conf", "resolveKey": line.file}}}));
        }
        Change { objects, patch, version }
    }
}

impl Stable {
    /// The cluster that a scenario begins with.
    async fn resting(&mut self, heading: &Heading) -> anyhow::Result<&Resting> {
        let story = story(heading);
        let key = story.to_string();
        if !self.0.contains_key(&key) {
            let raised = Resting::raise(story).await?;
            self.0.insert(key.clone(), raised);
        }
        self.0.get(&key).context("it was raised just now")
    }
}

fn story(heading: &Heading) -> Story {
    let [frontends, backends, compute_nodes] = if heading.shared_data { SHARED_SIZE } else { SIZE };
    let declares = if matches!(heading.to, Target::Tag(_)) { Declares::Images } else { Declares::Version };
    let (manner, happenings) = (Manner::default(), Vec::new());
    let (from, to) = (heading.from, heading.from);
    Story { seed: 1, frontends, backends, compute_nodes, declares, manner, next_line: false, transfer_fault: None, from, to, happenings }
}
