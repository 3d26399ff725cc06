//! `X-Sendfile` and `X-Accel-Redirect`: a CGI or FastCGI application checks who asks, and leaves it to the gateway to
//! send the file, with ranges and conditional requests.

use std::io;
use std::path::{Path, PathBuf};

use http::header::{
    CONTENT_LENGTH, CONTENT_TYPE, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
    IF_UNMODIFIED_SINCE, RANGE,
};
use http::{HeaderMap, Method, StatusCode};

use super::files;
use crate::body::{self, discard};
use crate::config;
use crate::error::Error;
use crate::front_takes::{X_ACCEL_REDIRECT, X_SENDFILE};
use crate::os::os_str;
use crate::request::RequestHead;
use crate::response::{Answer, Response};
use crate::site::path::decode;

/// Request headers that ask for a part of a file, or only for a newer one.
const CONDITIONS: [HeaderName; 6] = [
    RANGE,
    IF_RANGE,
    IF_MATCH,
    IF_NONE_MATCH,
    IF_MODIFIED_SINCE,
    IF_UNMODIFIED_SINCE,
];

/// The folders from which an application may have files sent. Links in their paths are resolved for each file: a folder
/// may be a link to the release that is in use.
pub struct SendFile(config::SendFile);

impl SendFile {
    /// As the pool says. A folder that is gone allows nothing.
    pub fn new(config: &config::SendFile) -> Self {
        Self(config.clone())
    }

    /// The answer with the file that it names in place of its body; other answers as they are. A header for which the
    /// pool has no folders means nothing here and stays: somebody before us may know it.
    ///
    /// # Errors
    /// [`Error::BadAnswer`] for a file outside of the folders, [`Error::NotFound`] when there is none.
    pub async fn apply(&self, head: &RequestHead, answer: Answer) -> Result<Answer, Error> {
        let Answer::Response(mut response) = answer else {
            return Ok(answer);
        };
        let Some(named) = self.named(&mut response.headers)? else {
            return Ok(Answer::Response(response));
        };
        let found = tokio::task::spawn_blocking(move || named.find()).await;
        let file = found.map_err(|_| Error::Stopping)??;
        if response.status == StatusCode::OK
            && let Some((name, value)) = head.front.takes().header(&file)
        {
            response.headers.insert(name, value);
            return Ok(Answer::Response(left_to_front(response)));
        }
        let sent = files::send_file(&request(head, response.status), &file).await?;
        Ok(Answer::Response(join(response, sent)))
    }

    /// What the headers name, which are removed.
    fn named(&self, headers: &mut HeaderMap) -> Result<Option<Named>, Error> {
        if !self.0.folders.is_empty()
            && let Some(value) = headers.remove(X_SENDFILE)
        {
            let path = PathBuf::from(&*os_str(value.as_bytes()));
            return Ok(Some(Named {
                by: By::Path,
                path,
                within: self.0.folders.clone(),
            }));
        }
        if !self.0.internal.is_empty()
            && let Some(value) = headers.remove(X_ACCEL_REDIRECT)
        {
            let refused = || Error::BadAnswer(format!("X-Accel-Redirect to {value:?}"));
            let url = value.to_str().map_err(|_| refused())?;
            let url = url.split('?').next().unwrap_or_default();
            let url = decode(url).map_err(|_| refused())?;
            let (rest, folder) = self.below(&url).ok_or_else(|| {
                Error::BadAnswer(format!(
                    "X-Accel-Redirect to {value:?}, which no `accel_redirect` of the pool is for"
                ))
            })?;
            return Ok(Some(Named {
                by: By::Url,
                path: folder.join(os_str(rest)),
                within: vec![folder.to_owned()],
            }));
        }
        Ok(None)
    }

