//! What the operator is told about keys of workers that are wrong.

use super::mistakes::tells;
use super::*;

#[test]
fn tells_each_mistake_about_workers() {
    let folder = Folder::new();
    for (keys, expected) in [
        (
            "start = 'never'",
            "3:9: \"never\" is no way to start workers",
        ),
        (
            "min_spare = 1",
            "3:1: `min_spare` has no meaning without `start = \"dynamic\"`",
        ),
        (
            "idle_timeout = 1",
            "3:1: `idle_timeout` has no meaning with `start = \"always\"`",
        ),
        (
            "start = 'dynamic'\nprocesses = 4\nmin_spare = 3\nmax_spare = 2",
            "5:1: 3 to 2 spare workers of 4 cannot be",
        ),
        (
            "start = 'dynamic'\nprocesses = 4\nmin_spare = 5",
            "5:1: 5 to 5 spare workers of 4 cannot be",
        ),
        (
            "processes = 2\noverlap = false",
            "4:1: an extension that cannot run twice cannot run in 2 processes",
        ),
        ("warmup = 'warm'", "3:10: \"warm\" is not the path of a URL"),
        (
            "warmup = '/other'",
            "3:10: no handler of this pool answers \"/other\"",
        ),
        (
            "memory_limit = '1G'",
            "3:16: \"1G\" is not a number of bytes",
        ),
        ("memory_limit = -1", "3:16: -1 is not a number of bytes"),
        (
            "memory_limit = '17179869184GiB'",
            "3:16: \"17179869184GiB\" is not",
        ),
        ("ping_timeout = 0", "3:16: 0 is not between"),
        (
            "user = 'nobody-at-all'",
            "3:8: \"nobody-at-all\": /etc/passwd does not name it",
        ),
        (
            "group = 'root'",
            "3:1: `group` has no meaning without `user`",
        ),
        (
            "limits.open_files = 3",
            "3:21: 3 is not a whole number from 64",
        ),
        (
            "limits.cpu_time = '10ms'",
            "3:19: \"10ms\" is not between 1s and",
        ),
        ("recycle = 5", "3:11: this is a number, expected a table"),
        (
            "recycle.time = '29h'",
            "3:9: unknown key `time` in [pool.x.recycle]",
        ),
        (
            "recycle.schedule = ['3:30']",
            "3:21: \"3:30\" is not a time of day",
        ),
        (
            "recycle.schedule = '24:00'",
            "3:20: \"24:00\" is not a time of day",
        ),
        (
            "rapid_fail.failures = 1001",
            "3:23: 1001 is not a whole number",
        ),
        (
            "rapid_fail = { delay = '2s', max_delay = '1s' }",
            "3:30: `max_delay` is shorter than `delay`",
        ),
        ("circuit.failures = -1", "3:20: -1 is not a whole number"),
        ("circuit.delay = 0", "3:17: 0 is not between 1ms and"),
        (
            "circuit = { max_delay = '1s' }",
            "3:13: `max_delay` is shorter than `delay`",
        ),
        (
            "circuit.interval = '1m'",
            "3:9: unknown key `interval` in [pool.x.circuit]",
        ),
    ] {
        let site = "[[site]]\n[[site.handler]]\npath = '/x'\npool = 'x'\n";
        let text = format!("[pool.x]\nextension = 'x.so'\n{keys}\n{site}");
        tells(&folder, &text, expected);
    }
}
