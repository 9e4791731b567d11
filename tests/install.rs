//! What is shipped to install the operator, held against the code and the documentation: files of `config/`, alerts, the image.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use regex::Regex;
use starrocks_operator::generate::{self, config};
use starrocks_operator::telemetry::{Category, Metrics};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn files_below(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())).flatten() {
        let path = entry.path();
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.insert(path.strip_prefix(root()).expect("below the root").to_string_lossy().into_owned());
        }
    }
}

#[test]
fn generated_folders_hold_what_the_code_writes_and_nothing_else() {
    let written: BTreeMap<String, String> = generate::files().expect("prints").into_iter().map(|file| (file.path, file.content)).collect();
    let mut faults = Vec::new();
    for folder in generate::FOLDERS {
        let mut there = BTreeSet::new();
        files_below(&root().join(folder), &mut there);
        faults.extend(
            there
                .iter()
                .filter(|path| !written.contains_key(*path) && !generate::HAND_WRITTEN.contains(&path.as_str()))
                .map(|path| format!("{path} is no longer written")),
        );
    }
    for (path, content) in &written {
        if fs::read_to_string(root().join(path)).ok().as_ref() != Some(content) {
            faults.push(format!("{path} differs from what the code says"));
        }
    }
    assert!(faults.is_empty(), "run `make bless`:\n{}", faults.join("\n"));
}

/// Series that the operator exposes once everything that is counted has happened, with the names and values of their labels.
fn exposed() -> BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
    let metrics = Metrics::new();
    metrics.pass(Duration::from_millis(1));
    for category in [
        Category::Conflict,
        Category::Forbidden,
        Category::Invalid,
        Category::Kubernetes,
        Category::Timeout,
        Category::StarRocks,
        Category::ForeignObject,
        Category::Unreadable,
        Category::Panic,
    ] {
        metrics.error(category);
    }
    metrics.waiting("a/b", ["SR-2001".to_owned()]);
    metrics.refusal();
    metrics.watch_failure("Pod");
    metrics.leads(true);
    let mut series: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    let label = Regex::new(r#"(\w+)="([^"]*)""#).expect("compiles");
    for line in metrics.encode().expect("encodes").lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        let labels = series.entry(name.to_owned()).or_default();
        for found in label.captures_iter(line) {
            labels.entry(found[1].to_owned()).or_default().insert(found[2].to_owned());
        }
    }
    series
}

