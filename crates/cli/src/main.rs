//! `ringfence`.
#![forbid(unsafe_code)]
#![cfg_attr(all(target_os = "linux", not(test)), no_main)]

#[cfg(all(target_os = "linux", not(test)))]
ringfence::program!(program);

/// musl's own gives memory back to the kernel at each turn: a hundred calls in a start.
#[cfg(target_env = "musl")]
#[global_allocator]
static HEAP: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

#[cfg(not(all(target_os = "linux", not(test))))]
fn main() -> std::process::ExitCode {
    program().into()
}

fn program() -> u8 {
    ringfence_cli::start()
}
