//! The grammar of single values. Pure; each function says what is wrong and how to write it right.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use http::Method;
use jiff::civil::Time;
use toml::de::DeValue;

use super::diagnostic::Wrong;
use super::{HandlerPath, SendUrl};
use crate::site::{host, path};

/// Longest time-out, 30 days as in IIS: more would be a mistake.
pub const LONGEST: Duration = Duration::from_secs(30 * 24 * 3600);

/// A string.
///
/// # Errors
/// Any other type.
pub fn string(value: &DeValue) -> Result<String, Wrong> {
    let text = value
        .as_str()
        .ok_or_else(|| wrong_type("a string", value))?;
    if text.contains('\0') {
        return Err(Wrong::new("the string contains a NUL"));
    }
    Ok(text.to_owned())
}

/// A string that is not empty.
///
/// # Errors
/// Any other type, and the empty string.
pub fn text(value: &DeValue) -> Result<String, Wrong> {
    match string(value)? {
        text if text.is_empty() => Err(Wrong::new("the string is empty")),
        text => Ok(text),
    }
}

/// `true` or `false`.
///
/// # Errors
/// Any other type.
pub fn boolean(value: &DeValue) -> Result<bool, Wrong> {
    value
        .as_bool()
        .ok_or_else(|| wrong_type("`true` or `false`", value))
}

/// A whole number in a range.
///
/// # Errors
/// Any other type, and numbers outside.
pub fn integer(value: &DeValue, range: &RangeInclusive<usize>) -> Result<usize, Wrong> {
    let expected = || format!("a whole number from {} to {}", range.start(), range.end());
    let integer = value
        .as_integer()
        .ok_or_else(|| wrong_type(&expected(), value))?;
    usize::from_str_radix(integer.as_str(), integer.radix())
        .ok()
        .filter(|number| range.contains(number))
        .ok_or_else(|| Wrong::new(format!("{integer} is not {}", expected())))
}

/// A span of time: a number of seconds, `"1h 30m"`, or IIS's `"00:15:00"` and `"1.05:00:00"`.
///
/// # Errors
/// Any other form, and what is outside the range.
pub fn duration(value: &DeValue, range: &RangeInclusive<Duration>) -> Result<Duration, Wrong> {
    let forms = r#"write a number of seconds, or a string like "90s", "15m", "1h 30m", "500ms" or "00:15:00""#;
    let (shown, parsed) = match value {
        DeValue::Integer(number) => {
            let seconds = u64::from_str_radix(number.as_str(), number.radix());
            (number.to_string(), seconds.ok().map(Duration::from_secs))
        }
        DeValue::Float(number) => {
            let seconds = number.as_str().parse().ok();
            let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
            (number.to_string(), duration)
        }
        DeValue::String(text) => {
            let duration = clock(text).or_else(|| humantime::parse_duration(text).ok());
            (format!("\"{text}\""), duration)
        }
        other => return Err(wrong_type("a duration", other)),
    };
    let Some(duration) = parsed else {
        return Err(Wrong::with_remedy(
            format!("{shown} is not a duration"),
            forms,
        ));
    };
    if range.contains(&duration) {
        return Ok(duration);
    }
    let [least, most] = [range.start(), range.end()].map(|end| humantime::format_duration(*end));
    Err(Wrong::new(format!(
        "{shown} is not between {least} and {most}"
    )))
}

/// A number of bytes: an integer, or a string with a unit such as `"512MiB"`.
///
/// # Errors
/// Any other form, and more than 64 bits hold.
pub fn bytes(value: &DeValue) -> Result<u64, Wrong> {
    let wrong = |shown: String| {
        Wrong::with_remedy(
            format!("{shown} is not a number of bytes"),
            r#"write a whole number, or a string like "64KiB", "512MiB" or "2GiB""#,
        )
    };
    match value {
        DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix())
            .map_err(|_| wrong(number.to_string())),
        DeValue::String(text) => size(text).ok_or_else(|| wrong(format!("\"{text}\""))),
        other => Err(wrong_type("a number of bytes", other)),
    }
}

/// A number of bytes in a range.
///
/// # Errors
/// As for [`bytes()`], and numbers outside.
pub fn bytes_within<T: TryFrom<u64>>(
    value: &DeValue,
    range: &RangeInclusive<u64>,
) -> Result<T, Wrong> {
    let bytes = bytes(value)?;
    let fitting = Some(bytes).filter(|bytes| range.contains(bytes));
    fitting
        .and_then(|bytes| T::try_from(bytes).ok())
        .ok_or_else(|| {
            let [least, most] = [range.start(), range.end()].map(|end| in_units(*end));
            Wrong::new(format!("{bytes} bytes is not between {least} and {most}"))
        })
}

