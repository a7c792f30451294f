//! The `filiation` binary.

fn main() -> std::process::ExitCode {
    filiation::run()
}
