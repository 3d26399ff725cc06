//! Static files: GET and HEAD with ranges and conditional requests, by tower-http.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::BodyExt as _;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use tower::ServiceExt as _;
use tower_http::services::ServeFile;
use tower_http::services::fs::ServeFileSystemResponseBody;

use crate::body::{self, Body, BodyError};
use crate::error::Error;
use crate::os::os_str;
use crate::request::RequestHead;
use crate::response::Response;
use crate::site;

/// Endings of names that are never served, in lower case: libraries and programs (what runs is not for download, and
/// IIS, too, never sends the file behind a handler), and files that hold settings or data of applications (the hidden
/// ones of IIS's request filtering, and this gateway's own).
const NEVER_SERVED: [&str; 17] = [
    "dll", "so", "exe", "com", "o", "a", "lib", "pdb", "config", "toml", "asa", "asax", "ascx",
    "mdb", "ldb", "mdf", "ldf",
];

/// Windows' devices, but for those with a number.
const DEVICES: [&str; 6] = ["con", "prn", "aux", "nul", "conin$", "conout$"];

/// What stays as it is in a redirect's path.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Serves the files of the sites' folders.
pub struct Files {
    /// The extensions and programs of all pools, by their real paths: never served, wherever they lie.
    private: Arc<[PathBuf]>,
}

/// What a URL path names.
#[derive(Debug)]
pub enum Found {
    /// A file.
    File(PathBuf),
    /// A folder with a default document, by the document's own URL path: whether it is sent or run is for its handler.
    Document(Vec<u8>),
    /// A folder, asked for without the slash that relative links in its document need.
    Folder,
}

impl Files {
    /// Serves everything but `programs`: the files of the pools' extensions and programs.
    pub fn new<'a>(programs: impl Iterator<Item = &'a Path>) -> Self {
        let real = programs.map(|path| path.canonicalize().unwrap_or_else(|_| path.to_owned()));
        Self {
            private: real.collect(),
        }
    }

    /// Looks for a file of the folder.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is no file, where it is one that is never served, and for a folder without
    /// default document (its content is nobody's business).
    pub async fn find(&self, files: &site::Files) -> Result<Found, Error> {
        let (files, private) = (files.clone(), Arc::clone(&self.private));
        let found = tokio::task::spawn_blocking(move || find(&files, &private)).await;
        found.map_err(|_| Error::Stopping)?
    }
}

/// A page for errors: type, length and content of a file, whichever that is. `None` when it cannot be read.
pub async fn page(file: &Path) -> Option<(HeaderMap, Body)> {
    let request = http::Request::new(body::empty());
    let sent = ServeFile::new(file).oneshot(request).await;
    let (parts, content) = sent.unwrap_or_else(|never| match never {}).into_parts();
    if parts.status != StatusCode::OK {
        return None;
    }
    let mut headers = parts.headers;
    let own = [CONTENT_TYPE, CONTENT_LENGTH].map(|name| (headers.remove(&name), name));
    let own = own
        .into_iter()
        .filter_map(|(value, name)| Some((name, value?)));
    Some((own.collect(), readable(content)))
}

/// Answers with a file.
///
/// # Errors
/// [`Error::VerbNotAllowed`] for anything but GET and HEAD; [`Error::NotFound`] when it is gone.
pub async fn send(head: &RequestHead, file: &Path) -> Result<Response, Error> {
    refuse_other_verbs(head)?;
    send_file(head, file).await
}

/// Sends the client to the same folder with a slash behind it.
///
/// # Errors
/// [`Error::VerbNotAllowed`] for anything but GET and HEAD.
pub fn redirect(head: &RequestHead, path: &[u8]) -> Result<Response, Error> {
    refuse_other_verbs(head)?;
    let path = std::str::from_utf8(path).map_err(|_| Error::NotFound)?;
    let query = head
        .uri
        .query()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    let location = format!("{}/{query}", utf8_percent_encode(path, PATH));
    let location = HeaderValue::try_from(location).map_err(|_| Error::NotFound)?;
    Ok(Response {
        status: StatusCode::MOVED_PERMANENTLY,
        reason: None,
        headers: HeaderMap::from_iter([(LOCATION, location)]).into(),
        body: body::empty(),
    })
}

/// Files are read, and nothing else.
///
/// # Errors
/// [`Error::VerbNotAllowed`] for anything but GET and HEAD.
pub fn refuse_other_verbs(head: &RequestHead) -> Result<(), Error> {
    if head.method == Method::GET || head.method == Method::HEAD {
        return Ok(());
    }
    let allow = vec![Method::GET, Method::HEAD];
    Err(Error::VerbNotAllowed { allow })
}

