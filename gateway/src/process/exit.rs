//! How a process ended, in words.

use std::process::ExitStatus;

use crate::os;

/// "exited with status 3" or "was killed by signal 11 (SIGSEGV)".
pub fn describe(status: ExitStatus) -> String {
    let Some((signal, core_dumped)) = os::ended_by(status) else {
        let code = status.code().unwrap_or_default();
        return format!("exited with status {}", shown(code));
    };
    let core = if core_dumped { ", core dumped" } else { "" };
    match signal_name(signal) {
        Some(name) => format!("was killed by signal {signal} ({name}){core}"),
        None => format!("was killed by signal {signal}{core}"),
    }
}

/// The codes that Windows gives programs that end by an exception are known in hexadecimal.
fn shown(code: i32) -> String {
    match code {
        0.. => code.to_string(),
        _ => format!("0x{code:08X}"),
    }
}

/// As [`describe`], of a Windows program under Wine: the system keeps the lowest byte of its exit code alone.
pub fn describe_windows(status: ExitStatus) -> String {
    match status.code() {
        Some(code @ 1..) => format!("exited with status {code} (the lowest byte of its exit code)"),
        _ => describe(status),
    }
}

/// Names of the signals that end processes; their numbers are those of Linux on every common architecture.
pub fn signal_name(signal: i32) -> Option<&'static str> {
    Some(match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        10 => "SIGUSR1",
        11 => "SIGSEGV",
        12 => "SIGUSR2",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    #[test]
    fn names_signals_and_tells_statuses() {
        let words = |raw| describe(ExitStatus::from_raw(raw));
        assert_eq!(words(11), "was killed by signal 11 (SIGSEGV)");
        assert_eq!(
            words(6 | 0x80),
            "was killed by signal 6 (SIGABRT), core dumped"
        );
        assert_eq!(words(40), "was killed by signal 40");
        assert_eq!(words(3 << 8), "exited with status 3");
        assert_eq!(shown(0xC000_0005_u32.cast_signed()), "0xC0000005");
        let words = |raw| describe_windows(ExitStatus::from_raw(raw));
        assert_eq!(
            words(5 << 8),
            "exited with status 5 (the lowest byte of its exit code)"
        );
        assert_eq!(words(0), "exited with status 0");
        assert_eq!(words(9), "was killed by signal 9 (SIGKILL)");
    }
}