    /// The folder with the longest prefix, and what of the path is below it.
    fn below<'a>(&self, url: &'a [u8]) -> Option<(&'a [u8], &Path)> {
        let fitting = self.0.internal.iter().filter_map(|(prefix, folder)| {
            let rest = url.strip_prefix(prefix.as_bytes())?.strip_prefix(b"/")?;
            Some((rest, folder.as_path()))
        });
        fitting.min_by_key(|(rest, _)| rest.len())
    }
}

/// A file that an application has named.
struct Named {
    by: By,
    path: PathBuf,
    /// The folders that it may be in.
    within: Vec<PathBuf>,
}

/// How it was named.
#[derive(Clone, Copy)]
enum By {
    /// `X-Sendfile`.
    Path,
    /// `X-Accel-Redirect`.
    Url,
}

impl By {
    fn header(self) -> &'static str {
        match self {
            Self::Path => "X-Sendfile",
            Self::Url => "X-Accel-Redirect",
        }
    }

    /// The pool's key that allows it.
    fn key(self) -> &'static str {
        match self {
            Self::Path => "sendfile",
            Self::Url => "accel_redirect",
        }
    }
}

impl Named {
    /// The file, links resolved.
    fn find(self) -> Result<PathBuf, Error> {
        let (header, key, shown) = (self.by.header(), self.by.key(), self.path.display());
        if !self.path.is_absolute() {
            return Err(Error::BadAnswer(format!(
                "{header}: {shown} is not an absolute path"
            )));
        }
        let mut missing = None;
        for folder in &self.within {
            match resolve(&self.path, folder) {
                Ok(Some(real)) if real.is_file() => return Ok(real),
                Ok(Some(_)) => return Err(Error::NotFound),
                Ok(None) => {}
                Err(error) => missing = Some(error),
            }
        }
        if let Some(error) = missing {
            tracing::error!("{header}: the file {shown}: {error}");
            return Err(Error::NotFound);
        }
        Err(Error::BadAnswer(format!(
            "{header}: the file {shown} is in no folder of `{key}`"
        )))
    }
}

/// The file without links, if it is in this folder. The links on the way to the folder are followed once for both:
/// they may be switched at any moment.
fn resolve(path: &Path, folder: &Path) -> io::Result<Option<PathBuf>> {
    let root = folder.canonicalize().ok();
    let real = match (&root, path.strip_prefix(folder)) {
        (Some(root), Ok(rest)) => root.join(rest).canonicalize()?,
        _ => path.canonicalize()?,
    };
    let is_within = root.is_some_and(|root| real.starts_with(root));
    Ok(is_within.then_some(real))
}

/// The request as the file answers it: whatever its method was, and whole if the application says more than 200.
fn request(head: &RequestHead, status: StatusCode) -> RequestHead {
    let mut head = head.clone();
    let is_plain = head.method == Method::GET || head.method == Method::HEAD;
    if !is_plain {
        head.method = Method::GET;
    }
    if !is_plain || status != StatusCode::OK {
        for name in CONDITIONS {
            head.headers.remove(name);
        }
    }
    head
}

/// The application's answer without body: a header has the web server send the file.
fn left_to_front(mut answer: Response) -> Response {
    answer.headers.remove(CONTENT_LENGTH);
    discard(std::mem::replace(&mut answer.body, body::empty()));
    answer
}

