//! The line in which a worker tells its crash, in parts. Pure: an extension may write such lines itself.

use crate::observe::crash_report::content::{Fault, Frame};

/// Of `SIGSEGV (11) writing 0x0 at x.so+0x12 in thread 52, request 0:17 GET /x`; what is not there is left out. The first
/// frame has the address of the instruction, if it is the same place.
pub fn parse(text: &str, first: Option<&Frame>) -> Fault {
    // What the client has chosen comes last, behind the thread.
    let (what, rest) = text.split_once(" in thread ").unwrap_or((text, ""));
    let thread = rest.split_once(',').map_or(rest, |(thread, _)| thread);
    let (what, place) = match what.rsplit_once(" at ") {
        Some((what, text)) if place(text).is_some() => (what, place(text)),
        _ => (what, None),
    };
    let mut place = place.unwrap_or_default();
    if let Some(first) = first
        && (&first.module, &first.offset) == (&place.module, &place.offset)
        && place != Frame::default()
    {
        place.address.clone_from(&first.address);
    }
    let accesses = ["reading", "writing", "executing"];
    let access = accesses.iter().find_map(|access| {
        let (what, address) = what.rsplit_once(&format!(" {access} "))?;
        is_hexadecimal(address).then_some((what, *access, address))
    });
    let what = access.map_or(what, |(what, ..)| what);
    let named = what
        .strip_suffix(')')
        .and_then(|what| what.rsplit_once(" ("));
    Fault {
        text: text.to_owned(),
        name: named.map_or(what, |(name, _)| name).to_owned(),
        code: named.map(|(_, code)| code.to_owned()),
        access: access.map(|(_, access, _)| access.to_owned()),
        access_address: access.map(|(.., address)| address.to_owned()),
        place,
        thread: thread.parse().ok(),
    }
}

/// Of `1: 0x7f30115c6180 x.so+0x12`, or `1: 0x7f30115c6180`.
pub fn frame(text: &str) -> Option<Frame> {
    let (number, text) = text.split_once(": ")?;
    number.parse::<usize>().ok()?;
    let (address, module) = match text.split_once(' ') {
        Some((address, module)) => (address, Some(place(module)?)),
        None => (text, None),
    };
    is_hexadecimal(address).then(|| Frame {
        address: Some(address.to_owned()),
        ..module.unwrap_or_default()
    })
}

/// Of `x.so+0x12`, or `0x7f30115c6180`.
fn place(text: &str) -> Option<Frame> {
    if is_hexadecimal(text) {
        let address = Some(text.to_owned());
        return Some(Frame {
            address,
            ..Frame::default()
        });
    }
    let (module, offset) = text.rsplit_once('+')?;
    is_hexadecimal(offset).then(|| Frame {
        address: None,
        module: Some(module.to_owned()),
        offset: Some(offset.to_owned()),
    })
}

fn is_hexadecimal(text: &str) -> bool {
    text.strip_prefix("0x").is_some_and(|digits| {
        (1..=16).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_parts_of_a_fault() {
        let first = frame("0: 0x7f01 my x.so+0x12").unwrap();
        let text = "EXCEPTION_ACCESS_VIOLATION (0xC0000005) writing 0x8 at my x.so+0x12 in thread 52, \
                    request 0:17 GET /a at b+0x1 in thread 7, (x)";
        let fault = parse(text, Some(&first));
        assert_eq!(fault.text, text);
        assert_eq!(
            (fault.name.as_str(), fault.code.as_deref(), fault.thread),
            ("EXCEPTION_ACCESS_VIOLATION", Some("0xC0000005"), Some(52))
        );
        assert_eq!(fault.access.as_deref(), Some("writing"));
        assert_eq!(fault.access_address.as_deref(), Some("0x8"));
        assert_eq!(fault.place, first);
    }

    #[test]
    fn what_is_not_there_is_left_out() {
        let fault = parse("SIGSEGV (11) at 0x10 in thread 4, no request", None);
        assert_eq!((fault.name.as_str(), fault.access), ("SIGSEGV", None));
        assert_eq!(fault.place.address.as_deref(), Some("0x10"));
        let words = "the extension has called exit";
        let fault = parse(
            &format!("{words} in thread 4, no request"),
            frame("0: 0x1 a+0x2").as_ref(),
        );
        assert_eq!((fault.name.as_str(), fault.code), (words, None));
        assert_eq!(fault.place, Frame::default());
        assert_eq!(parse("", None).name, "");
    }

    #[test]
    fn frames_are_numbered_places() {
        let alone = frame("3: 0x0").unwrap();
        assert_eq!(
            (alone.address.as_deref(), alone.module),
            (Some("0x0"), None)
        );
        for wrong in [
            "",
            "0x0",
            "x: 0x0",
            "1: a+0x2",
            "1: 0xg",
            "1: 0x1 a",
            "1: 0x1 a+2",
        ] {
            assert_eq!(frame(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_text_does_no_harm(text in "\\PC{0,200}") {
            let fault = parse(&text, frame(&text).as_ref());
            prop_assert_eq!(fault.text, text);
        }
    }
}
