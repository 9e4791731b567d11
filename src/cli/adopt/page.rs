//! The answer as a table and paragraphs for people; leaves out nothing that matters, and objects that stay as they are.

use std::fmt::Write;

use super::{Answer, Verdict};
use crate::cli::paragraph::paragraph;
use crate::plan::{Change, ObjectChange};

/// Differences shown of one object; the others are in the other formats.
const SHOWN: usize = 12;

pub(super) fn table(answer: &Answer) -> String {
    let mut page = String::new();
    for holder in &answer.operators {
        let who = if holder.is_go_operator { "The Go operator" } else { "An operator" };
        let more = if holder.is_go_operator {
            "; stop it before `run` is to lead: both wait for this Lease, so they never act together"
        } else {
            ""
        };
        page.push_str(&paragraph("", &format!("{who} holds the Lease in namespace {}: {}{more}.", holder.namespace, holder.holder)));
    }
    for warning in &answer.warnings {
        page.push_str(&paragraph("Warning: ", warning));
    }
    if answer.resources.is_empty() {
        page.push_str("No StarRocksCluster and no StarRocksWarehouse found.\n");
        return page;
    }
    if !page.is_empty() {
        page.push('\n');
    }
    let rows: Vec<[String; 6]> = answer.resources.iter().map(row).collect();
    lines(&["NAMESPACE", "KIND", "NAME", "VERDICT", "OBJECTS", "CODES"], &rows, &mut page);
    for resource in &answer.resources {
        details(resource, &mut page);
    }
    let bad = answer.resources.iter().filter(|resource| resource.verdict >= Change::WouldRestartPods).count();
    let _ = match bad {
        0 => writeln!(page, "\nNo pod would be restarted."),
        _ => writeln!(page, "\n{bad} of {} need a look before they are taken over.", answer.resources.len()),
    };
    page
}

fn row(resource: &Verdict) -> [String; 6] {
    let changed = resource.objects.iter().filter(|object| object.change > Change::MetadataOnly).count();
    let objects = match (resource.objects.len(), changed) {
        (0, _) => "-".to_owned(),
        (all, 0) => format!("{all}"),
        (all, changed) => format!("{all}, {changed} to change"),
    };
    let mut codes: Vec<&str> = resource.blocked.iter().map(|blocked| blocked.code.as_str()).collect();
    if resource.objects.iter().any(is_held) {
        codes.push("SR-2403");
    }
    codes.dedup();
    let codes = if codes.is_empty() { "-".to_owned() } else { codes.join(",") };
    [resource.namespace.clone(), resource.kind.to_owned(), resource.name.clone(), words(resource.verdict).to_owned(), objects, codes]
}

fn is_held(object: &ObjectChange) -> bool {
    object.differences.iter().any(|difference| difference.path.starts_with("spec.template"))
}

fn details(resource: &Verdict, page: &mut String) {
    let changing: Vec<&ObjectChange> =
        resource.objects.iter().filter(|object| object.change > Change::MetadataOnly || !object.differences.is_empty()).collect();
    if changing.is_empty() && resource.blocked.is_empty() && resource.note.is_none() {
        return;
    }
    let _ = writeln!(page, "\n{} {}/{}: {}", resource.kind, resource.namespace, resource.name, words(resource.verdict));
    if let Some(note) = &resource.note {
        page.push_str(&paragraph("  ", note));
    }
    for blocked in &resource.blocked {
        page.push_str(&paragraph(&format!("  {} ", blocked.code), &blocked.message));
    }
    for object in changing {
        let _ = writeln!(page, "  {} {}: {}", object.kind.name(), object.name, words(object.change));
        if let Some(note) = &object.note {
            page.push_str(&paragraph("    ", note));
        }
        for difference in object.differences.iter().filter(|difference| !difference.path.is_empty()).take(SHOWN) {
            let _ = writeln!(page, "    {}", difference.path);
            let _ = writeln!(page, "      live:     {}", short(&difference.found));
            let _ = writeln!(page, "      intended: {}", short(&difference.wanted));
        }
        if object.differences.len() > SHOWN {
            let _ = writeln!(page, "    and {} more, see -o yaml", object.differences.len() - SHOWN);
        }
    }
}

/// A value on one line of bearable length.
fn short(value: &serde_json::Value) -> String {
    const LONGEST: usize = 120;
    if value.is_null() {
        return "nothing".to_owned();
    }
    let text = value.to_string();
    if text.chars().count() <= LONGEST {
        text
    } else {
        format!("{}… ({} characters)", text.chars().take(LONGEST).collect::<String>(), text.chars().count())
    }
}

const fn words(change: Change) -> &'static str {
    match change {
        Change::Unchanged => "unchanged",
        Change::MetadataOnly => "metadata only",
        Change::InPlace => "in place",
        Change::WouldRestartPods => "would restart pods",
        Change::CannotBeTakenOver => "cannot be taken over",
    }
}

/// Rows under their heads, each column as wide as its widest entry.
fn lines(heads: &[&str; 6], rows: &[[String; 6]], page: &mut String) {
    let widths: Vec<usize> = heads
        .iter()
        .enumerate()
        .map(|(column, head)| {
            rows.iter().filter_map(|row| row.get(column)).map(|text| text.chars().count()).chain([head.len()]).max().unwrap_or(0)
        })
        .collect();
    let heads = heads.map(str::to_owned);
    for row in std::iter::once(&heads).chain(rows) {
        let cells = row.iter().zip(&widths).map(|(text, width)| format!("{text:width$}"));
        let _ = writeln!(page, "{}", cells.collect::<Vec<_>>().join("   ").trim_end());
    }
}