/// The application's answer with the file. What the application says of the content holds, but for its length.
fn join(answer: Response, sent: Response) -> Response {
    discard(answer.body);
    let (status, reason) = match answer.status {
        StatusCode::OK => (sent.status, None),
        status => (status, answer.reason),
    };
    let mut headers = answer.headers;
    headers.remove(CONTENT_LENGTH);
    for (name, value) in sent.headers.iter() {
        if name != CONTENT_TYPE || !headers.contains_key(CONTENT_TYPE) {
            headers.insert(name, value.clone());
        }
    }
    Response {
        status,
        reason,
        headers,
        body: sent.body,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use http::HeaderValue;
    use http_body_util::BodyExt as _;
    use tempfile::TempDir;

    use super::*;

    struct Folder {
        dir: TempDir,
        sendfile: SendFile,
    }

    impl Folder {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let path = |name: &str| dir.path().join(name);
            for name in ["public", "public/deep", "secret"] {
                std::fs::create_dir(path(name)).unwrap();
                std::fs::write(path(name).join("a.txt"), format!("file of {name}")).unwrap();
            }
            std::os::unix::fs::symlink(path("secret/a.txt"), path("public/link.txt")).unwrap();
            let config = config::SendFile {
                folders: vec![path("public")],
                internal: [("/in", "public"), ("/in/more", "public/deep")]
                    .map(|(prefix, folder)| (prefix.to_owned(), path(folder)))
                    .into(),
            };
            Self {
                sendfile: SendFile::new(&config),
                dir,
            }
        }

        async fn ask(
            &self,
            head: &RequestHead,
            status: u16,
            headers: &[(&'static str, &str)],
        ) -> Result<Response, Error> {
            let folder = self.dir.path().to_str().unwrap();
            let headers = headers.iter().map(|(name, value)| {
                let value = HeaderValue::try_from(value.replace('$', folder)).unwrap();
                (HeaderName::from_static(name), value)
            });
            let response = Response {
                status: StatusCode::from_u16(status).unwrap(),
                reason: None,
                headers: HeaderMap::from_iter(headers).into(),
                body: body::full("own words"),
            };
            match self
                .sendfile
                .apply(head, Answer::Response(response))
                .await?
            {
                Answer::Response(response) => Ok(response),
                Answer::LocalRedirect(_) => panic!("no redirect"),
            }
        }

        async fn get(&self, name: &'static str, value: &str) -> Result<String, Error> {
            let head = RequestHead::sample(Method::GET, "/");
            let response = self.ask(&head, 200, &[(name, value)]).await?;
            assert!(!response.headers.contains_key(name));
            let bytes = response.body.collect().await.unwrap().to_bytes();
            Ok(String::from_utf8(bytes.to_vec()).unwrap())
        }
    }

    #[tokio::test]
    async fn files_within_the_folders_are_sent() {
        let folder = Folder::new();
        for (name, value, expected) in [
            ("x-sendfile", "$/public/a.txt", "file of public"),
            (
                "x-sendfile",
                "$/public/deep/../deep/a.txt",
                "file of public/deep",
            ),
            ("x-accel-redirect", "/in/a.txt?x=y", "file of public"),
            (
                "x-accel-redirect",
                "/in/d%65ep/a.txt",
                "file of public/deep",
            ),
            ("x-accel-redirect", "/in/more/a.txt", "file of public/deep"),
        ] {
            assert_eq!(folder.get(name, value).await.unwrap(), expected, "{value}");
        }
    }

    #[tokio::test]
    async fn a_folder_may_be_a_link_that_is_switched() {
        let folder = Folder::new();
        let path = |name: &str| folder.dir.path().join(name);
        let config = config::SendFile {
            folders: vec![path("current")],
            internal: [("/in".to_owned(), path("current"))].into(),
        };
        let folder = Folder {
            sendfile: SendFile::new(&config),
            dir: folder.dir,
        };
        let path = |name: &str| folder.dir.path().join(name);
        for release in ["public", "public/deep"] {
            std::os::unix::fs::symlink(path(release), path("next")).unwrap();
            std::fs::rename(path("next"), path("current")).unwrap();
            for (name, value) in [
                ("x-sendfile", "$/current/a.txt"),
                ("x-accel-redirect", "/in/a.txt"),
            ] {
                let sent = folder.get(name, value).await.unwrap();
                assert_eq!(sent, format!("file of {release}"));
            }
        }
        let before = folder.get("x-sendfile", "$/public/a.txt").await;
        let refused = before.unwrap_err().to_string();
        assert!(refused.contains("in no folder of `sendfile`"), "{refused}");
        std::os::unix::fs::symlink(path("secret/a.txt"), path("current/link.txt")).unwrap();
        let outside = folder.get("x-accel-redirect", "/in/link.txt").await;
        let refused = outside.unwrap_err().to_string();
        assert!(refused.contains("X-Accel-Redirect: "), "{refused}");
        assert!(
            refused.ends_with("in no folder of `accel_redirect`"),
            "{refused}"
        );
    }

    #[test]
    fn a_link_may_be_switched_at_any_moment() {
        let folder = Folder::new();
        let path = |name: &str| folder.dir.path().join(name);
        let switch = |release: &str| {
            std::os::unix::fs::symlink(path(release), path("next")).unwrap();
            std::fs::rename(path("next"), path("current")).unwrap();
        };
        switch("public");
        std::thread::scope(|scope| {
            let switching = scope.spawn(|| {
                for _ in 0..5000 {
                    switch("public/deep");
                    switch("public");
                }
            });
            while !switching.is_finished() {
                let named = Named {
                    by: By::Path,
                    path: path("current/a.txt"),
                    within: vec![path("current")],
                };
                named.find().unwrap();
            }
        });
    }

    #[tokio::test]
    async fn nothing_else_is_sent() {
        let folder = Folder::new();
        for (name, value) in [
            ("x-sendfile", "$/secret/a.txt"),
            ("x-sendfile", "$/public/../secret/a.txt"),
            ("x-sendfile", "$/public/link.txt"),
            ("x-sendfile", "public/a.txt"),
            ("x-accel-redirect", "/in/../../secret/a.txt"),
            ("x-accel-redirect", "/in/%2e%2e/secret/a.txt"),
            ("x-accel-redirect", "/in/link.txt"),
            ("x-accel-redirect", "/inner/a.txt"),
            ("x-accel-redirect", "$/public/a.txt"),
            ("x-accel-redirect", "http://elsewhere/"),
        ] {
            let refused = folder.get(name, value).await;
            assert!(
                matches!(refused, Err(Error::BadAnswer(_))),
                "{value}: {refused:?}"
            );
        }
        for value in ["$/public/none", "$/public/deep"] {
            let missing = folder.get("x-sendfile", value).await;
            assert!(matches!(missing, Err(Error::NotFound)), "{value}");
        }
    }

    #[tokio::test]
    async fn the_files_part_and_the_applications_headers_make_the_answer() {
        let folder = Folder::new();
        let mut head = RequestHead::sample(Method::GET, "/");
        head.headers
            .insert(RANGE, HeaderValue::from_static("bytes=0-3"));
        let headers = [
            ("x-sendfile", "$/public/a.txt"),
            ("content-type", "a/b"),
            ("content-length", "9"),
            ("x-own", "1"),
        ];
        let part = folder.ask(&head, 200, &headers).await.unwrap();
        assert_eq!(part.status, 206);
        assert_eq!(part.headers["content-range"], "bytes 0-3/14");
        assert_eq!(part.headers["content-length"], "4");
        assert_eq!(part.headers["content-type"], "a/b");
        assert_eq!(part.headers["x-own"], "1");
        assert!(part.headers.contains_key("etag"));
        assert_eq!(part.body.collect().await.unwrap().to_bytes(), "file");
        // An error page is sent whole.
        let page = folder.ask(&head, 403, &headers).await.unwrap();
        assert_eq!(
            (page.status.as_u16(), &page.headers["content-length"]),
            (403, &HeaderValue::from(14))
        );
        head.method = Method::POST;
        let posted = folder.ask(&head, 200, &headers).await.unwrap();
        assert_eq!(posted.status, 200);
    }

    #[tokio::test]
    async fn without_folders_the_headers_mean_nothing() {
        let none = SendFile::new(&config::SendFile::default());
        let mut headers = HeaderMap::new();
        for name in [X_SENDFILE, X_ACCEL_REDIRECT] {
            headers.insert(name, HeaderValue::from_static("/etc/passwd"));
        }
        assert!(none.named(&mut headers).unwrap().is_none());
        assert_eq!(headers.len(), 2);
    }
}
