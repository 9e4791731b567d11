//! `scorecard`: judges the package for the Operator Lifecycle Manager, as tests of operator-sdk's scorecard; prints one document and nothing else.
//!
//! scorecard reads whatever a test writes, to standard output and to standard error, as one `TestStatus`, never looks at the exit code, and takes a
//! document without a result for a pass. So there is one document with a result whatever happens: no bundle, wrong arguments, a defect in a test.

mod bundle;
mod channels;
mod crd_upgrade;
mod descriptors;
mod differences;
mod fields;
mod images;
mod path;
mod pods;
mod rbac;
mod ready;
mod released;
mod samples;
mod security;
#[cfg(test)]
mod testing;
mod verdict;

use std::io::Write;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use clap::{Args, ValueEnum};

use super::Outcome;
use bundle::Bundle;
use verdict::{TestResult, TestStatus, Verdict};

/// The verb, by which its arguments are known before they are parsed.
pub(super) const VERB: &str = "scorecard";

/// What to judge.
#[derive(Args, Debug)]
pub(super) struct Arguments {
    /// What to judge
    #[arg(value_enum, value_name = "TEST")]
    test: Test,
    /// The bundle's folder, with manifests/, metadata/ and tests/
    #[arg(long, value_name = "DIR", default_value = "/bundle")]
    bundle: PathBuf,
}

/// A test; its name is that of its result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Test {
    /// Every x-descriptor is one that the console knows, every path leads to a field, parents come first
    Descriptors,
    /// Every field at the top of a spec or status has a descriptor with name and description
    Fields,
    /// Every sample passes schema, CEL, our own checks and the planner
    Samples,
    /// Every image that can be started is told, by digest where the package claims so
    Images,
    /// The rights are those that the code needs, no more and no less
    Rbac,
    /// Every definition is a safe successor of the last release's
    CrdUpgrade,
    /// Name, version, channels, edges and labels agree
    Channels,
    /// Restricted pods, no right that leads further, exact claims, objects that OLM v0 and v1 install
    Security,
    /// Every cluster among the samples becomes Ready on the embedded cluster, with its warehouses
    Ready,
    /// The largest sample is upgraded on the embedded cluster with every promise kept
    Upgrade,
    /// Every one of these
    All,
}

impl Test {
    const EACH: [Self; 10] = [
        Self::Descriptors,
        Self::Fields,
        Self::Samples,
        Self::Images,
        Self::Rbac,
        Self::CrdUpgrade,
        Self::Channels,
        Self::Security,
        Self::Ready,
        Self::Upgrade,
    ];

    fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    fn parts(self) -> Vec<Self> {
        if self == Self::All { Self::EACH.to_vec() } else { vec![self] }
    }

    fn run(self, bundle: &Bundle) -> anyhow::Result<Verdict> {
        match self {
            Self::Descriptors => descriptors::run(bundle),
            Self::Fields => fields::run(bundle),
            Self::Samples => samples::run(bundle),
            Self::Images => images::run(bundle),
            Self::Rbac => rbac::run(bundle),
            Self::CrdUpgrade => crd_upgrade::run(bundle),
            Self::Channels => channels::run(bundle),
            Self::Security => security::run(bundle),
            Self::Ready => ready::ready(bundle),
            Self::Upgrade => ready::upgrade(bundle),
            Self::All => anyhow::bail!("`all` is no test of its own"),
        }
    }
}

/// Judges and prints; whatever happens is in the document, so nothing is left for the exit code to say.
pub(super) fn scorecard(arguments: &Arguments) -> Outcome {
    let panics = Panics::watch();
    let bundle = panics.guard("reading the bundle", || Bundle::read(&arguments.bundle));
    let results = arguments.test.parts().into_iter().map(|test| match &bundle {
        Ok(bundle) => result(&test.name(), panics.guard(&test.name(), || test.run(bundle))),
        Err(error) => TestResult::without_verdict(&test.name(), format!("{error:#}")),
    });
    print(results.collect());
    Outcome::Done
}

/// The document for arguments that cannot be used.
pub(super) fn misused(error: &clap::Error) {
    print(vec![TestResult::without_verdict(VERB, error.to_string().trim().to_owned())]);
}

fn result(name: &str, outcome: anyhow::Result<Verdict>) -> TestResult {
    match outcome {
        Ok(verdict) => TestResult::judged(name, &verdict),
        Err(error) => TestResult::without_verdict(name, format!("{error:#}")),
    }
}

