//! Arguments in, exit code out; one file per subcommand. Exit codes: 0 done, 1 failed, 2 used wrongly or refused.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::model::component::FORMER_FIELD_MANAGER;

mod adopt;
#[cfg(feature = "e2e")]
mod bench;
mod catalogs;
#[cfg(feature = "e2e")]
mod control_plane;
mod crash_points;
mod crds;
mod critical_path;
mod demo;
mod documents;
mod edges;
mod generate;
#[cfg(feature = "e2e")]
mod nodes;
mod paragraph;
mod plan;
pub mod run;
mod scorecard;
mod simulate;
#[cfg(feature = "e2e")]
mod sql;
mod upgrade;
mod webhook;

/// Creates StarRocks clusters on Kubernetes and walks them safely from release to release.
#[derive(Debug, Parser)]
#[command(name = "starrocks-operator", version, about, propagate_version = true, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Create and upgrade a cluster on an embedded Kubernetes with a simulated StarRocks; needs nothing else
    Demo(demo::Arguments),
    /// Show the upgrade path and every step with its rule, without touching anything
    Plan(plan::Arguments),
    /// See upgrades under way, approve, pause, stop them or roll them back
    Upgrade(Box<upgrade::Arguments>),
    /// Say what taking over clusters of the Go operator would change, without touching anything
    Adopt(Box<adopt::Arguments>),
    /// Run the operator against a Kubernetes cluster
    Run(Box<run::RunArguments>),
    /// Print the CustomResourceDefinitions for `kubectl apply --server-side -f -`
    Crds,
    /// Play nodes with StarRocks in their pods for a real Kubernetes API
    #[cfg(feature = "e2e")]
    #[command(hide = true)]
    Nodes(nodes::Arguments),
    /// Measure the operator with many clusters on a real Kubernetes API
    #[cfg(feature = "e2e")]
    #[command(hide = true)]
    Bench(bench::Arguments),
    /// Serve the embedded Kubernetes API and its control loops, without nodes
    #[cfg(feature = "e2e")]
    #[command(hide = true)]
    ControlPlane(control_plane::Arguments),
    /// Ask a frontend SQL
    #[cfg(feature = "e2e")]
    #[command(hide = true)]
    Sql(sql::Arguments),
    /// Run seeded simulations with faults and check every safety rule
    Simulate(simulate::Arguments),
    /// Judge the package for the Operator Lifecycle Manager; prints one document for operator-sdk's scorecard
    Scorecard(scorecard::Arguments),
    /// Write or check the files that are generated from the code
    Generate(generate::Arguments),
}

/// How a subcommand ended when it did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It did what was asked.
    Done,
    /// It understood and refused, having said why.
    Refused,
}

/// Parses the process arguments and runs the subcommand.
pub fn main() -> ExitCode {
    let written = with_two_dashes(with_verb(std::env::args_os().collect()));
    let for_scorecard = written.get(1).is_some_and(|verb| verb == scorecard::VERB);
    let arguments = match Arguments::try_parse_from(written) {
        Ok(arguments) => arguments,
        Err(error) if for_scorecard && error.use_stderr() => {
            scorecard::misused(&error);
            return ExitCode::SUCCESS;
        }
        Err(error) => error.exit(),
    };
    let outcome = match arguments.command {
        Command::Demo(arguments) => demo::demo(arguments),
        Command::Plan(arguments) => plan::plan(&arguments),
        Command::Upgrade(arguments) => upgrade::upgrade(&arguments),
        Command::Adopt(arguments) => adopt::adopt(&arguments),
        Command::Run(arguments) => run::main(*arguments),
        Command::Crds => crds::crds(),
        #[cfg(feature = "e2e")]
        Command::Nodes(arguments) => nodes::nodes(arguments),
        #[cfg(feature = "e2e")]
        Command::Bench(arguments) => bench::bench(&arguments),
        #[cfg(feature = "e2e")]
        Command::ControlPlane(arguments) => control_plane::control_plane(arguments),
        #[cfg(feature = "e2e")]
        Command::Sql(arguments) => sql::sql(arguments),
        Command::Simulate(arguments) => simulate::simulate(&arguments),
        Command::Scorecard(arguments) => Ok(scorecard::scorecard(&arguments)),
        Command::Generate(arguments) => generate::generate(&arguments),
    };
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Refused) => ExitCode::from(2),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The arguments with `run` in front when the program is called by the Go operator's name: in its Deployment stand a command, `/sroperator`, and flags,
/// and no verb.
fn with_verb(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let name = arguments.first().and_then(|program| Path::new(program).file_name());
    if name == Some(OsStr::new(FORMER_FIELD_MANAGER)) {
        arguments.insert(1, "run".into());
    }
    arguments
}

/// The arguments of `run` with two dashes where a flag of several letters has one: programs in Go take both, so manifests of the Go operator may have either.
fn with_two_dashes(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let of_run = arguments.get(1).is_some_and(|verb| verb == "run");
    for argument in arguments.iter_mut().skip(2).filter(|_| of_run) {
        let flag = argument.to_str().and_then(|text| text.strip_prefix('-'));
        let long = flag.filter(|flag| flag.len() > 1 && flag.starts_with(|first: char| first.is_ascii_alphabetic()));
        if let Some(doubled) = long.map(|flag| format!("--{flag}")) {
            *argument = doubled.into();
        }
    }
    arguments
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn a_deployment_of_the_go_operator_needs_no_other_command() {
        let arguments = Arguments::try_parse_from(with_verb(vec!["/sroperator".into(), "--leader-elect".into()])).expect("parses");
        assert!(matches!(arguments.command, Command::Run(_)));
        assert_eq!(with_verb(vec!["starrocks-operator".into(), "crds".into()]).len(), 2);
    }

    #[test]
    fn flags_of_run_may_have_one_dash_as_in_programs_in_go() {
        let written = [
            "/sroperator",
            "-leader-elect",
            "-namespace=data",
            "-zap-encoder",
            "console",
            "--deny-list=secret",
            "-volume-name-with-hash=false",
        ];
        let read = with_two_dashes(with_verb(written.map(OsString::from).to_vec()));
        let told = [
            "/sroperator",
            "run",
            "--leader-elect",
            "--namespace=data",
            "--zap-encoder",
            "console",
            "--deny-list=secret",
            "--volume-name-with-hash=false",
        ];
        assert_eq!(read, told);
        assert!(Arguments::try_parse_from(read).is_ok());
        // Short flags and other verbs stay as they are.
        for untouched in [vec!["starrocks-operator", "run", "-h"], vec!["starrocks-operator", "adopt", "--dry-run", "-nprod", "-ojson"]] {
            let arguments: Vec<OsString> = untouched.into_iter().map(OsString::from).collect();
            assert_eq!(with_two_dashes(arguments.clone()), arguments);
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