/// With the largest unit that leaves no remainder.
fn in_units(bytes: u64) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    let mut fitting = units
        .iter()
        .filter(|(power, _)| bytes > 0 && bytes.is_multiple_of(1 << power));
    fitting.next().map_or_else(
        || bytes.to_string(),
        |(power, unit)| format!("{}{unit}", bytes >> power),
    )
}

/// Digits and a binary unit.
fn size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|char: char| !char.is_ascii_digit());
    let unit: u64 = match text[digits.len()..].trim_start() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number(digits)?.checked_mul(unit)
}

/// A time of day, hours and minutes.
///
/// # Errors
/// Any other form.
pub fn time_of_day(value: &DeValue) -> Result<Time, Wrong> {
    let text = string(value)?;
    let time = || {
        let (hours, minutes) = text.split_once(':')?;
        let part = |digits: &str| (digits.len() == 2).then(|| digits.parse().ok()).flatten();
        Time::new(part(hours)?, part(minutes)?, 0, 0).ok()
    };
    time().ok_or_else(|| {
        Wrong::with_remedy(
            format!("\"{text}\" is not a time of day"),
            r#"write hours and minutes: "03:30""#,
        )
    })
}

/// IIS's `[days.]hours:minutes:seconds`.
fn clock(text: &str) -> Option<Duration> {
    let (days, rest) = text.split_once('.').unwrap_or(("0", text));
    let parts: Vec<u64> = rest.split(':').map(number).collect::<Option<_>>()?;
    let &[hours, minutes @ 0..60, seconds @ 0..60] = parts.as_slice() else {
        return None;
    };
    let hours = number(days)?.checked_mul(24)?.checked_add(hours)?;
    let seconds = hours
        .checked_mul(3600)?
        .checked_add(minutes * 60 + seconds)?;
    Some(Duration::from_secs(seconds))
}

/// Digits alone: `parse` would take a sign too.
fn number(digits: &str) -> Option<u64> {
    let only_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    only_digits.then(|| digits.parse().ok()).flatten()
}

/// An address to listen on.
///
/// # Errors
/// Anything but IP address and port.
pub fn listener(value: &DeValue) -> Result<SocketAddr, Wrong> {
    let text = string(value)?;
    text.parse().map_err(|_| {
        Wrong::with_remedy(
            format!("\"{text}\" is not an IP address with a port"),
            r#"write "127.0.0.1:8080", or "0.0.0.0:8080" or "[::]:8080" for every interface; port 0 picks a free one"#,
        )
    })
}

/// A host name of a site, or `*.` and a name; lower-cased.
///
/// # Errors
/// Anything else, also with a port.
pub fn host(value: &DeValue) -> Result<String, Wrong> {
    let text = string(value)?;
    let wrong = |remedy: &str| Wrong::with_remedy(format!("\"{text}\" is not a host name"), remedy);
    let name = text.strip_prefix("*.").unwrap_or(&text);
    if text == "*" {
        return Err(wrong("leave `hosts` out of a site that serves every host"));
    }
    match host::parse(name.as_bytes()) {
        Some(host) if host.len() >= name.trim_end_matches('.').len() => {
            let star = if name.len() < text.len() { "*." } else { "" };
            Ok(format!("{star}{}", host.to_ascii_lowercase()))
        }
        Some(_) => Err(wrong("leave the port out: a site is chosen by name alone")),
        None if !text.is_ascii() => Err(wrong("write the name in its ASCII form (xn--…)")),
        None => Err(wrong(
            r#"write "www.example.org", "*.example.org", "192.0.2.1" or "[2001:db8::1]""#,
        )),
    }
}

