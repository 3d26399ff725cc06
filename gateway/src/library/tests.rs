#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::sample::{self, ELF_X86_64, EXPORTS, PE_X86, PE_X86_64};
use super::*;

fn platform(data: &[u8]) -> Result<Platform, Defect> {
    Library::parse(data)?.platform()
}

#[test]
fn the_header_chooses_the_worker() {
    for (file, expected) in [
        (sample::native(), Platform::Native),
        (sample::pe(PE_X86_64, &EXPORTS), Platform::Windows64),
        (sample::pe(PE_X86, &EXPORTS), Platform::Windows32),
    ] {
        assert_eq!(platform(&file), Ok(expected));
    }
}

#[test]
fn tells_what_is_exported_and_imported() {
    let library = Library::parse(&sample::pe(PE_X86_64, &EXPORTS)).unwrap();
    assert_eq!(library.exports, EXPORTS);
    assert_eq!(library.imports, ["KERNEL32.dll"]);
    assert_eq!(
        (library.format_name(), library.machine.to_string()),
        ("PE32+", "x86-64".to_owned())
    );
    let library = Library::parse(&sample::elf(ELF_X86_64, &EXPORTS)).unwrap();
    assert_eq!(library.exports, EXPORTS);
    assert_eq!(library.imports, ["libc.so.6"]);
    assert_eq!(library.search, ["$ORIGIN", "/opt/lib"]);
}

#[test]
fn decorated_names_count_on_x86_alone() {
    for names in [
        ["_GetExtensionVersion@4", "HttpExtensionProc@4"],
        ["GetExtensionVersion@4", "_HttpExtensionProc@4"],
    ] {
        let library = Library::parse(&sample::pe(PE_X86, &names)).unwrap();
        assert_eq!(library.platform(), Ok(Platform::Windows32));
        let found: Vec<_> = library.entry_points().map(|(_, found)| found).collect();
        assert_eq!(found, [Some(names[0]), Some(names[1]), None]);
        for file in [
            sample::pe(PE_X86_64, &names),
            sample::elf(ELF_X86_64, &names),
        ] {
            assert_eq!(
                platform(&file),
                Err(Defect::NoEntryPoint("GetExtensionVersion"))
            );
        }
    }
    let both = sample::pe(PE_X86, &["_HttpExtensionProc@4", "HttpExtensionProc"]);
    let library = Library::parse(&both).unwrap();
    assert_eq!(
        library.entry_points().nth(1),
        Some(("HttpExtensionProc", Some("HttpExtensionProc")))
    );
}

#[test]
fn tells_why_a_file_cannot_be_run() {
    let dll = |exports: &[&str]| sample::pe(PE_X86, exports);
    let program = |mut file: Vec<u8>| {
        file[87] = 0;
        file
    };
    let message = |file: &[u8]| platform(file).unwrap_err().to_string();
    for (file, expected) in [
        (vec![], "it is empty"),
        (b"not a library".to_vec(), "cannot be loaded: it is neither"),
        (b"#!/bin/sh\n".to_vec(), "it is a script"),
        (b"MZ".to_vec(), "cut short or damaged"),
        (
            dll(&EXPORTS)[..700].to_vec(),
            "its header promises more than its 700 bytes",
        ),
        (sample::native()[..200].to_vec(), "cut short or damaged"),
        (program(dll(&EXPORTS)), "it is a program"),
        (sample::pe(0xaa64, &EXPORTS), "it is built for ARM64"),
        (sample::pe(0x1c4, &EXPORTS), "it is built for ARM"),
        (
            sample::pe(0x200, &EXPORTS),
            "it is built for the unknown machine 0x0200",
        ),
        (sample::elf(243, &EXPORTS), "it is built for RISC-V 64"),
        (
            sample::with_managed_code(dll(&[])),
            "a .NET assembly without native exports",
        ),
        (
            dll(&["GetFilterVersion", "HttpFilterProc"]),
            "an ISAPI filter",
        ),
        (dll(&EXPORTS[..1]), "does not export HttpExtensionProc"),
        (dll(&EXPORTS[1..]), "does not export GetExtensionVersion"),
        (
            dll(&["HTTPEXTENSIONPROC"]),
            "does not export GetExtensionVersion",
        ),
    ] {
        let told = message(&file);
        assert!(told.contains(expected), "{expected}: {told}");
        assert!(platform(&file).unwrap_err().remedy().is_some());
    }
    let mixed = sample::with_managed_code(dll(&EXPORTS));
    assert_eq!(platform(&mixed), Ok(Platform::Windows32));
}

#[test]
fn only_regular_files_of_a_sensible_size_are_read() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(read(folder.path()), Err(Defect::NotALibrary(_))));
    assert!(matches!(
        read(Path::new("/nowhere/x.dll")),
        Err(Defect::Unreadable(_))
    ));
    let huge = folder.path().join("huge.dll");
    File::create(&huge).unwrap().set_len(LARGEST + 1).unwrap();
    assert_eq!(read(&huge), Err(Defect::TooLarge(LARGEST)));
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(
        start in prop::sample::select(vec![&b""[..], b"MZ", b"\x7fELF\x02\x01\x01", b"\x7fELF\x01\x01\x01"]),
        bytes in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let _ = platform(&[start, &bytes].concat());
    }

    #[test]
    fn any_change_of_a_library_is_read_or_refused(
        which in 0..3_usize,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut file = [sample::native(), sample::pe(PE_X86_64, &EXPORTS), sample::pe(PE_X86, &EXPORTS)][which].clone();
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        if let Ok(library) = Library::parse(&file) {
            prop_assert!(library.exports.len() <= MOST_EXPORTS);
        }
        file.truncate(cut.index(file.len()));
        let _ = platform(&file);
    }
}
