//! What an extension's file is, read from its header: nothing of it is loaded or run. Decides which worker can run it,
//! or says why none can.

mod defect;
pub mod resolve;

#[cfg(test)]
pub mod sample;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use object::read::NameOrOrdinal;
use object::{Architecture, Object as _, ObjectKind, ObjectSegment as _, elf, pe};

pub use defect::Defect;

/// Largest file that is read, bytes: the largest known extensions, uniGUI's, are below 64 MiB.
const LARGEST: u64 = 256 * 1024 * 1024;
/// Exported names that are kept.
const MOST_EXPORTS: usize = 10_000;
/// Imported libraries that are kept.
const MOST_IMPORTS: usize = 1000;
/// Longer names are no names that anybody would look up, bytes.
const LONGEST_NAME: usize = 1024;

/// The three entry points of an extension (ISAPI.md §1.1), and whether it must have each.
pub const ENTRY_POINTS: [(&str, bool); 3] = [
    ("GetExtensionVersion", true),
    ("HttpExtensionProc", true),
    ("TerminateExtension", false),
];

/// Which worker runs an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Platform {
    /// A shared object for the gateway's own system and processor; not on Windows.
    Native,
    /// A 64-bit Windows DLL: PE32+ for x86-64.
    Windows64,
    /// A 32-bit Windows DLL: PE32 for x86.
    Windows32,
}

impl Platform {
    /// Whether its worker runs under Wine: Windows starts it itself.
    pub fn needs_wine(self) -> bool {
        cfg!(unix) && self != Self::Native
    }
}

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Executable and Linkable Format, of Linux and its like.
    Elf,
    /// Portable Executable, of Windows: `PE32+` for 64 bits, else `PE32`.
    Pe,
}

/// A library or program as its header describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    /// Its format.
    pub format: Format,
    /// Whether it is for 64 bits.
    pub is_64: bool,
    /// The processor that it is for.
    pub machine: Machine,
    /// Bytes of the file.
    pub size: u64,
    /// Whether it is a library and no program.
    is_library: bool,
    /// Whether it holds .NET code, alone or beside machine code.
    has_managed_code: bool,
    /// The names of what it exports, up to 10,000 of them.
    pub exports: Vec<String>,
    /// The libraries that it needs, by name.
    pub imports: Vec<String>,
    /// Folders in which an ELF library wants its own to be looked for (DT_RUNPATH, DT_RPATH).
    pub search: Vec<String>,
    /// The names of [`ENTRY_POINTS`] under which they are exported.
    entry_points: [Option<String>; ENTRY_POINTS.len()],
}

/// A processor: what the parser knows, and the header's own number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Machine(Architecture, u16);

/// Reads the header of a file.
///
/// # Errors
/// When it cannot be read or is no library or program at all.
pub fn read(path: &Path) -> Result<Library, Defect> {
    let unreadable = |error: std::io::Error| Defect::Unreadable(error.to_string());
    // Opening a pipe would wait for a writer.
    if !path.metadata().map_err(unreadable)?.is_file() {
        return Err(Defect::NotALibrary("it is no regular file"));
    }
    let file = File::open(path).map_err(unreadable)?;
    let mut data = Vec::new();
    file.take(LARGEST + 1)
        .read_to_end(&mut data)
        .map_err(unreadable)?;
    if data.len() as u64 > LARGEST {
        return Err(Defect::TooLarge(LARGEST));
    }
    Library::parse(&data)
}

/// Reads the header of a file and decides which worker runs it.
///
/// # Errors
/// Why none can.
pub fn platform_of(path: &Path) -> Result<Platform, Defect> {
    read(path)?.platform()
}

