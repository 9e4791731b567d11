//! Arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    starrocks_operator::cli::main()
}
