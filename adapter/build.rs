//! Exports the worker's `GetLastError` and `SetLastError` to the extensions that it loads.

fn main() {
    if std::env::var_os("CARGO_CFG_UNIX").is_some() {
        println!("cargo:rustc-link-arg-bins=-rdynamic");
    }
    println!("cargo:rerun-if-changed=build.rs");
}
