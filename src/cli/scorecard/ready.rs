//! Tests `ready` and `upgrade`: samples are created, and one is upgraded, on an embedded cluster by the real operator with the rights of the package.

use anyhow::{Context, bail};
use k8s_openapi::api::rbac::v1::PolicyRule;
use serde_json::{Value, json};

use super::super::demo::{Script, Told, unwatched};
use super::bundle::{Bundle, EXAMPLES, text};
use super::rbac;
use super::samples::Samples;
use super::verdict::{Finding, Verdict};
use crate::release::{LineFacts, ReleaseTable, Version};

/// What every play needs of the package.
struct Stage<'a> {
    bundle: &'a Bundle,
    definitions: Vec<Value>,
    rules: Vec<PolicyRule>,
}

impl<'a> Stage<'a> {
    fn new(bundle: &'a Bundle) -> anyhow::Result<Self> {
        let (_, csv) = bundle.csv()?;
        let definitions = bundle.of_kind("CustomResourceDefinition").map(|(_, definition)| definition.clone()).collect();
        // OLM widens both where the operator serves every namespace.
        let rules = rbac::rules(csv, "permissions")?.into_iter().chain(rbac::rules(csv, "clusterPermissions")?).collect();
        Ok(Self { bundle, definitions, rules })
    }

    fn play(&self, script: Script) -> anyhow::Result<Told> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().context("starting the runtime")?;
        runtime.block_on(unwatched(script, &self.definitions, self.rules.clone()))
    }

    /// Plays one sample and adds what came of it.
    fn judge(&self, sample: &Value, script: anyhow::Result<Script>, verdict: &mut Verdict) -> anyhow::Result<()> {
        let (file, _) = self.bundle.csv()?;
        let name = text(sample, "/metadata/name").unwrap_or_default();
        let field = format!("metadata.annotations[{EXAMPLES}] (StarRocksCluster {name})");
        let told = match script.and_then(|script| self.play(script)) {
            Ok(told) => told,
            Err(error) => {
                let rule = format!("does not get there: {error:#}");
                verdict.errors.push(Finding::new(file, field, rule, "mend the sample, or the operator if the sample is right"));
                return Ok(());
            }
        };
        let upgraded = told.upgrade_seconds.map_or_else(String::new, |seconds| format!(", upgraded in {seconds} s more"));
        verdict.log.push(format!("{name}: Ready after {} s of cluster time{upgraded}", told.ready_after_seconds));
        for promise in told.broken {
            verdict.errors.push(Finding::new(
                file,
                field.clone(),
                format!("a promise was broken: {promise}"),
                "`demo` shows it step by step",
            ));
        }
        let mut refused = told.refused;
        refused.sort();
        refused.dedup();
        for request in refused {
            let rule = format!("the operator asked for `{request}`, which its roles do not cover");
            verdict.errors.push(Finding::new(file, "spec.install.spec", rule, "add it to src/generate/rbac.rs or do not ask"));
        }
        Ok(())
    }
}

/// Every cluster among the samples becomes Ready, with its warehouses.
pub(super) fn ready(bundle: &Bundle) -> anyhow::Result<Verdict> {
    let (stage, samples) = (Stage::new(bundle)?, Samples::of(bundle)?);
    let mut verdict = Verdict::default();
    for sample in samples.played() {
        let script = samples.story(sample).and_then(|(documents, releases)| {
            let cluster = documents.cluster_with(&releases)?;
            accepted(Script::of(documents, &cluster, None)?)
        });
        stage.judge(sample, script, &mut verdict)?;
    }
    if verdict.log.is_empty() && verdict.errors.is_empty() {
        bail!("no sample is a StarRocksCluster");
    }
    Ok(verdict)
}

/// The largest sample goes from the newest release but one line to the newest of all.
pub(super) fn upgrade(bundle: &Bundle) -> anyhow::Result<Verdict> {
    let (stage, samples) = (Stage::new(bundle)?, Samples::of(bundle)?);
    let (from, to) = ends(ReleaseTable::embedded().lines())?;
    let nodes = |sample: &&Value| {
        ["starRocksFeSpec", "starRocksBeSpec", "starRocksCnSpec"]
            .iter()
            .filter_map(|component| sample["spec"][component]["replicas"].as_u64())
            .sum::<u64>()
    };
    let sample = samples.clusters().max_by_key(nodes).context("no sample is a StarRocksCluster")?;
    let script = samples.story(&at(sample, from)).and_then(|(documents, releases)| {
        let cluster = documents.cluster_with(&releases)?;
        accepted(Script::of(documents, &cluster, Some(to))?)
    });
    let mut verdict = Verdict::default();
    stage.judge(sample, script, &mut verdict)?;
    verdict.log.push(format!("from {from} to {to}"));
    Ok(verdict)
}

