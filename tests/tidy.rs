//! Holds the shape of the codebase: who may name whom, what the pure rooms may not contain, how files look. Fails with file, line, rule and way out.
#![allow(clippy::expect_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Which rooms a room may name; the same table stands in ARCHITECTURE.md. `*` is everything.
const MAY_NAME: &[(&str, &[&str])] = &[
    ("api", &[]),
    ("release", &[]),
    ("model", &["api", "release"]),
    ("validate", &["api", "release", "model"]),
    ("build", &["release", "model"]),
    ("plan", &["release", "model", "build", "api"]),
    ("starrocks", &["release", "model"]),
    ("observe", &["api", "model", "starrocks"]),
    ("apply", &["api", "model", "starrocks"]),
    ("telemetry", &["model"]),
    ("controllers", &["api", "release", "model", "validate", "plan", "observe", "apply", "starrocks", "telemetry"]),
    ("webhook", &["api", "release", "model", "validate", "build", "plan"]),
    ("generate", &["api", "release", "model", "build"]),
    ("sim", &["api", "release", "model", "validate", "build", "plan", "starrocks", "observe", "apply", "telemetry", "controllers"]),
    ("cli", &["*"]),
];

/// Rooms that are plumbing and may be named by every room that is allowed to act.
const PLUMBING: &[&str] = &["clock", "yaml"];

/// Rooms that are pure: no waiting, no clients, no clocks, no environment, no files, no unordered maps, no logging.
const PURE: &[&str] = &["api", "release", "model", "validate", "build", "plan"];

const PURE_BANS: &[(&str, &str)] = &[
    ("async fn", "pure rooms do not wait; move the waiting to observe or apply"),
    (".await", "pure rooms do not wait; move the waiting to observe or apply"),
    ("HashMap", "use BTreeMap: the order must be the same on every run"),
    ("HashSet", "use BTreeSet: the order must be the same on every run"),
    ("std::env", "pass settings in as data"),
    ("std::fs", "pass content in as data"),
    ("tracing::", "return what happened; the doors log it"),
    ("println!", "return what happened; the doors print it"),
    ("kube::Client", "only observe reads and only apply writes"),
];

const CLOCKS: &[&str] = &["SystemTime::now", "Utc::now", "Local::now", "std::time::Instant"];

const BAD_NAMES: &[&str] = &["util", "utils", "common", "helpers", "misc", "types", "manager"];

/// A source file with its test code blanked out.
struct Source {
    path: PathBuf,
    room: String,
    lines: Vec<String>,
    is_test: bool,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    collect(&root, &mut paths);
    paths.sort();
    paths.into_iter().map(|path| read(&root, path)).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the source folder can be read").flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
}

fn read(root: &Path, path: PathBuf) -> Source {
    let text = fs::read_to_string(&path).expect("a source file can be read");
    let relative = path.strip_prefix(root).expect("the path lies below src");
    let first = relative.components().next().expect("a path has a component").as_os_str().to_string_lossy();
    let room = first.trim_end_matches(".rs").to_owned();
    let is_test = relative.components().any(|part| {
        let name = part.as_os_str().to_string_lossy();
        name == "tests" || name == "tests.rs" || name == "testing.rs" || name.ends_with("_tests.rs")
    });
    Source { lines: without_tests(&text), path, room, is_test }
}

// Test modules stand last in a file, so everything from the first `#[cfg(test)]` on is test code unless it only guards a `mod tests;`.
fn without_tests(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let all: Vec<&str> = text.lines().collect();
    for (index, line) in all.iter().enumerate() {
        if line.trim_start().starts_with("#[cfg(test)]") {
            let next = all[index + 1..].iter().find(|line| !line.trim_start().starts_with("#[")).unwrap_or(&"");
            if next.trim_end().ends_with('{') {
                break;
            }
        }
        lines.push((*line).to_owned());
    }
    lines
}

fn code(line: &str) -> &str {
    let trimmed = line.trim_start();
    if trimmed.starts_with("//") { "" } else { line.split(" // ").next().unwrap_or(line) }
}

fn report(faults: Vec<String>) {
    assert!(faults.is_empty(), "{} finding(s):\n{}", faults.len(), faults.join("\n"));
}

fn at(source: &Source, index: usize) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    format!("{}:{}", source.path.strip_prefix(root).unwrap_or(&source.path).display(), index + 1)
}