impl Library {
    /// Reads what describes a library in the bytes of a file.
    ///
    /// # Errors
    /// [`Defect::NotALibrary`] and [`Defect::Damaged`].
    pub fn parse(data: &[u8]) -> Result<Self, Defect> {
        let format = match data {
            [] => return Err(Defect::NotALibrary("it is empty")),
            [b'#', b'!', ..] => return Err(Defect::NotALibrary("it is a script")),
            [0x7f, b'E', b'L', b'F', ..] => Format::Elf,
            [b'M', b'Z', ..] => Format::Pe,
            _ => return Err(Defect::NotALibrary("it has no header of one")),
        };
        let damaged = |error: object::Error| Defect::Damaged(error.to_string());
        let file = object::File::parse(data).map_err(damaged)?;
        let size = data.len() as u64;
        for segment in file.segments() {
            let (start, length) = segment.file_range();
            if start.checked_add(length).is_none_or(|end| end > size) {
                let reason = format!("its header promises more than its {size} bytes");
                return Err(Defect::Damaged(reason));
            }
        }
        let mut exports = Vec::new();
        let mut entry_points = Candidates::default();
        for export in file.exports().map_err(damaged)?.flatten() {
            let NameOrOrdinal::Name(name) = export.name() else {
                continue;
            };
            if let Some(name) = to_name(name) {
                entry_points.offer(&name);
                if exports.len() < MOST_EXPORTS {
                    exports.push(name);
                }
            }
        }
        let machine = machine(&file);
        let decorated = machine.0 == Architecture::I386 && format == Format::Pe;
        Ok(Self {
            format,
            is_64: file.is_64(),
            machine,
            size,
            is_library: file.kind() == ObjectKind::Dynamic,
            has_managed_code: has_managed_code(&file),
            exports,
            imports: imports(&file),
            search: search(&file),
            entry_points: entry_points.choose(decorated),
        })
    }

    /// Which worker runs it.
    ///
    /// # Errors
    /// Why none can.
    pub fn platform(&self) -> Result<Platform, Defect> {
        if !self.is_library {
            return Err(Defect::Program);
        }
        let platform = match (self.format, self.machine.0, self.is_64) {
            (Format::Pe, Architecture::X86_64, true) => Platform::Windows64,
            (Format::Pe, Architecture::I386, false) => Platform::Windows32,
            (Format::Elf, ..) if cfg!(windows) => return Err(Defect::SharedObject),
            (Format::Elf, own, true) if Machine::own() == Some(own) => Platform::Native,
            _ => return Err(Defect::Machine(self.machine)),
        };
        let missing = ENTRY_POINTS.iter().zip(&self.entry_points);
        let mut missing = missing.filter(|((_, required), found)| *required && found.is_none());
        let Some(((name, _), _)) = missing.next() else {
            return Ok(platform);
        };
        let exports = |name: &str| self.exports.iter().any(|export| export == name);
        Err(if self.has_managed_code {
            Defect::DotNet
        } else if exports("HttpFilterProc") || exports("GetFilterVersion") {
            Defect::Filter
        } else {
            Defect::NoEntryPoint(name)
        })
    }

    /// Whose loader would load it, whatever it is.
    pub fn loader(&self) -> Platform {
        match (self.format, self.is_64) {
            (Format::Elf, _) => Platform::Native,
            (Format::Pe, true) => Platform::Windows64,
            (Format::Pe, false) => Platform::Windows32,
        }
    }

    /// The entry points and the names under which they are exported, if they are.
    pub fn entry_points(&self) -> impl Iterator<Item = (&'static str, Option<&str>)> {
        let names = ENTRY_POINTS.iter().map(|(name, _)| *name);
        names.zip(self.entry_points.iter().map(Option::as_deref))
    }
}

/// The exported names of each entry point, by preference.
#[derive(Default)]
struct Candidates([[Option<String>; 3]; ENTRY_POINTS.len()]);

impl Candidates {
    fn offer(&mut self, export: &str) {
        for ((name, _), found) in ENTRY_POINTS.iter().zip(&mut self.0) {
            let bare = export.strip_suffix("@4");
            let form = if export == *name {
                0
            } else if bare.and_then(|bare| bare.strip_prefix('_')) == Some(name) {
                1
            } else if bare == Some(name) {
                2
            } else {
                continue;
            };
            found[form] = Some(export.to_owned());
        }
    }