/// A verb.
///
/// # Errors
/// What is not an HTTP method, and what surely is not meant to be one.
pub fn verb(value: &DeValue) -> Result<Method, Wrong> {
    let text = string(value)?;
    let wrong = |remedy: String| Wrong::with_remedy(format!("\"{text}\" is not a verb"), remedy);
    if text == "*" {
        return Err(wrong(
            "leave `verbs` out of a handler that takes all".into(),
        ));
    }
    if text.bytes().any(|byte| byte.is_ascii_lowercase()) {
        let upper = text.to_ascii_uppercase();
        return Err(wrong(format!("verbs are in upper case: \"{upper}\"")));
    }
    Method::from_bytes(text.as_bytes())
        .map_err(|_| wrong(r#"write a list of methods: ["GET", "POST"]"#.into()))
}

/// A file name without folders.
///
/// # Errors
/// What could not be one.
pub fn file_name(value: &DeValue) -> Result<String, Wrong> {
    let name = text(value)?;
    if name.contains('/') || name == "." || name == ".." {
        return Err(Wrong::with_remedy(
            format!("\"{name}\" is not a file name"),
            "write names without folders: they are looked for in the folder that the URL names",
        ));
    }
    Ok(name)
}

/// A handler's path in one of the forms of [`HandlerPath`].
///
/// # Errors
/// Every other form.
pub fn handler_path(text: &str) -> Result<HandlerPath, Wrong> {
    let wrong = |remedy: &str| {
        Wrong::with_remedy(
            format!("\"{text}\" is not a handler path"),
            remedy.to_owned(),
        )
    };
    let forms = r#"write "/folder/name.dll", "*.ext", "/folder/*" or "*""#;
    if text == "*" || text == "/*" {
        return Ok(HandlerPath::Wildcard);
    }
    if let Some(extension) = text.strip_prefix('*') {
        let fits =
            extension.len() > 1 && extension.starts_with('.') && is_url(&format!("/x{extension}"));
        return if fits && !extension.contains(['/', '*', ':']) {
            Ok(HandlerPath::ScriptMap(extension.to_ascii_lowercase()))
        } else {
            Err(wrong(forms))
        };
    }
    if !text.starts_with('/') {
        return Err(wrong(&match text.contains('*') {
            true => forms.to_owned(),
            false => format!("a path begins with a slash: \"/{text}\""),
        }));
    }
    let (path, is_prefix) = match text.strip_suffix("/*") {
        Some(prefix) => (prefix, true),
        None => (text, false),
    };
    if path.contains('*') {
        return Err(wrong(forms));
    }
    if path.ends_with('/') {
        return Err(wrong(
            r#"write "/folder/*" for everything below a folder, "*" for everything"#,
        ));
    }
    if !is_url(path) {
        return Err(wrong(
            "write the path as it is after percent-decoding, without `..`, `//`, `\\` and names that end in a dot or blank",
        ));
    }
    Ok(match is_prefix {
        true => HandlerPath::Prefix(path.to_owned()),
        false => HandlerPath::Exact(path.to_owned()),
    })
}

/// The path of a URL of the site, decoded.
///
/// # Errors
/// What no URL has as its path after decoding.
pub fn url_path(text: &str) -> Result<String, Wrong> {
    let is_path = text.starts_with('/') && text.len() > 1 && !text.ends_with('/') && is_url(text);
    is_path.then(|| text.to_owned()).ok_or_else(|| {
        Wrong::with_remedy(
            format!("\"{text}\" is not the path of a URL"),
            "write \"/folder/name\" as it is after percent-decoding, without `..`, `//`, `\\` and a slash at its end",
        )
    })
}

/// Whether some URL has this path after its decoding.
pub fn is_url(decoded: &str) -> bool {
    let encoded = decoded.replace('%', "%25");
    path::decode(&encoded).is_ok_and(|url| *url == *decoded.as_bytes())
}

/// What HSE_REQ_SEND_URL does.
///
/// # Errors
/// Anything but the two names.
pub fn send_url(value: &DeValue) -> Result<SendUrl, Wrong> {
    let text = string(value)?;
    [SendUrl::Redirect, SendUrl::Internal]
        .into_iter()
        .find(|choice| choice.name() == text)
        .ok_or_else(|| {
            Wrong::with_remedy(
                format!("\"{text}\" is not a choice"),
                r#"write "redirect" or "internal""#,
            )
        })
}

/// A text that goes into a variable: one line.
///
/// # Errors
/// Any other type, the empty string, and control characters.
pub fn line(value: &DeValue) -> Result<String, Wrong> {
    let text = text(value)?;
    if text.contains(char::is_control) {
        return Err(Wrong::new("the string has a control character"));
    }
    Ok(text)
}

/// The name of a pool: it appears in logs and in the worker's environment.
///
/// # Errors
/// Other characters than letters, digits, `.`, `_` and `-`, and more than 64 of them.
pub fn pool_name(name: &str) -> Result<(), Wrong> {
    if (1..=64).contains(&name.len()) && name.bytes().all(is_in_pool_name) {
        return Ok(());
    }
    Err(Wrong::with_remedy(
        format!("\"{name}\" is not a pool name"),
        "use 1 to 64 letters, digits, `.`, `_` and `-`",
    ))
}

/// The nearest pool name to a file's name.
pub fn to_pool_name(stem: &str) -> String {
    let fit = |char: char| match u8::try_from(char) {
        Ok(byte) if is_in_pool_name(byte) => char,
        _ => '_',
    };
    stem.chars().take(64).map(fit).collect()
}

fn is_in_pool_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

/// The message for a value of another type.
pub fn wrong_type(expected: &str, value: &DeValue) -> Wrong {
    let found = match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    Wrong::new(format!("this is {found}, expected {expected}"))
}
