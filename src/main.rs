//! The `zegel` command.

fn main() -> std::process::ExitCode {
    zegel::cli::main()
}
