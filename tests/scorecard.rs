//! `starrocks-operator scorecard` as a test pod runs it: whatever it is given, both outputs together are one document with a result, and the exit code is 0.
#![allow(clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Runs the program and reads what a container's log would hold.
fn run(arguments: &[&str]) -> Value {
    let told = Command::new(env!("CARGO_BIN_EXE_starrocks-operator")).args(arguments).env("RUST_LOG", "trace").output().expect("it runs");
    assert_eq!(told.status.code(), Some(0), "{arguments:?}");
    let log = [told.stdout, told.stderr].concat();
    serde_json::from_slice(&log).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {}", String::from_utf8_lossy(&log)))
}

fn only(document: &Value) -> (&str, &str, &str) {
    let results = document["results"].as_array().expect("results");
    assert_eq!(results.len(), 1, "{document}");
    let text = |field: &str| results[0][field].as_str().expect("text");
    (text("name"), text("state"), results[0]["errors"][0].as_str().unwrap_or_default())
}

fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("scorecard").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(folder.join("manifests")).expect("a folder");
    folder
}

#[test]
fn arguments_that_cannot_be_used_are_a_document() {
    for arguments in
        [&["scorecard"][..], &["scorecard", "nonsense"], &["scorecard", "images", "--nonsense"], &["scorecard", "images", "more"]]
    {
        let document = run(arguments);
        let (name, state, error) = only(&document);
        assert_eq!((name, state), ("scorecard", "error"));
        assert!(error.contains("Usage:") || error.contains("TEST"), "{error}");
    }
}

#[test]
fn a_bundle_that_cannot_be_read_is_a_document_under_the_name_of_the_test() {
    let document = run(&["scorecard", "descriptors", "--bundle", "/nowhere"]);
    let (name, state, error) = only(&document);
    assert_eq!((name, state), ("descriptors", "error"));
    assert!(error.contains("/nowhere"), "{error}");

    let folder = scratch("no-yaml");
    fs::write(folder.join("manifests/a.yaml"), "a: [1,\n").expect("written");
    let document = run(&["scorecard", "security", "--bundle", &folder.to_string_lossy()]);
    assert!(only(&document).2.contains("manifests/a.yaml is no YAML"), "{document}");

    fs::write(folder.join("manifests/a.yaml"), b"\xff\xfe").expect("written");
    let document = run(&["scorecard", "all", "--bundle", &folder.to_string_lossy()]);
    let results = document["results"].as_array().expect("results");
    assert_eq!(results.len(), 10);
    assert!(results.iter().all(|result| result["state"] == "error" && result["errors"][0].as_str().is_some()), "{document}");
}

#[test]
fn a_bundle_with_little_in_it_fails_every_test_and_breaks_none() {
    let folder = scratch("little");
    fs::write(folder.join("manifests/a.yaml"), "kind: ClusterServiceVersion\nmetadata: {annotations: {alm-examples: '[]'}}\n")
        .expect("written");
    let document = run(&["scorecard", "all", "--bundle", &folder.to_string_lossy()]);
    for result in document["results"].as_array().expect("results") {
        let errors = result["errors"].as_array().expect("errors");
        assert!(!errors.iter().any(|error| error.to_string().contains("a defect of this program")), "{result}");
    }
    let state = |name: &str| {
        document["results"].as_array().expect("results").iter().find(|result| result["name"] == name).expect(name)["state"].clone()
    };
    assert_eq!(state("rbac"), "fail");
    assert_eq!(state("security"), "fail");
    assert_eq!(state("channels"), "error");
}

#[test]
fn the_package_passes_every_test() {
    let document = run(&["scorecard", "all", "--bundle", &Path::new(env!("CARGO_MANIFEST_DIR")).join("bundle").to_string_lossy()]);
    for result in document["results"].as_array().expect("results") {
        assert_eq!(result["state"], "pass", "{:#}", result["errors"]);
        assert_ne!(result["log"], "", "{result}");
    }
}
