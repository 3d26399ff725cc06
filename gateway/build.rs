//! Exports `GetLastError` and `SetLastError` to extensions that the gateway loads itself, for the benchmark.

fn main() {
    if std::env::var_os("CARGO_FEATURE_IN_PROCESS").is_some() {
        println!("cargo:rustc-link-arg-bins=-rdynamic");
    }
    println!("cargo:rerun-if-changed=build.rs");
}
