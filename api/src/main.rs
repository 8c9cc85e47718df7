//! The binary `countersign`: see `countersign --help`.

fn main() -> std::process::ExitCode {
    countersign::cli::main()
}
