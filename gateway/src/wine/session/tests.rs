//! A session of scripts in place of Wine: they note how they are called.

use super::*;
use crate::sample::write_program;

/// "running" while the server runs.
const SERVER: &str = r#"echo "server $*" >> "$WINEPREFIX/calls"
case $1 in
-p*) test -e "$WINEPREFIX/running" && exit 2; touch "$WINEPREFIX/running" ;;
-k) rm "$WINEPREFIX/running" ;;
esac"#;
const LOADER: &str = r#"test "$1" = --version && echo wine-8.0 && exit
echo "wine $* $WINEDEBUG" >> "$WINEPREFIX/calls"
touch "$WINEPREFIX/.update-timestamp""#;

struct Scripts(tempfile::TempDir);

impl Scripts {
    fn new(loader: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write_program(&folder.path().join("wineserver"), SERVER);
        write_program(&folder.path().join("wine"), loader);
        Self(folder)
    }

    fn prefix(&self) -> PathBuf {
        self.0.path().join("state/prefix")
    }

    async fn start(&self) -> Result<Arc<Session>, WineError> {
        let wine = Wine::find(Some(&self.0.path().join("wine"))).unwrap();
        Session::start(wine, &self.prefix(), &BTreeMap::new()).await
    }

    /// The calls since the last time.
    fn calls(&self) -> Vec<String> {
        let file = self.prefix().join("calls");
        let calls = std::fs::read_to_string(&file).unwrap_or_default();
        std::fs::write(file, "").unwrap();
        calls.lines().map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn the_prefix_is_created_once() {
    let scripts = Scripts::new(LOADER);
    let session = scripts.start().await.unwrap();
    assert_eq!(scripts.calls(), ["server -p10", "wine cmd /c exit -all"]);
    session.ensure().await.unwrap();
    assert_eq!(scripts.calls(), ["server -p10"]);
    session.stop().await;
    assert_eq!(scripts.calls(), ["server -k", "server -w"]);
    let session = scripts.start().await.unwrap();
    assert_eq!(scripts.calls(), ["server -p10", "wine cmd /c exit -all"]);
    session.stop().await;
}

#[tokio::test]
async fn a_server_that_has_gone_is_started_again() {
    let scripts = Scripts::new(LOADER);
    let session = scripts.start().await.unwrap();
    scripts.calls();
    std::fs::remove_file(scripts.prefix().join("running")).unwrap();
    session.ensure().await.unwrap();
    assert_eq!(scripts.calls(), ["server -p10", "wine cmd /c exit -all"]);
}

#[tokio::test]
async fn a_prefix_that_was_left_unfinished_is_brought_up_to_date() {
    let scripts = Scripts::new(LOADER);
    std::fs::create_dir_all(scripts.prefix()).unwrap();
    std::fs::write(scripts.prefix().join(".update-timestamp"), "").unwrap();
    scripts.start().await.unwrap();
    assert_eq!(scripts.calls(), ["server -p10", "wine wineboot -u -all"]);
}

#[tokio::test]
async fn the_server_stays_for_another_gateway() {
    let scripts = Scripts::new(LOADER);
    let (first, second) = (
        scripts.start().await.unwrap(),
        scripts.start().await.unwrap(),
    );
    scripts.calls();
    first.stop().await;
    assert_eq!(scripts.calls(), [""; 0]);
    second.stop().await;
    assert_eq!(scripts.calls(), ["server -k", "server -w"]);
}

#[tokio::test]
async fn a_wine_that_fails_is_quoted_and_leaves_no_server() {
    let scripts =
        Scripts::new("test \"$1\" = --version && exit\necho \"wine: it is not yours\" >&2; exit 1");
    let error = scripts.start().await.err().unwrap().to_string();
    assert!(
        error.contains("cmd exited with status 1: wine: it is not yours"),
        "{error}"
    );
    assert!(!scripts.prefix().join("running").exists());
}
