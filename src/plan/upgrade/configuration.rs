//! The configuration that users wrote against what the target of a hop reads: what would keep a node from starting, and what deserves a look; never changes a line.

use super::super::versions::Leg;
use super::super::view::View;
use super::preflight::conditions;
use crate::model::{Component, WaitingOn};
use crate::release::{self, Condition, ConditionKind, MachineCheck};

/// Backends and compute nodes, which are one program (starrocks.md §9: `cn` is a link to `be`) and read the same configuration.
const NODES: [Component; 2] = [Component::Backend, Component::ComputeNode];

/// What has to be changed before the hop.
pub(super) fn faults(view: &View<'_>, leg: &Leg) -> Vec<WaitingOn> {
    let required = conditions(view, leg).filter(|condition| condition.kind == ConditionKind::Required);
    required.filter_map(|condition| incompatible(view, condition)).collect()
}

/// What is recommended for the hop and is not so. Where nothing is written the image's own configuration holds, which is the target's.
pub(super) fn hints(view: &View<'_>, leg: &Leg) -> Vec<String> {
    let recommended = conditions(view, leg).filter(|condition| condition.kind == ConditionKind::Recommended);
    let hint = |condition: &Condition| {
        let (component, found) = mismatch(view, condition.check.as_ref()?)?;
        Some(format!("{component}: {found}. {} ({})", condition.text, condition.code))
    };
    recommended.filter_map(hint).collect()
}

fn incompatible(view: &View<'_>, condition: &Condition) -> Option<WaitingOn> {
    if condition.check == Some(MachineCheck::NotHere) {
        let way_out = "take another release, or correct the version catalog if the issue does not concern you".to_owned();
        return Some(WaitingOn::UpgradeRefused { code: condition.code.clone(), reason: condition.text.clone(), way_out });
    }
    let (component, found) = mismatch(view, condition.check.as_ref()?)?;
    Some(WaitingOn::ConfigurationIncompatible { component, detail: format!("{found}. {} ({})", condition.text, condition.code) })
}

/// Where a configuration is not as a check wants it, and what was found.
fn mismatch(view: &View<'_>, check: &MachineCheck) -> Option<(Component, String)> {
    match check {
        MachineCheck::JavaOptsLint { jdk } => each(view, &Component::STARROCKS, |config| java_opts_fault(&config("JAVA_OPTS")?, *jdk)),
        MachineCheck::NoJavaOptsForOtherJdks => each(view, &Component::STARROCKS, |config| {
            let key = ["JAVA_OPTS_FOR_JDK_9", "JAVA_OPTS_FOR_JDK_11"].into_iter().find(|key| config(key).is_some())?;
            Some(format!("{key} is set"))
        }),
        MachineCheck::BackendJavaOptsContain { options } => each(view, &NODES, |config| {
            let written = config("JAVA_OPTS")?;
            let missing = options.iter().find(|option| !written.contains(option.as_str()))?;
            Some(format!("JAVA_OPTS is set without {missing}"))
        }),
        MachineCheck::ConfigKeyRenamed { component, old, new } => {
            let (component, found) = key_in_use(view, *component, old)?;
            Some((component, format!("{found} is now called {new}")))
        }
        MachineCheck::ConfigKeyRemoved { component, key } => {
            let (component, found) = key_in_use(view, *component, key)?;
            Some((component, format!("{found} is gone")))
        }
        MachineCheck::FrontendConfigEquals { key, value } => {
            let present = view.cluster.frontend.config.get(key);
            let as_wanted = present.is_some_and(|present| present.trim() == value);
            (!as_wanted).then(|| (Component::Frontend, format!("{key} must be {value}")))
        }
        _ => None,
    }
}

/// A key in the configuration of a component that is meant by `pattern`, which may end in `*`. What backends read no longer, compute nodes do not read either.
fn key_in_use(view: &View<'_>, component: release::Component, pattern: &str) -> Option<(Component, String)> {
    let readers: &[Component] = match component {
        release::Component::Frontend => &[Component::Frontend],
        release::Component::Backend => &NODES,
        release::Component::ComputeNode => &[Component::ComputeNode],
    };
    let prefix = pattern.strip_suffix('*');
    let meant = |key: &&String| prefix.map_or(*key == pattern, |prefix| key.starts_with(prefix));
    readers.iter().find_map(|reader| Some((*reader, view.cluster.workload(*reader)?.config.keys().find(meant)?.clone())))
}