/// Looks the path up in the file system.
fn find(files: &site::Files, private: &[PathBuf]) -> Result<Found, Error> {
    let below = &files.path[files.prefix..];
    let relative = below.strip_prefix(b"/").unwrap_or(below);
    let refused = |segment| is_hidden(segment) || cfg!(windows) && !is_windows_name(segment);
    if relative.split(|byte| *byte == b'/').any(refused) {
        return Err(Error::NotFound);
    }
    let path = files.folder.root.join(os_str(relative));
    let Ok(kind) = path.metadata() else {
        return Err(Error::NotFound);
    };
    if !kind.is_dir() {
        let with_slash = relative.ends_with(b"/");
        return servable(path, private)
            .filter(|_| !with_slash)
            .map(Found::File)
            .ok_or(Error::NotFound);
    }
    if !below.ends_with(b"/") {
        return Ok(Found::Folder);
    }
    let mut documents = files.folder.default_documents.iter();
    let document = documents.find(|name| servable(path.join(name), private).is_some());
    let document = document.ok_or(Error::NotFound)?;
    Ok(Found::Document([&files.path, document.as_bytes()].concat()))
}

/// Dot-files hold histories, passwords and repositories; `.well-known` is the one that is public (RFC 8615).
fn is_hidden(segment: &[u8]) -> bool {
    segment.starts_with(b".") && segment != b".well-known"
}

/// Whether Windows takes this for the name of a file, and neither for a drive (`C:`), a stream (`a:b`), a pattern nor a
/// device, which it has in every folder and under every ending (`con.txt`).
fn is_windows_name(segment: &[u8]) -> bool {
    let is_special = |byte: &u8| byte.is_ascii_control() || br#"\:*?"<>|"#.contains(byte);
    let stem = segment.split(|byte| *byte == b'.').next();
    let stem = stem.unwrap_or_default().trim_ascii_end();
    let is_device = match stem.split_at_checked(3) {
        // Also the digits ¹, ² and ³.
        Some((name, [b'0'..=b'9'] | [0xc2, 0xb9 | 0xb2 | 0xb3])) => {
            name.eq_ignore_ascii_case(b"com") || name.eq_ignore_ascii_case(b"lpt")
        }
        _ => DEVICES
            .iter()
            .any(|device| stem.eq_ignore_ascii_case(device.as_bytes())),
    };
    !is_device && !segment.iter().any(is_special)
}

/// The path of a regular file that may be served, links resolved.
fn servable(path: PathBuf, private: &[PathBuf]) -> Option<PathBuf> {
    let real = path.canonicalize().ok()?;
    // Neither the name asked for nor the one behind a link may be private.
    let public = is_public_name(&path) && is_public_name(&real) && !private.contains(&real);
    (public && real.is_file()).then_some(path)
}

fn is_public_name(path: &Path) -> bool {
    let name = path
        .file_name()
        .map(OsStr::to_ascii_lowercase)
        .unwrap_or_default();
    let ending = Path::new(&name).extension().unwrap_or_default();
    // `libfoo.so.1`
    let versioned = name
        .as_encoded_bytes()
        .windows(4)
        .any(|part| part == b".so.");
    !versioned && !NEVER_SERVED.iter().any(|never| ending == *never)
}

/// Answers with a file, or the part of it that is asked for.
///
/// # Errors
/// [`Error::NotFound`] when it is gone.
pub async fn send_file(head: &RequestHead, file: &Path) -> Result<Response, Error> {
    let mut request = http::Request::new(body::empty());
    *request.method_mut() = head.method.clone();
    *request.headers_mut() = HeaderMap::clone(&head.headers);
    let sent = ServeFile::new(file).oneshot(request).await;
    let (parts, body) = sent.map_err(|never| match never {})?.into_parts();
    if parts.status == StatusCode::NOT_FOUND {
        return Err(Error::NotFound);
    }
    Ok(Response {
        status: parts.status,
        reason: None,
        headers: parts.headers.into(),
        body: readable(body),
    })
}

