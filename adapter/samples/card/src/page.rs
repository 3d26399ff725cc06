//! From the query to the page.

use crate::luhn::CardNumber;

const STYLE: &str = ":root{color-scheme:light dark}\
    body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}\
    footer{margin-top:2rem;opacity:.7}";

const FORM: &str = "<form><p><label>Card number <input name=\"ID\" inputmode=\"numeric\"></label> <button>Check</button></form>";

/// The page that answers `query`, which is as it came in the URL.
pub fn render(query: &[u8], process: u32, thread: &str) -> String {
    let answer = match field(query, b"ID") {
        Some(id) => format!("<p>{}\n{FORM}", verdict(&id)),
        None => FORM.to_owned(),
    };
    format!(
        "<!DOCTYPE html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>Card check</title><style>{STYLE}</style><h1>Card check</h1>\n{answer}\n\
         <footer>Answered by process {process}, thread {thread}. <a href=\"/\">Start page</a></footer></html>\n"
    )
}

/// A sentence about what was entered.
fn verdict(id: &[u8]) -> String {
    let shown = escape(&String::from_utf8_lossy(id));
    let Some(number) = CardNumber::parse(id) else {
        return format!("<code>{shown}</code> is not a card number: it takes 12 to 19 digits.");
    };
    let brand = number.brand().unwrap_or("unknown brand");
    let validity = if number.is_valid() {
        "valid"
    } else {
        "invalid"
    };
    format!("<code>{shown}</code> ({brand}) is <strong>{validity}</strong>.")
}

/// The decoded value of the first field of that name.
fn field(query: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    query.split(|&byte| byte == b'&').find_map(|pair| {
        let value = pair.strip_prefix(name)?.strip_prefix(b"=")?;
        Some(decode(value))
    })
}

/// Undoes the escapes of a form field; those that are none stay as they are.
fn decode(mut text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    while let Some((&first, rest)) = text.split_first() {
        text = rest;
        decoded.push(match (first, rest) {
            (b'+', _) => b' ',
            (b'%', [high, low, behind @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => {
                    text = behind;
                    high * 16 + low
                }
                _ => first,
            },
            _ => first,
        });
    }
    decoded
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_valid_from_invalid() {
        let page = render(b"x=1&ID=4111+1111%201111-1111", 7, "8");
        assert!(page.contains("(Visa) is <strong>valid</strong>"), "{page}");
        assert!(page.contains("process 7, thread 8"), "{page}");
        assert!(render(b"ID=4111111111111112", 7, "8").contains("<strong>invalid</strong>"));
        assert!(render(b"ID=12", 7, "8").contains("is not a card number"));
    }

    #[test]
    fn shows_only_the_form_without_a_number() {
        for query in [&b""[..], b"id=4111111111111111", b"IDX=1", b"ID"] {
            let page = render(query, 7, "8");
            assert!(
                page.contains("<form>") && !page.contains("<code>"),
                "{page}"
            );
        }
    }

    #[test]
    fn what_was_entered_cannot_become_html() {
        let page = render(b"ID=%3Cscript%3E%22%27%26", 7, "8");
        assert!(page.contains("&lt;script&gt;&quot;&#39;&amp;"), "{page}");
    }

    #[test]
    fn broken_escapes_stay() {
        assert_eq!(decode(b"%4"), b"%4");
        assert_eq!(decode(b"%zz%41%"), b"%zzA%");
    }
}