/// The rooms named by `crate::x` or inside `use crate::{x, y}` on one line.
fn rooms_named(line: &str) -> Vec<String> {
    let mut rooms = Vec::new();
    for part in line.split("crate::").skip(1) {
        if let Some(group) = part.strip_prefix('{') {
            let mut depth = 0;
            let mut word = String::new();
            for letter in group.chars() {
                match letter {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => rooms.push(std::mem::take(&mut word)),
                    _ if depth == 0 => word.push(letter),
                    _ => {}
                }
            }
            rooms.push(word);
        } else {
            rooms.push(part.to_owned());
        }
    }
    rooms
        .into_iter()
        .map(|room| room.trim().chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_').collect::<String>())
        .filter(|room| !room.is_empty())
        .collect()
}

#[test]
fn rooms_name_only_whom_the_table_allows() {
    let rooms: BTreeSet<&str> = MAY_NAME.iter().map(|(room, _)| *room).collect();
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test) {
        let Some((_, allowed)) = MAY_NAME.iter().find(|(room, _)| *room == source.room) else { continue };
        if allowed.contains(&"*") {
            continue;
        }
        for (index, line) in source.lines.iter().enumerate() {
            for named in rooms_named(code(line)) {
                let fine = named == source.room
                    || allowed.contains(&named.as_str())
                    || (PLUMBING.contains(&named.as_str()) && !PURE.contains(&source.room.as_str()));
                if rooms.contains(named.as_str()) && !fine {
                    faults.push(format!(
                        "{}: room `{}` may not name `{named}` (it may name {allowed:?}); see the table in ARCHITECTURE.md",
                        at(source, index),
                        source.room
                    ));
                }
            }
        }
    }
    report(faults);
}

#[test]
fn plan_takes_only_status_types_from_the_api() {
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| source.room == "plan" && !source.is_test) {
        for (index, line) in source.lines.iter().enumerate() {
            if code(line).contains("Spec") && code(line).contains("crate::api") {
                faults.push(format!("{}: plan decides from model::Cluster, not from what the user wrote", at(source, index)));
            }
        }
    }
    report(faults);
}

#[test]
fn pure_rooms_neither_wait_nor_read_nor_log() {
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| PURE.contains(&source.room.as_str()) && !source.is_test) {
        for (index, line) in source.lines.iter().enumerate() {
            for (word, way_out) in PURE_BANS {
                if code(line).contains(word) {
                    faults.push(format!("{}: `{word}` in a pure room; {way_out}", at(source, index)));
                }
            }
        }
    }
    report(faults);
}

#[test]
fn crates_with_one_owner_are_named_only_there() {
    let mut faults = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test) {
        let path = source.path.to_string_lossy().into_owned();
        for (index, line) in source.lines.iter().enumerate() {
            let line = code(line);
            let rules: [(&str, bool, &str); 3] = [
                ("mysql_async", path.ends_with("starrocks/mysql.rs"), "src/starrocks/mysql.rs"),
                ("serde_yaml", path.ends_with("src/yaml.rs"), "src/yaml.rs"),
                (
                    "chrono::",
                    ["clock.rs", "model/timestamp.rs", "model/window.rs"].iter().any(|owner| path.ends_with(owner)),
                    "src/clock.rs, src/model/timestamp.rs and src/model/window.rs",
                ),
            ];
            for (word, fine, owner) in rules {
                if line.contains(word) && !fine {
                    faults.push(format!("{}: `{word}` belongs to {owner}", at(source, index)));
                }
            }
            let edge = ["main", "cli", "sim", "generate"].contains(&source.room.as_str());
            if line.contains("anyhow") && !edge {
                faults.push(format!("{}: typed errors in this room; anyhow is for main, cli, sim and generate", at(source, index)));
            }
            if !path.ends_with("clock.rs") && CLOCKS.iter().any(|clock| line.contains(clock)) {
                faults.push(format!("{}: only clock.rs reads the time; take a Timestamp or a Clock", at(source, index)));
            }
        }
    }
    report(faults);
}

#[test]
fn files_open_with_one_sentence_and_stay_short() {
    let mut faults = Vec::new();
    for source in &sources() {
        let stem = source.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if BAD_NAMES.contains(&stem.as_str()) {
            faults.push(format!("{}: `{stem}` says nothing; name the knowledge that lives here", at(source, 0)));
        }
        if !source.lines.first().is_some_and(|line| line.starts_with("//! ")) {
            faults.push(format!("{}: the first line is a `//!` sentence: what goes in, what comes out, what it never does", at(source, 0)));
        }
        if !source.is_test && source.lines.len() > 400 {
            faults.push(format!("{}: {} lines without tests; 400 is the limit, split by knowledge", at(source, 400), source.lines.len()));
        }
    }
    report(faults);
}

#[test]
fn tests_promise_something_and_none_is_hidden() {
    let mut paths = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    collect(&root.join("src"), &mut paths);
    collect(&root.join("tests"), &mut paths);
    let mut faults = Vec::new();
    let hidden = format!("#[{}", "ignore");
    let prefix = format!("fn {}_", "test");
    for path in paths {
        let text = fs::read_to_string(&path).expect("a source file can be read");
        for (index, line) in text.lines().enumerate() {
            let place = format!("{}:{}", path.strip_prefix(root).unwrap_or(&path).display(), index + 1);
            if line.trim_start().starts_with(&hidden) {
                faults.push(format!("{place}: a hidden test is a defect; mend it or delete it"));
            }
            if line.contains(&prefix) {
                faults.push(format!("{place}: a test name is a sentence that promises something"));
            }
        }
    }
    report(faults);
}