#[test]
fn alerts_ask_for_series_and_labels_that_the_operator_exposes() {
    let exposed = exposed();
    let selector = Regex::new(r"\b(starrocks_operator_\w+|up)\{([^}]*)\}").expect("compiles");
    let matcher = Regex::new(r#"(\w+)(=~|!~|!=|=)"([^"]*)""#).expect("compiles");
    let grouping = Regex::new(r"by \(([^)]*)\)").expect("compiles");
    for alert in config::alerts() {
        let (name, expression) = (alert.name, alert.expression());
        let mut labels = BTreeSet::from(["namespace".to_owned()]);
        assert_eq!(selector.find_iter(&expression).count(), expression.matches('{').count(), "{name}: {expression}");
        for found in selector.captures_iter(&expression) {
            if &found[1] == "up" {
                continue;
            }
            let known = exposed.get(&found[1]).unwrap_or_else(|| panic!("{name}: nobody exposes {}", &found[1]));
            labels.extend(known.keys().cloned());
            for matched in matcher.captures_iter(&found[2]).filter(|matched| &matched[1] != "job") {
                let values = known.get(&matched[1]).unwrap_or_else(|| panic!("{name}: {} has no label {}", &found[1], &matched[1]));
                // Codes are held against their page below.
                let gone = matched[3].split('|').find(|value| &matched[1] != "code" && !values.contains(*value));
                assert_eq!(gone, None, "{name}: no {} is called that", &matched[1]);
            }
        }
        for by in grouping.captures_iter(&expression) {
            for label in by[1].split(", ") {
                assert!(labels.contains(label), "{name}: no series has a label {label}");
            }
        }
    }
}

#[test]
fn every_alert_has_its_part_of_the_page_and_every_code_in_it_is_explained() {
    let (runbooks, codes) = (page(config::RUNBOOKS), page("docs/codes.md"));
    let headings: Vec<&str> = runbooks.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    let names: Vec<&str> = config::alerts().iter().map(|alert| alert.name).collect();
    assert_eq!(headings, names, "the page and the rules have the same alerts in the same order");
    for alert in config::alerts() {
        let part = runbooks.split("\n## ").find(|part| part.starts_with(alert.name)).expect("its part");
        let severity = if alert.is_critical { "critical" } else { "warning" };
        let says = if alert.holds == "0m" { format!("{severity}, at once") } else { format!("{severity}, after {}", alert.holds) };
        assert!(part.contains(&says), "{}: the page does not say `{says}`", alert.name);
        let expression = alert.expression();
        for code in expression.split(['"', '|']).filter(|code| code.starts_with("SR-")) {
            let pattern = Regex::new(&format!(r"(?m)^\| {code} \|")).expect("compiles");
            assert!(pattern.is_match(&codes), "{}: docs/codes.md does not explain {code}", alert.name);
        }
    }
}

/// Codes of the waits that only a person ends, read where the operator itself decides it.
fn codes_for_a_person() -> BTreeSet<String> {
    let text = page("src/model/waiting_code.rs");
    let entry = Regex::new(r#"Self::(\w+(?:\(\w+::\w+)?)[^=]* => \("(SR-\d{4})""#).expect("compiles");
    let codes: BTreeMap<&str, &str> = entry.captures_iter(&text).map(|found| found.extract().1).map(|[wait, code]| (wait, code)).collect();
    let (_, waits) = text.split_once("fn needs_a_person").expect("is there");
    let variant = Regex::new(r"Self::(\w+(?:\(\w+::\w+)?)").expect("compiles");
    variant.captures_iter(waits).map(|found| codes[&found[1]].to_owned()).collect()
}

#[test]
fn what_only_a_person_ends_alerts_one_unless_it_is_meant() {
    // Pauses and approvals are meant; a refused decision has an alert of its own.
    const NOT_HERE: [&str; 3] = ["SR-2207", "SR-2216", "SR-2901"];
    let alert = config::alerts().iter().find(|alert| alert.name == "StarRocksClusterNeedsAPerson").expect("is there");
    let expression = alert.expression();
    let matcher = expression.split("code=~\"").nth(1).and_then(|rest| rest.split('"').next()).expect("chooses codes");
    let matcher = Regex::new(&format!("^(?:{matcher})$")).expect("compiles");
    let codes = codes_for_a_person();
    assert!(codes.len() > 30, "{codes:?}");
    let missing: Vec<&String> = codes.iter().filter(|code| matcher.is_match(code) == NOT_HERE.contains(&code.as_str())).collect();
    assert!(missing.is_empty(), "nobody is told of {missing:?}, or somebody of what is meant");
}

/// Links between pages, and from them to files of the checkout.
#[test]
fn the_pages_about_installing_link_to_what_is_there() {
    let link = Regex::new(r"\]\(([^)#:]+)(#[^)]*)?\)").expect("compiles");
    for path in ["README.md", "docs/README.md", "docs/install-kubectl.md", "docs/openshift.md", "docs/alerts.md", "docs/quick-start.md"] {
        let folder = root().join(path).parent().expect("a folder").to_owned();
        for found in link.captures_iter(&page(path)) {
            assert!(folder.join(&found[1]).exists(), "{path} links to {}, which is not there", &found[1]);
        }
    }
}

#[test]
fn the_image_is_what_the_deployment_expects() {
    let dockerfile = page("Dockerfile");
    let user = generate::install::USER;
    assert!(dockerfile.contains(&format!("\nUSER {user}:{user}\n")), "a numeric user that is not root, as in the Deployment");
    assert!(dockerfile.contains("\nFROM scratch\n") && dockerfile.contains("tests/image/rootfs"));
    let exceptions = page(".dockerignore");
    let reaches = |path: &str| {
        exceptions.lines().filter_map(|line| line.strip_prefix('!')).any(|given| path == given || path.starts_with(&format!("{given}/")))
    };
    let sources = included().into_iter().chain(copied("bundle.Dockerfile"));
    for path in sources {
        assert!(reaches(&path), ".dockerignore keeps {path} from the builder");
    }
    for architecture in generate::install::ARCHITECTURES {
        let is_built = page("tests/image/rootfs").lines().any(|line| line.trim_start().starts_with(&format!("{architecture} |")));
        assert!(is_built && page("Makefile").contains(&format!("linux/{architecture}")), "nobody builds for {architecture}");
    }
}

/// Files outside `src` that the program holds, by their path from the root.
fn included() -> BTreeSet<String> {
    fn walk(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).expect("the source folder can be read").flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() && name != "tests" {
                walk(&path, found);
            } else if name.ends_with(".rs") && name != "tests.rs" && name != "testing.rs" {
                let text = fs::read_to_string(&path).expect("a source file can be read");
                let program = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
                let macros = program.split("include_str!(\"").skip(1).filter_map(|rest| rest.split('"').next());
                found.extend(macros.filter_map(|path| path.split("../").last().filter(|_| path.starts_with("../"))).map(str::to_owned));
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(&root().join("src"), &mut found);
    assert!(found.contains("config/images.lock") && found.len() > 5, "{found:?}");
    // Data that lies within `src` itself.
    found.retain(|path| root().join(path).exists());
    found
}

/// What a Dockerfile copies out of the checkout.
fn copied(file: &str) -> Vec<String> {
    let text = page(file);
    let copies = text.lines().filter_map(|line| line.strip_prefix("COPY ")).filter(|line| !line.starts_with("--from"));
    copies.flat_map(|line| line.split(' ').rev().skip(1).map(|path| path.trim_end_matches('/').to_owned()).collect::<Vec<_>>()).collect()
}
