//! What the operator is told about a configuration that is wrong.

mod handlers;

use super::*;

#[test]
fn shows_the_place_the_line_and_a_remedy() {
    let folder = Folder::new();
    let text = "[pool.hello]\nextension = 'x.so'\n\tproceses = 4 # ä\n[[site]]\nroot = 'www'\n";
    let expected = "\
gateway.toml:3:2: unknown key `proceses` in [pool.hello]
  |
3 |  proceses = 4 # ä
  |  ^^^^^^^^
  help: did you mean `processes`?";
    assert_eq!(folder.errors(text), [expected]);
}

#[test]
fn tells_each_mistake_with_its_place() {
    let folder = Folder::new();
    std::fs::write(folder.path("plain"), "").unwrap();
    for (name, machine) in [("arm.dll", 0xaa64), ("x.dll", sample::PE_X86_64)] {
        let dll = sample::pe(machine, &sample::EXPORTS);
        std::fs::write(folder.path(name), dll).unwrap();
    }
    for (text, expected) in [
        ("http = \n", "1:"),
        ("[server]\nhttp = 1\nhttp = 2\n", "3:1: duplicate key"),
        ("[servr]\n", "1:2: unknown key `servr` in the file"),
        (
            "[server]\nxyzzy = 1\n",
            "2:1: unknown key `xyzzy` in [server]",
        ),
        ("server = 1\n", "1:10: this is a number, expected a table"),
        (
            "[site]\n",
            "1:1: this is a table, expected a list of tables, [[site]]",
        ),
        (
            "[server]\nhttp = 8080\n",
            "2:8: this is a number, expected a string",
        ),
        ("[server]\nhttp = []\n", "2:1: `http` is empty"),
        (
            "[admin]\nlisten = '127.0.0.1:1'\n",
            "2:1: whoever reaches 127.0.0.1:1 could stop pools",
        ),
        (
            "[admin]\nlisten = 'unix:x'\ntoken = 'short'\n",
            "3:9: the secret has at least 16",
        ),
        (
            "[admin]\nlisten = '127.0.0.1:1'\ntoken = '0123456789abcdef'\nmode = 0o600\n",
            "4:1: `mode` has no meaning for a port",
        ),
        ("[access_log]\n", "1:1: [access_log] has no `file`"),
        ("[access_log]\nfile = 'no/log'\n", "2:8: no does not exist"),
        (
            "[access_log]\nfile = 'log'\nformat = 'common'\n",
            "3:10: \"common\" is not a format",
        ),
        (
            "[access_log]\nfile = 'log'\nbuffer = '1KiB'\n",
            "3:10: 1024 bytes is not between",
        ),
        (
            "[crash]\nkeep = 10001\n",
            "2:8: 10001 is not a whole number from 0 to 10000",
        ),
        (
            "[crash]\nsize = 10\n",
            "2:8: 10 bytes is not between 64KiB and 1GiB",
        ),
        ("[crash]\nhook = []\n", "2:1: `hook` is empty"),
        (
            "[crash]\nhook = ['no/hook']\n",
            "2:9: no/hook does not exist",
        ),
        (
            "[crash]\nhook_timeout = 1\n",
            "2:1: `hook_timeout` has no meaning without `hook`",
        ),
        (
            "[server]\nhttp = ['127.0.0.1:1', 'localhost:80']\n",
            "2:24: \"localhost:80\" is not an IP address with a port",
        ),
        (
            "[server]\nhttp = ['127.0.0.1:1', '127.0.0.1:1']\n[[site]]\nroot='www'",
            "2:24: 127.0.0.1:1 is listed twice",
        ),
        (
            "[server]\nthreads = 0\n",
            "2:11: 0 is not a whole number from 1 to 256",
        ),
        ("[server]\nthreads = -1\n", "2:11: -1 is not a whole number"),
        (
            "[server]\nthreads = 1.5\n",
            "2:11: this is a number with a fraction",
        ),
        (
            "[server]\nheader_timeout = 0\n",
            "2:18: 0 is not between 1ms and 30days",
        ),
        (
            "[server]\nheader_timeout = 'soon'\n",
            "2:18: \"soon\" is not a duration",
        ),
        (
            "[server]\nheader_timeout = nan\n",
            "2:18: nan is not a duration",
        ),
        (
            "[server]\nheader_timeout = true\n",
            "2:18: this is a boolean, expected a duration",
        ),
        (
            "[server]\nshutdown_timeout = 99999999999\n",
            "2:20: 99999999999 is not between",
        ),
        (
            "[server]\nheader_limit = 100\n",
            "2:16: 100 is not a whole number from 8192 to 1048576",
        ),
        ("[server]\nworker = 'gone'\n", "2:10: gone does not exist"),
        (
            "[server]\nworker = 'plain'\n",
            "2:10: plain is not executable",
        ),
        ("[[site]]\nhosts = 'a.org'\n", "1:1: this site has neither"),
        (
            "[[site]]\nroot = 'www'\nhosts = ['a.org:80']\n",
            "3:10: \"a.org:80\" is not a host name",
        ),
        (
            "[[site]]\nroot = 'www'\nhosts = '*'\n",
            "3:9: \"*\" is not a host name",
        ),
        (
            "[[site]]\nroot = 'www'\nhosts = 'bücher.de'\n",
            "3:9: \"bücher.de\" is not a host name",
        ),
        (
            "[[site]]\nroot = 'www'\nhosts = 'a b'\n",
            "3:9: \"a b\" is not a host name",
        ),
        ("[[site]]\nroot = ''\n", "2:8: the string is empty"),
        ("[[site]]\nroot = 'gone'\n", "2:8: gone does not exist"),
        ("[[site]]\nroot = 'x.so'\n", "2:8: x.so is not a folder"),
        (
            "[[site]]\nroot = 'www'\ndefault_documents = 'a/b'\n",
            "3:21: \"a/b\" is not a file name",
        ),
        (
            "[[site]]\nroot = 'www'\nhosts = ['A.org', 'b.org']\n[[site]]\nroot = 'www'\nhosts = ['c.org', 'a.ORG']\n",
            "6:19: the host \"a.org\" has been given to site 1",
        ),
        (
            "[[site]]\nroot = 'www'\n[[site]]\nroot = 'www'\n",
            "3:1: site 2 is for every host, and so is site 1",
        ),
        (
            "[pool.'']\nextension = 'x.so'\n",
            "1:7: \"\" is not a pool name",
        ),
        ("[pool.x]\n", "1:7: [pool.x] does not say what runs in it"),
        (
            "[pool.x]\nextension = 'x.so'\ncgi = 'x.cgi'\n",
            "1:7: [pool.x] has more than one of",
        ),
        (
            "[pool.x]\nextension = 'gone'\n[[site]]\nroot = 'www'\n",
            "2:13: gone does not exist",
        ),
        (
            "[pool.x]\nextension = 'www'\n[[site]]\nroot = 'www'\n",
            "2:13: www is not a file",
        ),
        (
            "[pool.x]\ncgi = 'plain'\n[[site]]\nroot = 'www'\n",
            "2:7: plain is not executable",
        ),
        (
            "[pool.x]\ncgi = 'x.cgi'\nthreads = 5\n",
            "3:1: `threads` has no meaning for a `cgi` pool",
        ),
        (
            "[pool.x]\nextension = 'x.so'\nprocesses = 65\n",
            "3:13: 65 is not a whole number from 1 to 64",
        ),
        (
            "[pool.x]\nextension = 'x.so'\nconcurrency = 10001\n",
            "3:15: 10001 is not a whole number",
        ),
        (
            "[pool.x]\nextension = 'x.so'\nworking_directory = 'x.so'\n",
            "3:21: x.so is not a folder",
        ),
        (
            "[pool.x]\nextension = 'x.so'\nenvironment = { A = 1 }\n",
            "3:21: this is a number, expected a string",
        ),
        (
            "[pool.x]\nextension = 'x.so'\nenvironment = { 'A=' = '' }\n",
            "3:17: an environment variable's name",
        ),
        (
            "[pool.x]\nextension = \"a\\u0000b\"\n",
            "2:13: the string contains a NUL",
        ),
        (
            "[pool.x]\nextension = 'plain'\n",
            "2:13: plain cannot be loaded: it is neither a Windows DLL nor a shared object: it is empty",
        ),
        (
            "[pool.x]\nextension = 'arm.dll'\n",
            "2:13: arm.dll cannot be loaded: it is built for ARM64",
        ),
        (
            "[server]\nwine = 'x.cgi'\n[pool.x]\nextension = 'x.dll'\n",
            "2:8: x.cgi is not Wine's loader",
        ),
        (
            "[pool.x]\nextension = 'x.so'\ndrives = { D = 'www' }\n",
            "3:16: this pool has `drives`, but its extension does not run under Wine",
        ),
        (
            "[pool.x]\nextension = 'x.so'\ndrives = { C = 'www' }\n",
            "3:12: \"C\" cannot be another folder",
        ),
        (
            "[pool.x]\ncgi = 'x.cgi'\ndrives = { D = 'www' }\n",
            "3:1: `drives` has no meaning for a `cgi` pool",
        ),
        (
            "[pool.x]\nfastcgi = ['php:9000', 'unix:']\n",
            "2:24: \"unix:\" is not the address of a FastCGI application",
        ),
        (
            "[pool.x]\nfastcgi = 'php:+9000'\n",
            "2:11: \"php:+9000\" is not the address of a FastCGI application",
        ),
        (
            "[pool.x]\nfastcgi = '::1:9000'\n",
            "2:11: \"::1:9000\" is not the address of a FastCGI application",
        ),
        ("[pool.x]\nfastcgi = []\n", "2:1: `fastcgi` is empty"),
        (
            "[pool.x]\nprogram = 5\narguments = '-x'\n",
            "2:11: this is a number, expected a string",
        ),
        (
            "[pool.x]\nprogram = 'plain'\n",
            "2:11: plain is not executable",
        ),
        (
            "[pool.x]\nfastcgi = 'php:9000'\nprocesses = 2\n",
            "3:1: `processes` has no meaning for a `fastcgi` pool",
        ),
        (
            "[pool.x]\nprogram = 'x.cgi'\nthreads = 2\n",
            "3:1: `threads` has no meaning for a `program` pool",
        ),
        (
            "[pool.x]\nfastcgi = 'php:9000'\nenvironment = { A = '1' }\n",
            "3:1: `environment` has no meaning for a `fastcgi` pool",
        ),
        (
            "[pool.x]\ncgi = 'x.cgi'\nsticky = 'A'\n",
            "3:1: unknown key `sticky`",
        ),
        (
            "[pool.x]\nfastcgi = 'php:9000'\nbuffer_body = '2GiB'\n",
            "3:15: 2147483648 bytes is not between 0 and 1GiB",
        ),
        (
            "[pool.x]\nextension = 'x.so'\nsticky = 'a'\nsticky_header = 'b'\n",
            "4:1: a client is bound by a cookie or by a header",
        ),
        (
            "[pool.x]\nextension = 'x.so'\nsticky_header = 'a b'\n",
            "3:17: \"a b\" is not the name of a header",
        ),
        (
            "[pool.x]\nextension = 'x.so'\nsticky_drain = 1\n",
            "3:1: `sticky_drain` has no meaning without",
        ),
        (
            "[pool.x]\nextension = 'x.so'\nsticky = 'a'\nsticky_drain = 1\noverlap = false\n",
            "4:1: `sticky_drain` has no meaning with `overlap = false`",
        ),
        (
            "[pool.x]\nfastcgi = 'php:9000'\nsticky_drain = 1\n",
            "3:1: `sticky_drain` has no meaning for a `fastcgi` pool",
        ),
        (
            "[pool.x]\nfastcgi = 'php:9000'\nsticky = 'a b'\n",
            "3:10: \"a b\" is not the name of a cookie",
        ),
        (
            "[pool.x]\nextension = 'x.so'\nsendfile = 'www'\n",
            "3:1: `sendfile` has no meaning for a `extension` pool",
        ),
        (
            "[pool.x]\ncgi = 'x.cgi'\nsendfile = ['www', 'gone']\n",
            "3:20: gone does not exist",
        ),
        (
            "[pool.x]\ncgi = 'x.cgi'\naccel_redirect = { '/x/' = 'www' }\n",
            "3:20: \"/x/\" is not the path of a URL",
        ),
        (
            "[pool.x]\ncgi = 'x.cgi'\naccel_redirect = { '/x' = 'gone' }\n",
            "3:27: gone does not exist",
        ),
        (
            "[[site]]\nfallback = '/x'\n[[site.handler]]\npath = '*'\npool = 'x'\n[pool.x]\ncgi = 'x.cgi'\n",
            "2:1: `fallback` is for what is not in the `root`",
        ),
        (
            "[[site]]\n[[site.handler]]\npath = '*'\npool = 'x'\n[pool.x]\nfastcgi = 'php:9000'\n",
            "4:8: neither this site nor its FastCGI application has a `root`",
        ),
        (
            "[pool.x]\nfastcgi = 'php'\n",
            "2:11: \"php\" is not the address of a FastCGI application",
        ),
    ] {
        tells(&folder, text, expected);
    }
}

