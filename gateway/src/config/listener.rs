//! `fastcgi` in `[server]`: addresses, or tables that say more.

use std::path::Path;

use toml::de::DeValue;

use super::account::Database;
use super::diagnostic::{Findings, Wrong};
use super::section::{Item, Section, note};
use super::{FastCgiListener, SendFile, parse, value};
use crate::front::fastcgi::{Address, Network};
use crate::os;

/// Keys that only a socket in the file system has.
const SOCKET_KEYS: [&str; 3] = ["mode", "owner", "group"];

/// Most connections of a listener.
const MOST_CONNECTIONS: usize = 65_536;

/// Most requests at the same time on one connection.
const MOST_REQUESTS: usize = 1000;

/// All listeners; relative paths start from `folder`.
pub fn all(section: &mut Section, folder: &Path, findings: &mut Findings) -> Vec<FastCgiListener> {
    let items = section.items(findings, "fastcgi").unwrap_or_default();
    let listener = |item| match item {
        Item::Value(value) => {
            let address = address(value.get_ref(), folder);
            note(findings, value.span(), address).map(FastCgiListener::new)
        }
        Item::Table(section) => table(section, folder, findings),
    };
    items.into_iter().filter_map(listener).collect()
}

fn table(mut section: Section, folder: &Path, findings: &mut Findings) -> Option<FastCgiListener> {
    let address = section.require(findings, "address", |value| address(value, folder));
    let is_socket = matches!(address, Some(Address::Unix(_)));
    if address.is_some() {
        refuse_keys_of_the_other_kind(&section, is_socket, findings);
    }
    // Without an address there are no defaults, but the other keys can be checked all the same.
    let is_known = address.is_some();
    let default = FastCgiListener::new(address.unwrap_or(Address::Unix(Default::default())));
    let trusted = section
        .get(findings, "trusted", value::boolean)
        .unwrap_or(default.trusted);
    let listener = FastCgiListener {
        mode: section.get(findings, "mode", mode).unwrap_or(default.mode),
        owner: section.get(findings, "owner", |value| account(value, Database::Users)),
        group: section.get(findings, "group", |value| account(value, Database::Groups)),
        allow: section
            .some_of(findings, "allow", network)
            .unwrap_or(default.allow),
        trusted,
        users: section
            .get(findings, "users", value::boolean)
            .unwrap_or(trusted),
        connections: section
            .get(findings, "connections", |value| {
                value::integer(value, &(1..=MOST_CONNECTIONS))
            })
            .unwrap_or(default.connections),
        requests: section
            .get(findings, "requests", |value| {
                value::integer(value, &(1..=MOST_REQUESTS))
            })
            .unwrap_or(default.requests),
        idle_timeout: section
            .get(findings, "idle_timeout", |value| {
                value::duration(value, &parse::FROM_A_MOMENT)
            })
            .unwrap_or(default.idle_timeout),
        authorizer: section.get(findings, "authorizer", authorizer),
        sendfile: SendFile::read(&mut section, folder, findings),
        local_redirects: section
            .get(findings, "local_redirects", value::boolean)
            .unwrap_or(default.local_redirects),
        address: default.address,
    };
    if let Address::Tcp(address) = listener.address
        && !address.ip().is_loopback()
        && listener.trusted
        && listener.allow.is_empty()
    {
        let wrong = Wrong::with_remedy(
            format!("whoever reaches {address} could pretend to be any user"),
            "name the web servers in `allow`, or leave `trusted` out",
        );
        findings.error_at(section.key_place("trusted"), wrong);
    }
    if listener.users && !trusted {
        let wrong = Wrong::with_remedy(
            "`users` count only where the web server is trusted",
            "add `trusted = true`, or remove it",
        );
        findings.error_at(section.key_place("users"), wrong);
    }
    section.finish(findings);
    is_known.then_some(listener)
}

fn refuse_keys_of_the_other_kind(section: &Section, is_socket: bool, findings: &mut Findings) {
    let (keys, remedy): (&[&'static str], _) = if is_socket {
        (
            &["allow"],
            "remove it: `mode`, `owner` and `group` say who may connect to a socket",
        )
    } else {
        (
            &SOCKET_KEYS,
            "remove it: `allow` says who may connect to a port",
        )
    };
    for key in keys.iter().filter(|key| section.has(key)) {
        let wrong = Wrong::with_remedy(format!("`{key}` has no meaning for this address"), remedy);
        findings.error_at(section.key_place(key), wrong);
    }
}

/// An address; the path of a socket may be relative.
///
/// # Errors
/// What is none, and what this system does not have.
pub fn address(value: &DeValue, folder: &Path) -> Result<Address, Wrong> {
    let text = value::string(value)?;
    let address = text.parse().map_err(|remedy: &str| {
        Wrong::with_remedy(format!("\"{text}\" is not an address to listen on"), remedy)
    })?;
    if !os::HAS_SOCKET_FILES && matches!(address, Address::Unix(_)) {
        return Err(Wrong::with_remedy(
            "there are no sockets in the file system here",
            "write \"127.0.0.1:9000\"",
        ));
    }
    Ok(match address {
        Address::Unix(path) => Address::Unix(parse::from_folder(&path, folder)),
        tcp => tcp,
    })
}

/// Permissions of a file.
///
/// # Errors
/// Anything but a number up to 0o777.
pub fn mode(value: &DeValue) -> Result<u32, Wrong> {
    let wrong = |wrong: Wrong| Wrong {
        remedy: Some("write it in octal: 0o660".to_owned()),
        ..wrong
    };
    let mode = value::integer(value, &(0..=0o777)).map_err(wrong)?;
    u32::try_from(mode).map_err(|error| Wrong::new(error.to_string()))
}

/// A user or group, by name or number.
fn account(value: &DeValue, database: Database) -> Result<u32, Wrong> {
    if value.is_integer() {
        let number = value::integer(value, &(0..=u32::MAX as usize - 1))?;
        return u32::try_from(number).map_err(|error| Wrong::new(error.to_string()));
    }
    let name = value::text(value)?;
    database.number(&name).ok_or_else(|| {
        Wrong::with_remedy(
            format!("there is no \"{name}\" in {}", database.file()),
            "correct the name, or give the number",
        )
    })
}

fn network(value: &DeValue) -> Result<Network, Wrong> {
    let text = value::string(value)?;
    text.parse().map_err(|remedy: &str| {
        Wrong::with_remedy(format!("\"{text}\" is not an address or network"), remedy)
    })
}

/// A path of a handler, as it is after percent-decoding.
fn authorizer(value: &DeValue) -> Result<String, Wrong> {
    let text = value::string(value)?;
    match value::handler_path(&text)? {
        super::HandlerPath::Exact(path) => Ok(path),
        _ => Err(Wrong::with_remedy(
            format!("\"{text}\" is not the path of one handler"),
            "write the path that names an extension or program: \"/auth.dll\"",
        )),
    }
}