fn readable(file: ServeFileSystemResponseBody) -> Body {
    file.map_err(|error| BodyError::Cut(format!("the file cannot be read: {error}")))
        .boxed_unsync()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use bytes::Bytes;
    use tempfile::TempDir;

    use super::*;

    struct Folder {
        dir: TempDir,
        files: Files,
    }

    impl Folder {
        fn new(names: &[&str]) -> Self {
            let dir = tempfile::tempdir().unwrap();
            for name in names {
                let path = dir.path().join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, format!("content of {name}")).unwrap();
            }
            let program = dir.path().join("program.cgi");
            Self {
                files: Files::new([program.as_path()].into_iter()),
                dir,
            }
        }

        async fn ask(
            &self,
            method: Method,
            target: &str,
            header: Option<(&str, &str)>,
        ) -> Result<Response, Error> {
            let mut head = RequestHead::sample(method, target);
            if let Some((name, value)) = header {
                head.headers.insert(
                    http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
                    value.parse().unwrap(),
                );
            }
            let mut files = site::Files {
                folder: Arc::new(site::Folder {
                    root: self.dir.path().to_owned(),
                    default_documents: vec!["start.html".into(), "index.html".into()],
                    fallback: None,
                }),
                path: percent_encoding::percent_decode(head.uri.path().as_bytes()).collect(),
                prefix: 0,
            };
            loop {
                match self.files.find(&files).await? {
                    Found::File(file) => return send(&head, &file).await,
                    Found::Document(url) => files.path = url,
                    Found::Folder => return redirect(&head, &files.path),
                }
            }
        }

        async fn get(&self, target: &str) -> Result<Bytes, Error> {
            let response = self.ask(Method::GET, target, None).await?;
            Ok(response.body.collect().await.unwrap().to_bytes())
        }
    }

    #[test]
    fn windows_has_names_that_are_no_files() {
        for name in [
            "C:",
            "a:b",
            "a*",
            "x?",
            "con",
            "NUL.txt",
            "aux .x",
            "Com1",
            "LPT¹.html",
            "conin$",
            "CONOUT$",
        ] {
            assert!(!is_windows_name(name.as_bytes()), "{name}");
        }
        for name in [
            "", "a", "a.txt", "ä b", "cons", "com", "com10", "lpt.1", "null", "a$",
        ] {
            assert!(is_windows_name(name.as_bytes()), "{name}");
        }
    }

    #[tokio::test]
    async fn files_and_default_documents_are_served() {
        let folder = Folder::new(&[
            "a b.txt",
            "sub/index.html",
            "sub/start.html",
            ".well-known/x",
        ]);
        assert_eq!(
            folder.get("/a%20b.txt").await.unwrap(),
            "content of a b.txt"
        );
        assert_eq!(
            folder.get("/sub/").await.unwrap(),
            "content of sub/start.html"
        );
        assert_eq!(
            folder.get("/.well-known/x").await.unwrap(),
            "content of .well-known/x"
        );
        let redirect = folder.ask(Method::GET, "/sub?a=b", None).await.unwrap();
        assert_eq!(redirect.status, 301);
        assert_eq!(redirect.headers["location"], "/sub/?a=b");
    }

    #[tokio::test]
    async fn ranges_conditions_and_head_work() {
        let folder = Folder::new(&["a.txt"]);
        let part = folder
            .ask(Method::GET, "/a.txt", Some(("range", "bytes=0-6")))
            .await
            .unwrap();
        assert_eq!(part.status, 206);
        assert_eq!(part.body.collect().await.unwrap().to_bytes(), "content");
        let head = folder.ask(Method::HEAD, "/a.txt", None).await.unwrap();
        assert_eq!(head.headers["content-length"], "16");
        assert_eq!(head.headers["content-type"], "text/plain");
        let since = head.headers["last-modified"].to_str().unwrap();
        let again = folder
            .ask(Method::GET, "/a.txt", Some(("if-modified-since", since)))
            .await;
        assert_eq!(again.unwrap().status, 304);
        let post = folder.ask(Method::POST, "/a.txt", None).await;
        assert!(matches!(post, Err(Error::VerbNotAllowed { allow }) if allow.len() == 2));
    }

    #[tokio::test]
    async fn private_files_are_not_found() {
        let folder = Folder::new(&[
            "x.dll",
            "x.DLL",
            "lib.so",
            "lib.so.1",
            "web.config",
            ".env",
            ".git/config",
            "program.cgi",
            "sub/file",
            "readable.txt",
        ]);
        std::os::unix::fs::symlink("program.cgi", folder.dir.path().join("link.txt")).unwrap();
        std::os::unix::fs::symlink("x.dll", folder.dir.path().join("dll.txt")).unwrap();
        for target in [
            "/x.dll",
            "/x.DLL",
            "/lib.so",
            "/lib.so.1",
            "/web.config",
            "/.env",
            "/.git/config",
            "/program.cgi",
            "/link.txt",
            "/dll.txt",
            "/sub/",
            "/",
            "/none",
            "/readable.txt/",
            "/readable.txt/x",
        ] {
            let refused = folder.get(target).await;
            assert!(
                matches!(refused, Err(Error::NotFound)),
                "{target}: {refused:?}"
            );
        }
        assert!(folder.get("/readable.txt").await.is_ok());
    }
}