/// Checks that a configuration, to which a site is added if it has none, has one mistake, at this place.
pub fn tells(folder: &Folder, text: &str, expected: &str) {
    let site = if text.contains("site") { "" } else { SITE };
    let text = format!("{text}{site}");
    let errors = folder.errors(&text);
    assert_eq!(errors.len(), 1, "{text}\n{errors:#?}");
    assert!(
        errors[0].starts_with(&format!("gateway.toml:{expected}")),
        "{text}\n{}",
        errors[0]
    );
}

#[test]
fn tells_all_mistakes_in_the_order_of_the_file() {
    let folder = Folder::new();
    let text = "[server]\nthread = 1\n[[site]]\nroot = 'gone'\n[[site.handler]]\npath = '*'\npool = 'helo'\n[pool.hello]\n";
    let errors = folder.errors(text);
    let firsts: Vec<&str> = errors
        .iter()
        .filter_map(|error| error.lines().next())
        .collect();
    let expected = [
        "gateway.toml:2:1: unknown key `thread` in [server]",
        "gateway.toml:4:8: gone does not exist",
        "gateway.toml:7:8: there is no pool \"helo\"",
        "gateway.toml:8:7: [pool.hello] does not say what runs in it",
    ];
    assert_eq!(firsts, expected);
    assert!(
        errors[2].ends_with("help: did you mean `hello`?"),
        "{}",
        errors[2]
    );
}