/// The first component in whose configuration something is found. What the file says counts before what the environment says: the start scripts export
/// the lines of the file over it.
fn each(
    view: &View<'_>,
    whose: &[Component],
    find: impl Fn(&dyn Fn(&str) -> Option<String>) -> Option<String>,
) -> Option<(Component, String)> {
    view.cluster.workloads().filter(|workload| whose.contains(&workload.component)).find_map(|workload| {
        let value = |key: &str| {
            let by_env = workload.env.iter().find(|variable| variable.name == key).and_then(|variable| variable.value.clone());
            workload.config.get(key).cloned().or(by_env)
        };
        Some((workload.component, find(&value)?))
    })
}

/// Options of the JVM that JDK 9 to 17 took away, beginnings of names; an unknown `-XX` option stops the JVM (the JDK's release notes: the CMS and ParNew
/// collectors went with 14, ParallelOld with 16, the old logging of collections with 9, the permanent generation with 17).
const GONE_IN_17: [&str; 20] = [
    "UseConcMarkSweepGC",
    "UseParNewGC",
    "CMS",
    "UseCMS",
    "ParallelCMSThreads",
    "UseParallelOldGC",
    "AggressiveOpts",
    "PermSize",
    "MaxPermSize",
    "PrintGCDateStamps",
    "PrintGCTimeStamps",
    "PrintGCApplicationStoppedTime",
    "PrintGCApplicationConcurrentTime",
    "PrintTenuringDistribution",
    "PrintHeapAtGC",
    "PrintAdaptiveSizePolicy",
    "PrintPromotionFailure",
    "UseGCLogFileRotation",
    "NumberOfGCLogFiles",
    "GCLogFileSize",
];

/// Options that JDK 11 has for experiments only (JEP 377: a product since 15).
const EXPERIMENTAL_IN_11: [&str; 1] = ["UseZGC"];

/// An option in JAVA_OPTS with which a JDK does not start.
fn java_opts_fault(options: &str, jdk: u32) -> Option<String> {
    let name = |option: &str| option.trim_matches('"').strip_prefix("-XX:").map(|rest| rest.trim_start_matches(['+', '-']).to_owned());
    let is_given = |wanted: &str| options.split_whitespace().any(|option| option.trim_matches('"') == wanted);
    if is_given("-XX:+IgnoreUnrecognizedVMOptions") {
        return None;
    }
    let refused: &[&str] = match jdk {
        17.. => &GONE_IN_17,
        11..17 if !is_given("-XX:+UnlockExperimentalVMOptions") => &EXPERIMENTAL_IN_11,
        _ => &[],
    };
    let fault =
        options.split_whitespace().find(|option| name(option).is_some_and(|name| refused.iter().any(|gone| name.starts_with(gone))))?;
    Some(format!("JAVA_OPTS holds {}, which JDK {jdk} refuses", fault.trim_matches('"')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_a_jdk_refuses_are_found_and_those_that_it_takes_are_not() {
        let refused = |options: &str, jdk| java_opts_fault(options, jdk).is_some();
        for options in [
            "-Xmx8g -XX:+UseConcMarkSweepGC",
            "\"-XX:MaxPermSize=256m -Xmx1g\"",
            "-XX:-UseParallelOldGC",
            "-XX:CMSInitiatingOccupancyFraction=80",
        ] {
            assert!(refused(options, 17), "{options}");
            assert!(!refused(options, 11), "{options}");
            assert!(!refused(&format!("{options} -XX:+IgnoreUnrecognizedVMOptions"), 17), "{options}");
        }
        for options in ["-Xmx8g -XX:+UseG1GC -Xlog:gc*", "--add-opens=java.base/java.util=ALL-UNNAMED", "-XX:+PrintGCDetails", ""] {
            assert!(!refused(options, 17), "{options}");
        }
        assert!(refused("-XX:+UseZGC", 11) && !refused("-XX:+UnlockExperimentalVMOptions -XX:+UseZGC", 11) && !refused("-XX:+UseZGC", 17));
    }
}
