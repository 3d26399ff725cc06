//! The smallest files that have a header and exports, made by hand.
#![allow(clippy::cast_possible_truncation)]

/// Offset of everything but the headers in a PE file; its address is `ADDRESS`.
const CONTENT: usize = 0x400;
const ADDRESS: u32 = 0x1000;
/// Size of the content of a PE file.
const CONTENT_SIZE: usize = 0x400;

/// x86-64 in a PE header.
pub const PE_X86_64: u16 = 0x8664;
/// x86 in a PE header.
pub const PE_X86: u16 = 0x14c;
/// x86-64 in an ELF header.
pub const ELF_X86_64: u16 = 62;

/// What an extension exports.
pub const EXPORTS: [&str; 2] = ["GetExtensionVersion", "HttpExtensionProc"];

/// An extension that the gateway's own system could load, as far as its header says.
pub fn native() -> Vec<u8> {
    elf(
        if cfg!(target_arch = "aarch64") {
            183
        } else {
            ELF_X86_64
        },
        &EXPORTS,
    )
}

/// A DLL that exports these names and imports KERNEL32.dll.
pub fn pe(machine: u16, exports: &[&str]) -> Vec<u8> {
    let is_64 = machine != PE_X86;
    let mut file = vec![0; CONTENT];
    put(&mut file, 0, b"MZ");
    put(&mut file, 0x3c, &64_u32.to_le_bytes());
    put(&mut file, 64, b"PE\0\0");
    let optional_size: u16 = if is_64 { 240 } else { 224 };
    put(&mut file, 68, &machine.to_le_bytes());
    put(&mut file, 70, &1_u16.to_le_bytes());
    put(&mut file, 84, &optional_size.to_le_bytes());
    put(&mut file, 86, &0x2002_u16.to_le_bytes());
    let optional = 88;
    let magic: u16 = if is_64 { 0x20b } else { 0x10b };
    put(&mut file, optional, &magic.to_le_bytes());
    put(&mut file, optional + 32, &0x1000_u32.to_le_bytes());
    put(&mut file, optional + 36, &0x200_u32.to_le_bytes());
    let directories = optional + usize::from(optional_size) - 128;
    put(&mut file, directories - 4, &16_u32.to_le_bytes());
    put(&mut file, directories, &ADDRESS.to_le_bytes());
    put(&mut file, directories + 4, &0x300_u32.to_le_bytes());
    put(&mut file, directories + 8, &(ADDRESS + 0x300).to_le_bytes());
    put(&mut file, directories + 12, &40_u32.to_le_bytes());
    let section = optional + usize::from(optional_size);
    put(&mut file, section, b".rdata");
    let size = CONTENT_SIZE as u32;
    for (at, value) in [(8, size), (12, ADDRESS), (16, size), (20, CONTENT as u32)] {
        put(&mut file, section + at, &value.to_le_bytes());
    }
    file.extend(pe_content(exports));
    file
}

/// Makes a PE file one with a CLR header.
pub fn with_managed_code(mut file: Vec<u8>) -> Vec<u8> {
    let is_64 = file[88..90] == 0x20b_u16.to_le_bytes();
    let directories = 88 + if is_64 { 112 } else { 96 };
    put(&mut file, directories + 14 * 8, &ADDRESS.to_le_bytes());
    file
}

fn pe_content(exports: &[&str]) -> Vec<u8> {
    let mut content = vec![0; CONTENT_SIZE];
    let count = exports.len();
    let functions = 40;
    let names = functions + 4 * count;
    let ordinals = names + 4 * count;
    let mut end = ordinals + 2 * count;
    let address = |at: usize| (ADDRESS + at as u32).to_le_bytes();
    put(&mut content, 16, &1_u32.to_le_bytes());
    for at in [20, 24] {
        put(&mut content, at, &(count as u32).to_le_bytes());
    }
    for (at, table) in [(28, functions), (32, names), (36, ordinals)] {
        put(&mut content, at, &address(table));
    }
    for (index, name) in exports.iter().enumerate() {
        put(
            &mut content,
            functions + 4 * index,
            &0x2000_u32.to_le_bytes(),
        );
        put(&mut content, names + 4 * index, &address(end));
        put(
            &mut content,
            ordinals + 2 * index,
            &(index as u16).to_le_bytes(),
        );
        put(&mut content, end, name.as_bytes());
        end += name.len() + 1;
    }
    assert!(end < 0x300, "too many exports");
    put(&mut content, 0x300 + 12, &address(0x340));
    put(&mut content, 0x340, b"KERNEL32.dll");
    content
}

/// A 64-bit shared object that exports these names, needs libc.so.6 and looks for it in $ORIGIN.
pub fn elf(machine: u16, exports: &[&str]) -> Vec<u8> {
    let mut strings = b"\0libc.so.6\0$ORIGIN:/opt/lib\0".to_vec();
    let mut symbols = vec![0; 24];
    for name in exports {
        let mut symbol = [0; 24];
        put(&mut symbol, 0, &(strings.len() as u32).to_le_bytes());
        // A global function in section 1.
        put(&mut symbol, 4, &[0x12, 0, 1, 0]);
        symbols.extend(symbol);
        strings.extend(name.as_bytes());
        strings.push(0);
    }
    let mut dynamic = Vec::new();
    for entry in [[1_u64, 1], [29, 11], [0, 0]] {
        dynamic.extend(entry.iter().flat_map(|word| word.to_le_bytes()));
    }
    let mut file = vec![0; 64];
    put(&mut file, 0, b"\x7fELF\x02\x01\x01");
    put(&mut file, 16, &3_u16.to_le_bytes());
    put(&mut file, 18, &machine.to_le_bytes());
    put(&mut file, 20, &1_u32.to_le_bytes());
    put(&mut file, 52, &64_u16.to_le_bytes());
    put(&mut file, 54, &56_u16.to_le_bytes());
    put(&mut file, 58, &64_u16.to_le_bytes());
    put(&mut file, 60, &4_u16.to_le_bytes());
    put(&mut file, 62, &2_u16.to_le_bytes());
    let mut headers = vec![[0; 64]];
    // Type, the section that it refers to, size of an entry.
    for (content, kind, link, entry) in [
        (symbols, 11_u32, 2_u32, 24_u64),
        (strings, 3, 0, 0),
        (dynamic, 6, 2, 16),
    ] {
        file.resize(file.len().next_multiple_of(8), 0);
        let mut header = [0; 64];
        put(&mut header, 4, &kind.to_le_bytes());
        put(&mut header, 24, &(file.len() as u64).to_le_bytes());
        put(&mut header, 32, &(content.len() as u64).to_le_bytes());
        put(&mut header, 40, &link.to_le_bytes());
        put(&mut header, 56, &entry.to_le_bytes());
        headers.push(header);
        file.extend(content);
    }
    file.resize(file.len().next_multiple_of(8), 0);
    let table = file.len() as u64;
    put(&mut file, 40, &table.to_le_bytes());
    file.extend(headers.concat());
    file
}

fn put(into: &mut [u8], at: usize, bytes: &[u8]) {
    into[at..at + bytes.len()].copy_from_slice(bytes);
}
