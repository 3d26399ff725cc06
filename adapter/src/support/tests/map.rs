use isapi_abi::support::{HSE_UNICODE_URL_MAPEX_INFO, HSE_URL_MAPEX_INFO};

use super::*;

#[test]
fn urls_are_mapped_in_place() {
    let session = session(PLAIN);
    let mut text = [0_u8; 16];
    text[..6].copy_from_slice(b"/app/x");
    let mut size = 16;
    let map = |text: &mut [u8; 16], size: &mut u32| {
        run(
            &session,
            code::HSE_REQ_MAP_URL_TO_PATH,
            text.as_mut_ptr().cast(),
            size,
            null_mut(),
        )
    };
    assert_eq!(map(&mut text, &mut size), Ok(()));
    assert_eq!((&text[..11], size), (&b"/srv/app/x\0"[..], 11));

    let mut text = *b"/app/xyz\0.......";
    size = 12;
    assert_eq!(map(&mut text, &mut size), Err(ERROR_INSUFFICIENT_BUFFER));
    assert_eq!((&text, size), (b"/app/xyz\0.......", 13));
    size = 13;
    assert_eq!(map(&mut text, &mut size), Ok(()));
    assert_eq!((&text, size), (b"/srv/app/xyz\0...", 13));

    let mut text = *b"/app/../x\0......";
    assert_eq!(map(&mut text, &mut size), Err(ERROR_INVALID_PARAMETER));
}

#[test]
fn wide_urls_are_mapped_in_place() {
    let session = session(PLAIN);
    let mut text = [0_u16; 12];
    text[..3].copy_from_slice(&[0x2f, 0xfc, 0x20ac]);
    let mut size = 23;
    let map = |text: &mut [u16; 12], size: &mut u32| {
        run(
            &session,
            code::HSE_REQ_MAP_UNICODE_URL_TO_PATH,
            text.as_mut_ptr().cast(),
            size,
            null_mut(),
        )
    };
    assert_eq!(map(&mut text, &mut size), Err(ERROR_INSUFFICIENT_BUFFER));
    assert_eq!(size, 24);
    assert_eq!(map(&mut text, &mut size), Ok(()));
    assert_eq!(String::from_utf16(&text).unwrap(), "/srv/www/ü€\0");
    let mut lone = [0x2f, 0xd800, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(map(&mut lone, &mut size), Err(ERROR_INVALID_PARAMETER));
}

#[test]
fn mapping_tells_flags_and_lengths() {
    let session = session(PLAIN);
    let map = |url: &str| {
        let mut info = HSE_URL_MAPEX_INFO {
            lpszPath: [1; 260],
            dwFlags: 0,
            cchMatchingPath: 0,
            cchMatchingURL: 0,
            dwReserved1: 1,
            dwReserved2: 1,
        };
        let mut url = format!("{url}\0").into_bytes();
        let result = run(
            &session,
            code::HSE_REQ_MAP_URL_TO_PATH_EX,
            url.as_mut_ptr().cast(),
            null_mut(),
            (&raw mut info).cast(),
        );
        (result, info)
    };
    let (result, info) = map("/app/x");
    assert_eq!(result, Ok(()));
    assert!(info.lpszPath.starts_with(b"/srv/app/x\0"));
    assert_eq!(
        (info.dwFlags, info.cchMatchingPath, info.cchMatchingURL),
        (1, 8, 4)
    );
    let (_, info) = map("/other");
    assert_eq!(
        (info.dwFlags, info.cchMatchingPath, info.cchMatchingURL),
        (0x205, 8, 1)
    );
    let (result, info) = map(&format!("/{}", "x".repeat(260)));
    assert_eq!(result, Err(ERROR_INSUFFICIENT_BUFFER));
    assert_eq!(info.lpszPath[258..], [b'x', 0]);
}

#[test]
fn wide_mapping_counts_units() {
    let session = session(&[
        ("DOCUMENT_ROOT", "/srv"),
        ("ISAPI_VIRTUAL_DIRECTORIES", "/ü\t/srv/ü\t517\n"),
    ]);
    let mut info = HSE_UNICODE_URL_MAPEX_INFO {
        lpszPath: [1; 260],
        dwFlags: 0,
        cchMatchingPath: 0,
        cchMatchingURL: 0,
    };
    let mut url: Vec<u16> = "/ü/x\0".encode_utf16().collect();
    let result = run(
        &session,
        code::HSE_REQ_MAP_UNICODE_URL_TO_PATH_EX,
        url.as_mut_ptr().cast(),
        null_mut(),
        (&raw mut info).cast(),
    );
    let path: Vec<u16> = "/srv/ü/x\0".encode_utf16().collect();
    assert_eq!(result, Ok(()));
    assert!(info.lpszPath.starts_with(&path));
    assert_eq!(
        (info.dwFlags, info.cchMatchingPath, info.cchMatchingURL),
        (517, 6, 2)
    );
}
