//! The runner: started by the harness with one socket, never by hand.
#![forbid(unsafe_code)]
#![cfg_attr(all(target_os = "linux", target_env = "gnu", not(test)), no_main)]

#[cfg(all(target_os = "linux", target_env = "gnu", not(test)))]
ringfence_sys_linux::program!(program);

#[cfg(not(all(target_os = "linux", target_env = "gnu", not(test))))]
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