fn print(results: Vec<TestResult>) {
    let Ok(text) = serde_json::to_string_pretty(&TestStatus { results }) else { return };
    // Where nobody reads there is nobody to tell.
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

/// What panicked, in whatever thread or task; kept instead of printed, because a second document is none.
struct Panics(Arc<Mutex<Vec<String>>>);

impl Panics {
    fn watch() -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&seen);
        panic::set_hook(Box::new(move |panic| {
            let place = panic.location().map(|place| format!(" at {}:{}", place.file(), place.line())).unwrap_or_default();
            let words = panic.payload_as_str().unwrap_or("no words");
            kept.lock().unwrap_or_else(PoisonError::into_inner).push(format!("{words}{place}"));
        }));
        Self(seen)
    }

    /// Runs something; a panic in it, or in a task of it, is an error.
    fn guard<T>(&self, what: &str, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let outcome = panic::catch_unwind(AssertUnwindSafe(work));
        let seen = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        match (outcome, seen.as_slice()) {
            (Ok(outcome), []) => outcome,
            (_, seen) => Err(anyhow::anyhow!("a defect of this program, not of the package: {what}: {}; report it", seen.join("; "))),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::verdict::{Finding, State};
    use super::*;

    #[test]
    fn a_document_has_the_keys_that_scorecard_reads() {
        let finding = Finding::new("manifests/a.yaml", "spec.b", "is wrong", "mend it");
        let results = vec![result("images", Ok(Verdict { log: vec!["seen".to_owned()], errors: vec![finding], suggestions: Vec::new() }))];
        let document = serde_json::to_value(TestStatus { results }).unwrap();
        let told = serde_json::json!({"results": [{"name": "images", "state": "fail", "log": "seen",
            "errors": ["manifests/a.yaml: spec.b: is wrong; mend it"], "suggestions": [], "creationTimestamp": null}]});
        assert_eq!(document, told);
        assert_eq!(result("images", Ok(Verdict::default())).state(), State::Pass);
    }

    #[test]
    fn an_error_without_verdict_is_a_result_of_the_same_name() {
        let told = result("images", Err(anyhow::anyhow!("no bundle").context("reading")));
        assert_eq!((told.state(), told.errors()), (State::Error, &["reading: no bundle".to_owned()][..]));
    }

    #[test]
    fn every_test_is_part_of_all() {
        let each: Vec<Test> = Test::value_variants().iter().copied().filter(|test| *test != Test::All).collect();
        assert_eq!(each, Test::EACH);
        assert_eq!(Test::All.parts(), Test::EACH);
    }

    #[test]
    fn a_panic_is_a_result_and_nothing_else_is_written() {
        const MARK: &str = "SCORECARD_PANICS_HERE";
        if std::env::var_os(MARK).is_some() {
            let panics = Panics::watch();
            let own = panics.guard("own", || panic!("the first word"));
            let of_a_thread = panics.guard("thread", || {
                let _ = std::thread::spawn(|| panic!("the second {}", "word")).join();
                Ok(Verdict::default())
            });
            let fine = panics.guard("fine", || Ok(Verdict::default()));
            print(vec![result("own", own), result("thread", of_a_thread), result("fine", fine)]);
            return;
        }
        // The hook belongs to a process, so this one goes on in another.
        let name = "cli::scorecard::tests::a_panic_is_a_result_and_nothing_else_is_written";
        let mut program = std::process::Command::new(std::env::current_exe().unwrap());
        let told = program.args([name, "--exact", "--nocapture", "--test-threads=1"]).env(MARK, "1").output().unwrap();
        let (stdout, stderr) = (String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&told.stderr));
        assert_eq!(stderr, "");
        let document = &stdout[stdout.find('{').unwrap()..=stdout.rfind('}').unwrap()];
        let document: serde_json::Value = serde_json::from_str(document).unwrap();
        let states: Vec<&str> = document["results"].as_array().unwrap().iter().map(|result| result["state"].as_str().unwrap()).collect();
        assert_eq!(states, ["error", "error", "pass"]);
        for (index, words) in ["the first word at src/cli/scorecard/mod.rs", "the second word at"].iter().enumerate() {
            let error = document["results"][index]["errors"][0].as_str().unwrap();
            assert!(error.contains(words) && error.contains("a defect of this program"), "{error}");
        }
    }

    #[test]
    fn the_tests_that_the_bundle_names_are_these() {
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("bundle/tests/scorecard/config.yaml");
        let text = fs::read_to_string(config).unwrap();
        for test in Test::EACH {
            assert!(text.contains(&format!("- {}\n", test.name())), "tests/scorecard/config.yaml does not run {}", test.name());
        }
    }
}
