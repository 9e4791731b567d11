//! Tells the story: plain lines, a live table on a terminal, or JSON lines; decides nothing.

use std::io::{IsTerminal, Write};

use serde::Serialize;
use serde_json::json;

use super::super::paragraph::paragraph;
use super::Output;
use super::progress::Progress;

/// Where the story is told.
pub(super) struct Screen {
    manner: Manner,
    /// What was last said, so that only changes are said again.
    last: Vec<String>,
    /// Lines of the live block that the next one overwrites.
    live_lines: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Plain,
    Terminal,
    Json,
    Silent,
}

impl Screen {
    /// One that nobody looks at.
    pub(super) const fn silent() -> Self {
        Self { manner: Manner::Silent, last: Vec::new(), live_lines: 0 }
    }

    pub(super) fn new(output: Output) -> Self {
        let manner = match output {
            Output::Json => Manner::Json,
            Output::Text if std::io::stdout().is_terminal() => Manner::Terminal,
            Output::Text => Manner::Plain,
        };
        Self { manner, last: Vec::new(), live_lines: 0 }
    }

    /// Says something once, above whatever is live.
    pub(super) fn say(&mut self, text: &str) {
        match self.manner {
            Manner::Json => self.line(&json!({"type": "note", "text": text}).to_string()),
            Manner::Plain => self.line(text),
            Manner::Terminal => {
                self.clear();
                self.line(text);
            }
            Manner::Silent => {}
        }
    }

    /// A document of its own kind: text for people, the value for machines.
    pub(super) fn document(&mut self, kind: &str, value: &impl Serialize, text: &str) {
        match self.manner {
            Manner::Json => self.line(&json!({"type": kind, kind: value}).to_string()),
            Manner::Plain | Manner::Terminal => {
                self.clear();
                self.line(text);
            }
            Manner::Silent => {}
        }
    }

    /// The cluster at this moment.
    pub(super) fn progress(&mut self, progress: &Progress) {
        match self.manner {
            Manner::Terminal => self.live(progress),
            Manner::Plain => self.changes(progress),
            Manner::Silent => {}
            Manner::Json => {
                let told = vec![progress.headline(), progress.waits().join("; "), nodes_key(progress)];
                if told != self.last {
                    self.last = told;
                    self.line(&json!({"type": "progress", "progress": progress}).to_string());
                }
            }
        }
    }

    fn changes(&mut self, progress: &Progress) {
        let mut told = vec![progress.headline()];
        told.extend(progress.status.leader.as_ref().map(|leader| format!("    {leader} leads")));
        told.extend(progress.action().map(|action| format!("    {action}")));
        told.extend(progress.reasons().into_iter().map(|reason| format!("    waits: {reason}")));
        let stamp = stamp(progress.at_seconds);
        let fresh: Vec<String> = told.iter().filter(|line| !self.last.contains(line)).cloned().collect();
        self.last = told;
        for line in fresh {
            let text = line.trim_start();
            let lead = format!("{stamp} {}", " ".repeat(line.len() - text.len()));
            self.raw(&paragraph(&lead, text));
        }
    }

    fn live(&mut self, progress: &Progress) {
        let mut lines = vec![format!("\x1b[1m{} {}\x1b[0m", stamp(progress.at_seconds), progress.headline())];
        for node in &progress.nodes {
            let leader = if node.leader { "leader" } else { "" };
            let color = if node.state == "ready" { 32 } else { 33 };
            let wait = node.waits_for.as_deref().unwrap_or("");
            lines.push(format!("  {:<16} {:<8} {leader:<7} \x1b[{color}m{:<18}\x1b[0m {wait}", node.pod, node.version, node.state));
        }
        lines.extend(progress.action().map(|action| format!("  {action}")));
        lines.extend(
            progress
                .status
                .blocked
                .iter()
                .filter(|blocked| blocked.node.is_none())
                .map(|blocked| format!("  waits: {} ({})", blocked.message, blocked.code)),
        );
        if lines == self.last {
            return;
        }
        self.clear();
        // The block is overwritten line by line: the terminal cuts what does not fit instead of wrapping it.
        self.raw("\x1b[?7l");
        for line in &lines {
            self.line(line);
        }
        self.raw("\x1b[?7h");
        self.live_lines = lines.len();
        self.last = lines;
    }

    fn clear(&mut self) {
        if self.live_lines > 0 {
            self.raw(&format!("\x1b[{}A\x1b[J", self.live_lines));
            self.live_lines = 0;
            self.last.clear();
        }
    }

    fn line(&self, text: &str) {
        self.raw(&format!("{text}\n"));
    }

    // A closed pipe ends the telling, not the story.
    fn raw(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

fn nodes_key(progress: &Progress) -> String {
    progress
        .nodes
        .iter()
        .map(|node| format!("{} {} {}", node.pod, node.version, node.state.split(' ').next().unwrap_or("")))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Simulated time since the beginning, `hh:mm:ss`.
pub(super) fn stamp(seconds: u64) -> String {
    format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}