fn accepted(script: Result<Script, super::super::plan::Page>) -> anyhow::Result<Script> {
    script.map_err(|refused| anyhow::anyhow!("the upgrade is refused: {}", refused.text))
}

/// The newest releases of the last two lines.
fn ends(lines: &[LineFacts]) -> anyhow::Result<(Version, Version)> {
    let mut newest: Vec<Version> = lines.iter().map(|line| line.newest).collect();
    newest.sort();
    match newest.as_slice() {
        [.., from, to] => Ok((*from, *to)),
        _ => bail!("the release table has fewer than two lines"),
    }
}

/// The sample at a release, and without what lets it follow a channel, wait for somebody or run other images.
fn at(sample: &Value, version: Version) -> Value {
    let mut sample = sample.clone();
    let Some(spec) = sample["spec"].as_object_mut() else { return sample };
    spec.remove("channel");
    if let Some(policy) = spec.get_mut("upgradePolicy").and_then(Value::as_object_mut) {
        policy.retain(|field, _| field == "consents");
    }
    for component in ["starRocksFeSpec", "starRocksBeSpec", "starRocksCnSpec"] {
        if let Some(component) = spec.get_mut(component).and_then(Value::as_object_mut) {
            component.remove("image");
        }
    }
    spec.insert("version".to_owned(), json!(version.to_string()));
    sample
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Package, only};
    use super::*;

    /// The sound package with some of its clusters only.
    fn with(names: &[&str]) -> Package {
        let mut package = Package::sound();
        package.samples.retain(|sample| names.iter().any(|name| sample["metadata"]["name"] == *name));
        package
    }

    #[test]
    fn a_cluster_and_a_warehouse_become_ready_with_the_rights_of_the_package() {
        let verdict = ready(&with(&["minimal", "lake", "reports"]).bundle()).unwrap();
        assert_eq!(verdict.errors, []);
        assert!(verdict.log.len() == 2 && verdict.log[1].starts_with("lake: Ready after "), "{verdict:?}");
    }

    #[test]
    fn a_right_that_is_missing_is_found_by_doing() {
        let mut package = with(&["minimal"]);
        let rules = package.csv().pointer_mut("/spec/install/spec/permissions/0/rules").unwrap().as_array_mut().unwrap();
        rules.retain(|rule| rule["resources"] != json!(["starrockswarehouses"]));
        let finding = only(ready(&package.bundle()).unwrap().errors);
        assert_eq!(finding.rule, "the operator asked for `list starrockswarehouses`, which its roles do not cover");
    }

    #[test]
    fn a_cluster_that_never_becomes_ready_is_found() {
        let mut package = with(&["minimal"]);
        package.samples[0]["spec"]["starRocksBeSpec"]["nodeSelector"] = json!({"disk": "none"});
        let finding = only(ready(&package.bundle()).unwrap().errors);
        assert!(finding.rule.starts_with("does not get there: ") && finding.field.contains("minimal"), "{finding}");
        assert!(ready(&with(&[]).bundle()).is_err());
    }

    #[test]
    fn the_largest_sample_is_upgraded_with_every_promise_kept() {
        let mut package = with(&["minimal", "demo"]);
        package.samples[1]["spec"]["starRocksBeSpec"]["replicas"] = json!(3);
        let verdict = upgrade(&package.bundle()).unwrap();
        assert_eq!(verdict.errors, []);
        assert!(verdict.log[0].starts_with("demo: ") && verdict.log[0].contains("upgraded in"), "{verdict:?}");
    }

    #[test]
    fn an_upgrade_that_breaks_a_promise_is_found() {
        let mut package = with(&["demo"]);
        package.samples[0]["spec"]["starRocksFeSpec"]["replicas"] = json!(1);
        let waits = only(upgrade(&package.bundle()).unwrap().errors);
        assert!(waits.rule.contains("does not get there: upgrading the cluster") && waits.rule.contains("SR-2206"), "{waits}");
        // The only frontend: nobody serves while it restarts.
        package.samples[0]["spec"]["upgradePolicy"] = json!({"consents": ["SingleFrontendOutage"]});
        let errors = upgrade(&package.bundle()).unwrap().errors;
        assert!(errors.iter().any(|found| found.rule.starts_with("a promise was broken: frontend quorum never lost")), "{errors:?}");
    }

    #[test]
    fn a_sample_is_taken_to_a_release_whatever_it_follows() {
        let sample = json!({"spec": {"channel": "stable", "upgradePolicy": {"approval": "Once"}, "starRocksFeSpec": {"image": "a:1", "replicas": 3}}});
        let wanted = json!({"spec": {"version": "3.5.9", "upgradePolicy": {}, "starRocksFeSpec": {"replicas": 3}}});
        assert_eq!(at(&sample, "3.5.9".parse().unwrap()), wanted);
        assert!(ends(&[]).is_err());
    }
}
