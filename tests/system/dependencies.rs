//! Who may depend on whom (the worker is small and starts in milliseconds; imports go one way).

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

const OURS: [&str; 4] = [
    "fastcgi-protocol",
    "isapi-abi",
    "isapi-adapter",
    "isapi-gateway",
];

/// Names of all packages that end up in a build of this one, itself among them.
fn tree(package: &str) -> BTreeSet<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or("cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--locked", "--offline", "--edges", "normal"])
        .args(["--prefix", "none", "--package", package])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{errors}");
    let text = String::from_utf8(output.stdout).unwrap();
    let names = text.lines().filter_map(|line| line.split(' ').next());
    let names: BTreeSet<String> = names.map(str::to_owned).collect();
    assert!(names.contains(package), "{text}");
    names
}

fn ours(package: &str) -> Vec<String> {
    let names = tree(package).into_iter();
    names
        .filter(|name| name != package && OURS.contains(&name.as_str()))
        .collect()
}

#[test]
fn the_worker_links_no_async_runtime_and_no_http_stack() {
    let names = tree("isapi-adapter");
    for heavy in [
        "tokio",
        "hyper",
        "hyper-util",
        "axum",
        "tower",
        "http",
        "futures",
        "async-std",
        "smol",
        "mio",
    ] {
        assert!(!names.contains(heavy), "the worker links {heavy}");
    }
    // The gateway does link some of them, or this test would look at the wrong thing.
    assert!(tree("isapi-gateway").contains("tokio"));
}

#[test]
fn imports_go_one_way() {
    assert!(ours("fastcgi-protocol").is_empty());
    assert!(ours("isapi-abi").is_empty());
    assert_eq!(ours("isapi-adapter"), ["fastcgi-protocol", "isapi-abi"]);
    // Nor does the gateway that people start have anything that could load an extension: the benchmark's server has.
    assert_eq!(ours("isapi-gateway"), ["fastcgi-protocol"]);
    assert!(!tree("isapi-gateway").contains("libloading"));
}
