//! The C headers in `adapter/include` declare what this crate declares, and do what they promise, as C and as C++.
//!
//! Needs `cc` and `c++`, which the samples need as well.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod common;

use std::{
    fmt::Write as _,
    fs,
    mem::{offset_of, size_of},
    path::{Path, PathBuf},
    process::Command,
};

use common::{error_constants, extension_constants, extension_structures};
use isapi_abi::{
    ecb::*, error::*, io::*, requests::*, status::*, support::*, trace::*, types::MAX_PATH,
};

/// Compiler, and the switches that make it strict about one language.
const COMPILERS: [(&str, &[&str]); 2] = [
    ("cc", &["-x", "c", "-std=c11"]),
    ("c++", &["-x", "c++", "-std=c++17"]),
];

#[test]
fn declarations_agree() {
    let mut source =
        String::from("#include <windows.h>\n#include <httpext.h>\n#include <assert.h>\n");
    macro_rules! assert_layout {
        ($($structure:ident { $($field:ident),* })*) => {$(
            assert_in_c(&mut source, concat!("sizeof(", stringify!($structure), ")"), size_of::<$structure>());
            $(assert_in_c(
                &mut source,
                concat!("offsetof(", stringify!($structure), ", ", stringify!($field), ")"),
                offset_of!($structure, $field),
            );)*
        )*};
    }
    macro_rules! assert_value {
        ($($constant:ident)*) => {$( assert_in_c(&mut source, stringify!($constant), $constant); )*};
    }
    extension_structures!(assert_layout);
    extension_constants!(assert_value);
    error_constants!(assert_value);
    assert_value! { WSAEINVAL WSAECONNRESET HSE_VERSION MAX_PATH HTTP_TRACE_TYPE_LPCGUID }

    let file = scratch("declarations.c");
    fs::write(&file, source).unwrap();
    for compiler in COMPILERS {
        compile(compiler, &file, &["-fsyntax-only"]);
    }
}

#[test]
fn windows_functions_keep_their_promises() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/c/windows.c");
    for compiler in COMPILERS {
        let program = scratch(&format!("windows-{}", compiler.0));
        compile(
            compiler,
            &source,
            &["-pthread", "-o", program.to_str().unwrap()],
        );
        let run = Command::new(&program).output().unwrap();
        assert!(run.status.success(), "{}: {run:?}", compiler.0);
    }
}

/// Adds the assertion that `expression` is `value`.
fn assert_in_c(source: &mut String, expression: &str, value: impl TryInto<i64>) {
    let value = value.try_into().ok().unwrap();
    writeln!(
        source,
        "static_assert({expression} == {value}, \"{expression}\");"
    )
    .unwrap();
}

/// Compiles `source` without tolerating a warning.
fn compile((compiler, language): (&str, &[&str]), source: &Path, options: &[&str]) {
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("../include");
    let output = Command::new(compiler)
        .args(language)
        .args(["-Wall", "-Wextra", "-Werror", "-pedantic", "-I"])
        .arg(include)
        .arg(source)
        .args(options)
        .output()
        .unwrap_or_else(|error| panic!("{compiler} is needed to build and test: {error}"));
    assert!(
        output.status.success(),
        "{compiler}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// A file of this test's own below the target folder.
fn scratch(file: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(file)
}