#[test]
fn an_unused_pool_is_a_warning() {
    let folder = Folder::new();
    let (_, warnings) = folder
        .load(&format!("{SITE}[pool.x]\ncgi = 'x.cgi'\n"))
        .unwrap();
    assert_eq!(warnings.len(), 1);
    let shown = warnings[0].to_string();
    assert!(
        shown.contains("gateway.toml:3:7: no handler uses the pool \"x\""),
        "{shown}"
    );
}

#[test]
fn a_missing_file_is_named() {
    let errors = Config::load(Path::new("/nowhere/gateway.toml"))
        .unwrap_err()
        .to_string();
    assert!(
        errors.starts_with("/nowhere/gateway.toml: cannot be read: "),
        "{errors}"
    );
}

#[test]
fn a_configuration_without_sites_is_refused() {
    let errors = Folder::new().errors("[server]\n");
    assert!(
        errors[0].starts_with("gateway.toml:1:1: there is no site"),
        "{errors:?}"
    );
}

#[test]
fn what_a_windows_extension_lacks_is_told() {
    let folder = windows_folder();
    let pool = |name: &str, target: &str| {
        format!("[pool.{name}]\nextension = 'x.dll'\ndrives = {{ D = '{target}' }}\n")
    };
    let text = format!("{WINDOWS}{}{}", pool("x", "www"), pool("y", "/"));
    let errors = folder.errors(&text);
    assert_eq!(errors.len(), 1, "{errors:#?}");
    assert!(
        errors[0].starts_with("gateway.toml:11:16: D: is www in [pool.x]"),
        "{}",
        errors[0]
    );
    std::fs::remove_file(folder.path("isapi-worker-x86_64.exe")).unwrap();
    let errors = folder.errors(&format!("{WINDOWS}{}", pool("x", "gone")));
    assert_eq!(errors.len(), 2, "{errors:#?}");
    let missing =
        "gateway.toml:7:13: the worker for Windows is missing: there is no isapi-worker-x86_64.exe";
    assert!(errors[0].starts_with(missing), "{}", errors[0]);
    assert!(
        errors[1].starts_with("gateway.toml:8:16: gone does not exist"),
        "{}",
        errors[1]
    );
}