/// Every `"SR-nnnn"` written out in the code, without those of planned ways, which the release table explains itself.
fn codes_in_the_code() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for source in sources().iter().filter(|source| !source.is_test) {
        for line in &source.lines {
            for part in code(line).split("\"SR-").skip(1) {
                let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
                if digits.len() == 4 && part[4..].starts_with('"') {
                    codes.insert(format!("SR-{digits}"));
                }
            }
        }
    }
    codes.retain(|code| !("SR-1100".."SR-1400").contains(&code.as_str()));
    codes
}

#[test]
fn every_code_is_explained_and_no_explained_code_is_gone() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/codes.md")).expect("the page can be read");
    let explained: BTreeSet<String> =
        page.lines().filter_map(|line| line.strip_prefix("| SR-")?.get(..4).map(|digits| format!("SR-{digits}"))).collect();
    let used = codes_in_the_code();
    let missing: Vec<&String> = used.difference(&explained).collect();
    let gone: Vec<&String> = explained.difference(&used).filter(|code| !page.contains(&format!("{code} to "))).collect();
    assert!(missing.is_empty(), "docs/codes.md does not explain {missing:?}");
    assert!(gone.is_empty(), "docs/codes.md explains {gone:?}, which no code uses");
}

/// The names of all tests.
fn tests() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    collect(&root.join("src"), &mut paths);
    collect(&root.join("tests"), &mut paths);
    let mut tests = BTreeSet::new();
    for path in paths {
        let text = fs::read_to_string(&path).expect("a source file can be read");
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
            if let Some(name) = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ").filter(|_| std::mem::take(&mut is_test)) {
                tests.insert(name.split(['(', '<']).next().unwrap_or_default().to_owned());
            }
        }
    }
    tests
}

/// What stands between backquotes.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

#[test]
fn each_answer_about_capabilities_is_no_or_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests = tests();
    let page = fs::read_to_string(root.join("docs/capability-levels.md")).expect("the page can be read");
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| ") && line[2..].starts_with(|letter: char| letter.is_ascii_digit()))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    let levels: BTreeSet<&str> = rows.iter().filter_map(|row| row.first().copied()).collect();
    assert_eq!(levels.len(), 5, "the model has five levels: {levels:?}");
    let mut faults = Vec::new();
    for row in &rows {
        let [_, question, answer, proof @ ..] = row.as_slice() else {
            faults.push(format!("{row:?} has no answer"));
            continue;
        };
        let named = quoted(proof.first().copied().unwrap_or_default());
        if named.is_empty() && !answer.starts_with("no") {
            faults.push(format!("{question}: {answer}, but nothing proves it"));
        }
        let there = |name: &str| tests.contains(name) || (name.contains('/') && root.join(name).exists());
        faults.extend(named.iter().filter(|name| !there(name)).map(|name| format!("{question}: there is no {name}")));
    }
    report(faults);
}

#[test]
fn every_test_that_the_compatibility_page_names_exists_and_every_defect_has_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tests = tests();
    let page = fs::read_to_string(root.join("docs/compatibility.md")).expect("the page can be read");
    let rows: Vec<&str> =
        page.lines().skip_while(|line| !line.starts_with("| defect |")).skip(2).take_while(|line| line.starts_with('|')).collect();
    let mut faults = Vec::new();
    for number in 1..=32 {
        let row = rows.iter().find(|row| row.starts_with(&format!("| D{number} |")));
        let named: Vec<&str> =
            row.and_then(|row| row.trim_end_matches(" |").rsplit(" | ").next()).unwrap_or_default().split('`').skip(1).step_by(2).collect();
        // Warehouses have a page of their own; old libraries and charts are not what this operator does.
        if named.is_empty() && ![21, 27, 31].contains(&number) {
            faults.push(format!("D{number} has no row that names a test"));
        }
        faults.extend(named.iter().filter(|name| !tests.contains(**name)).map(|name| format!("D{number}: no test is called {name}")));
    }
    report(faults);
}

#[test]
fn the_scanner_sees_what_it_must() {
    assert_eq!(rooms_named("use crate::{api::A, model::{B, C}, plan};"), ["api", "model", "plan"]);
    assert_eq!(rooms_named("let x = crate::build::objects(crate::model::y());"), ["build", "model"]);
    assert_eq!(code("    // crate::sim"), "");
    let text = "fn a() {}\n#[cfg(test)]\nmod tests;\nfn b() {}\n#[cfg(test)]\nmod more {\n}\n";
    assert_eq!(without_tests(text).len(), 4);
}
