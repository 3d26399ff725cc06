//! Where the libraries that an extension needs are, as its loader would find them. For the operator's eyes: the loader
//! itself decides.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{Library, Platform};
use crate::wine::Wine;

/// Folders of the system's loader where `ldconfig` cannot be asked.
const SYSTEM: [&str; 5] = ["/lib", "/usr/lib", "/lib64", "/usr/lib64", "/usr/local/lib"];

/// The names of what `file` needs, each with its place if it is found.
pub fn imports(
    library: &Library,
    platform: Platform,
    file: &Path,
    wine: Option<(&Wine, &Path)>,
) -> Vec<(String, Option<PathBuf>)> {
    let own = file.parent().unwrap_or(Path::new("/"));
    let names = library.imports.iter();
    if platform == Platform::Native {
        let cache = cache();
        let own_folders = library.search.iter().map(|folder| origin(folder, own));
        let folders: Vec<PathBuf> = own_folders.chain(SYSTEM.map(PathBuf::from)).collect();
        let find = |name: &str| in_folders(&folders, name).or_else(|| cache.get(name).cloned());
        return names.map(|name| (name.clone(), find(name))).collect();
    }
    let folders = windows_folders(platform, own, wine);
    // Of files with one name the first folder's is taken.
    let files: BTreeMap<_, _> = folders
        .iter()
        .rev()
        .flat_map(|folder| files(folder))
        .collect();
    let find = |name: &str| files.get(&name.to_ascii_lowercase()).cloned();
    names.map(|name| (name.clone(), find(name))).collect()
}

fn in_folders(folders: &[PathBuf], name: &str) -> Option<PathBuf> {
    let mut files = folders.iter().map(|folder| folder.join(name));
    files.find(|file| file.is_file())
}

/// `$ORIGIN` stands for the folder of the library itself (ld.so(8)).
fn origin(folder: &str, own: &Path) -> PathBuf {
    match folder
        .strip_prefix("$ORIGIN")
        .or_else(|| folder.strip_prefix("${ORIGIN}"))
    {
        Some(below) => own.join(below.trim_start_matches('/')),
        None => PathBuf::from(folder),
    }
}

/// What the system's loader has in its cache.
fn cache() -> BTreeMap<String, PathBuf> {
    let printed = ["ldconfig", "/sbin/ldconfig"].iter().find_map(|program| {
        let mut command = Command::new(program);
        let output = command.arg("-p").stdin(Stdio::null()).output().ok()?;
        output.status.success().then_some(output.stdout)
    });
    parse_cache(&String::from_utf8_lossy(&printed.unwrap_or_default()))
}

/// Lines such as `libc.so.6 (libc6,x86-64) => /lib/x86_64-linux-gnu/libc.so.6`; others name other processors.
fn parse_cache(text: &str) -> BTreeMap<String, PathBuf> {
    let own = match std::env::consts::ARCH {
        "x86_64" => "x86-64",
        "aarch64" => "AArch64",
        other => other,
    };
    let line = |line: &str| {
        let (library, path) = line.trim().split_once(" => ")?;
        let (name, kind) = library.split_once(' ')?;
        kind.contains(own).then(|| (name.to_owned(), path.into()))
    };
    text.lines().filter_map(line).collect()
}

/// The folders in which Wine or Windows looks, in its order.
fn windows_folders(platform: Platform, own: &Path, wine: Option<(&Wine, &Path)>) -> Vec<PathBuf> {
    let system = match platform {
        Platform::Windows32 => "syswow64",
        _ => "system32",
    };
    let mut folders = vec![own.to_owned()];
    if cfg!(windows)
        && let Some(root) = std::env::var_os("SystemRoot")
    {
        folders.push(Path::new(&root).join(system));
    }
    if let Some((wine, prefix)) = wine {
        folders.push(prefix.join("drive_c/windows").join(system));
        folders.extend(wine.libraries(platform));
    }
    folders
}

/// The files of a folder by their names in lower case: Windows does not tell case apart.
fn files(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let named = |entry: fs::DirEntry| {
        let name = entry.file_name().to_str()?.to_ascii_lowercase();
        Some((name, entry.path()))
    };
    entries.filter_map(named).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::sample::{self, EXPORTS, PE_X86_64};
    use super::*;

    #[test]
    fn the_cache_of_the_loader_is_read_for_the_own_processor() {
        let text = "1 libs found in cache `/etc/ld.so.cache'\n\
            \tlibz.so.1 (libc6,x86-64) => /lib/x86_64-linux-gnu/libz.so.1\n\
            \tlibz.so.1 (libc6) => /lib/i386-linux-gnu/libz.so.1\n\
            \tlibz.so.1 (libc6,AArch64) => /lib/aarch64-linux-gnu/libz.so.1\n";
        let folder = format!("/lib/{}-linux-gnu/libz.so.1", std::env::consts::ARCH);
        let expected = BTreeMap::from([("libz.so.1".to_owned(), PathBuf::from(folder))]);
        assert_eq!(parse_cache(text), expected);
    }

    #[test]
    fn a_native_library_finds_the_systems_own() {
        let library = Library::parse(&sample::native()).unwrap();
        let found = imports(&library, Platform::Native, Path::new("/x/y.so"), None);
        assert!(
            matches!(found.as_slice(), [(name, Some(_))] if name == "libc.so.6"),
            "{found:?}"
        );
    }

    #[test]
    fn origin_is_the_librarys_folder() {
        let own = Path::new("/srv/app");
        assert_eq!(origin("$ORIGIN", own), Path::new("/srv/app/"));
        assert_eq!(origin("${ORIGIN}/lib", own), Path::new("/srv/app/lib"));
        assert_eq!(origin("/opt/lib", own), Path::new("/opt/lib"));
    }

    #[test]
    fn a_dll_finds_its_neighbours_in_any_case() {
        let folder = tempfile::tempdir().unwrap();
        let dll = folder.path().join("x.dll");
        let library = Library::parse(&sample::pe(PE_X86_64, &EXPORTS)).unwrap();
        let found = || imports(&library, Platform::Windows64, &dll, None);
        assert_eq!(found(), [("KERNEL32.dll".to_owned(), None)]);
        let neighbour = folder.path().join("kernel32.DLL");
        fs::write(&neighbour, "").unwrap();
        assert_eq!(found(), [("KERNEL32.dll".to_owned(), Some(neighbour))]);
    }
}