    /// Decorated names count on x86 alone (ISAPI.md §1.1).
    fn choose(self, decorated: bool) -> [Option<String>; ENTRY_POINTS.len()] {
        let forms = if decorated { 3 } else { 1 };
        self.0
            .map(|found| found.into_iter().take(forms).flatten().next())
    }
}

fn machine(file: &object::File) -> Machine {
    let number = match file {
        object::File::Pe32(file) => {
            file.nt_headers()
                .file_header
                .machine
                .get(object::LittleEndian)
                .0
        }
        object::File::Pe64(file) => {
            file.nt_headers()
                .file_header
                .machine
                .get(object::LittleEndian)
                .0
        }
        object::File::Elf32(file) => file.elf_header().e_machine.get(file.endian()).0,
        object::File::Elf64(file) => file.elf_header().e_machine.get(file.endian()).0,
        _ => 0,
    };
    Machine(file.architecture(), number)
}

/// Whether a PE file has a CLR header (data directory 14).
fn has_managed_code(file: &object::File) -> bool {
    let directory = match file {
        object::File::Pe32(file) => file.data_directory(pe::IMAGE_DIRECTORY_ENTRY_COM_DESCRIPTOR),
        object::File::Pe64(file) => file.data_directory(pe::IMAGE_DIRECTORY_ENTRY_COM_DESCRIPTOR),
        _ => None,
    };
    directory.is_some_and(|directory| directory.virtual_address.get(object::LittleEndian) != 0)
}

/// What is imported can be told as far as it can be read: whether it can be loaded is for the loader to say.
fn imports(file: &object::File) -> Vec<String> {
    let libraries = file.import_libraries().into_iter().flatten().flatten();
    let names = libraries.filter_map(|library| to_name(library.name()));
    let mut imports = Vec::new();
    for name in names.take(MOST_IMPORTS) {
        if !imports.contains(&name) {
            imports.push(name);
        }
    }
    imports
}

fn search(file: &object::File) -> Vec<String> {
    let object::File::Elf64(file) = file else {
        return Vec::new();
    };
    let Ok(table) = file.elf_dynamic_table() else {
        return Vec::new();
    };
    let paths = table
        .iter()
        .filter(|entry| entry.tag == elf::DT_RUNPATH || entry.tag == elf::DT_RPATH);
    let paths = paths.filter_map(|entry| to_name(table.string(entry).ok()?));
    let folders = |path: String| path.split(':').map(str::to_owned).collect::<Vec<_>>();
    paths.take(2).flat_map(folders).collect()
}

fn to_name(bytes: &[u8]) -> Option<String> {
    (1..=LONGEST_NAME)
        .contains(&bytes.len())
        .then(|| String::from_utf8_lossy(bytes).into_owned())
}

impl Machine {
    /// The gateway's own.
    fn own() -> Option<Architecture> {
        match std::env::consts::ARCH {
            "x86_64" => Some(Architecture::X86_64),
            "aarch64" => Some(Architecture::Aarch64),
            _ => None,
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Architecture::X86_64 => "x86-64",
            Architecture::I386 => "x86",
            Architecture::Aarch64 => "ARM64",
            Architecture::Arm => "ARM",
            Architecture::Riscv64 => "RISC-V 64",
            _ => return write!(f, "the unknown machine {:#06x}", self.1),
        })
    }
}

impl Library {
    /// "PE32+", "PE32", "ELF 64-bit" or "ELF 32-bit".
    pub fn format_name(&self) -> &'static str {
        match (self.format, self.is_64) {
            (Format::Pe, true) => "PE32+",
            (Format::Pe, false) => "PE32",
            (Format::Elf, true) => "ELF 64-bit",
            (Format::Elf, false) => "ELF 32-bit",
        }
    }
}
