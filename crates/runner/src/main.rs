//! The runner: started by the harness with one socket, never by hand.
#![forbid(unsafe_code)]
#![cfg_attr(all(target_os = "linux", not(test)), no_main)]

#[cfg(all(target_os = "linux", not(test)))]
ringfence_sys_linux::program!(program);

/// musl's own gives memory back to the kernel at each turn: a hundred calls in a start.
#[cfg(target_env = "musl")]
#[global_allocator]
static HEAP: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

#[cfg(not(all(target_os = "linux", not(test))))]
fn main() -> std::process::ExitCode {
    program().into()
}

fn program() -> u8 {
    match ringfence_runner::serve() {
        Ok(()) => 0,
        // Nobody reads a runner's stderr: the harness hears of its death by the socket,
        // and what a failure was has gone there before.
        Err(_) => 125,
    }
}
