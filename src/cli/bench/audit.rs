//! The API server's audit log in, requests of one user counted by verb and resource out; reads on where it stopped and changes nothing.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::ByName;

/// The log and how far it has been read.
pub(super) struct AuditLog {
    lines: BufReader<File>,
    /// The beginning of a line whose end is not written yet.
    partial: String,
    user: String,
}

/// Requests by `verb resource`, apart by what they are for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Counts {
    /// Gets, lists and the like.
    pub reads: ByName,
    /// Everything that changes something, the lease left out.
    pub writes: ByName,
    /// Requests for the lease: renewals come as long as the operator leads.
    pub lease: ByName,
    /// Watches that ended; the server ends each after a few minutes, and it is taken up again.
    pub watches: ByName,
    /// Requests that were answered with an error, by code; they are counted above as well.
    pub errors: ByName,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    verb: String,
    user: User,
    object_ref: Option<ObjectRef>,
    response_status: Option<Answer>,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Deserialize)]
struct ObjectRef {
    resource: Option<String>,
    subresource: Option<String>,
}

#[derive(Deserialize)]
struct Answer {
    code: Option<u16>,
}

impl AuditLog {
    pub(super) fn open(path: &Path, user: &str) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
        Ok(Self { lines: BufReader::new(file), partial: String::new(), user: user.to_owned() })
    }

    /// What was written since the last call.
    pub(super) fn take(&mut self) -> anyhow::Result<Counts> {
        let mut counts = Counts::default();
        while self.lines.read_line(&mut self.partial).context("reading the audit log")? > 0 {
            if self.partial.ends_with('\n') {
                counts.note(&self.partial, &self.user);
                self.partial.clear();
            }
        }
        Ok(counts)
    }
}

impl Counts {
    fn note(&mut self, line: &str, user: &str) {
        // Most lines are others': looking for the name first is ten times as fast as parsing them all.
        if !line.contains(user) {
            return;
        }
        let Ok(line) = serde_json::from_str::<Line>(line) else { return };
        if line.user.username != user {
            return;
        }
        let object = line.object_ref.unwrap_or(ObjectRef { resource: None, subresource: None });
        let resource = object.resource.unwrap_or_else(|| "other".to_owned());
        let is_lease = resource == "leases";
        let resource = object.subresource.map_or(resource.clone(), |subresource| format!("{resource}/{subresource}"));
        let shelf = match line.verb.as_str() {
            _ if is_lease => &mut self.lease,
            "watch" => &mut self.watches,
            "create" | "update" | "patch" | "delete" | "deletecollection" => &mut self.writes,
            _ => &mut self.reads,
        };
        *shelf.entry(format!("{} {resource}", line.verb)).or_default() += 1;
        if let Some(code) = line.response_status.and_then(|answer| answer.code).filter(|code| *code >= 400) {
            *self.errors.entry(format!("{code} {} {resource}", line.verb)).or_default() += 1;
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.reads, &other.reads),
            (&mut self.writes, &other.writes),
            (&mut self.lease, &other.lease),
            (&mut self.watches, &other.watches),
            (&mut self.errors, &other.errors),
        ];
        for (sum, more) in pairs {
            for (what, count) in more {
                *sum.entry(what.clone()).or_default() += count;
            }
        }
    }

    /// Requests that change something.
    pub(super) fn writes(&self) -> u64 {
        self.writes.values().sum()
    }

    pub(super) const fn writes_by_kind(&self) -> &ByName {
        &self.writes
    }

    /// Requests without those that come whatever happens: watches taken up again and the lease.
    pub(super) fn requests(&self) -> u64 {
        self.writes() + self.reads.values().sum::<u64>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(user: &str, verb: &str, resource: &str, code: u16) -> String {
        format!(
            r#"{{"kind":"Event","verb":"{verb}","user":{{"username":"{user}"}},"objectRef":{{"resource":"{resource}"}},"responseStatus":{{"code":{code}}}}}"#
        )
    }

    #[test]
    fn requests_of_the_operator_alone_are_counted_and_the_lease_apart() {
        let mut counts = Counts::default();
        for (user, verb, resource, code) in [
            ("operator", "patch", "statefulsets", 201),
            ("operator", "patch", "statefulsets", 409),
            ("operator", "update", "leases", 200),
            ("operator", "watch", "pods", 200),
            ("operator", "list", "pods", 200),
            ("other", "create", "pods", 201),
        ] {
            counts.note(&line(user, verb, resource, code), "operator");
        }
        assert_eq!((counts.writes(), counts.requests()), (2, 3));
        assert_eq!(counts.lease["update leases"], 1);
        assert_eq!(counts.watches["watch pods"], 1);
        assert_eq!(counts.errors["409 patch statefulsets"], 1);
    }

    #[test]
    fn a_line_that_is_half_written_is_counted_once_it_is_whole() {
        use std::io::Write;
        let path = std::env::temp_dir().join(format!("audit-{}", std::process::id()));
        let mut file = File::create(&path).expect("a file");
        let mut log = AuditLog::open(&path, "operator").expect("it opens");
        let whole = line("operator", "patch", "services", 200);
        let (first, second) = whole.split_at(40);
        file.write_all(first.as_bytes()).expect("written");
        assert_eq!(log.take().expect("read"), Counts::default());
        file.write_all(format!("{second}\n").as_bytes()).expect("written");
        assert_eq!(log.take().expect("read").writes(), 1);
        std::fs::remove_file(path).expect("removed");
    }
}
