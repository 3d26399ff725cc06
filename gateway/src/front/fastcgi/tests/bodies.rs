//! The bodies of requests.

use super::*;

#[tokio::test]
async fn bodies_have_the_length_that_they_declare() {
    let mut client = Client::new(&[ECHO]);
    // None declared: a chunked upload; longer: cut to what was declared.
    for (length, parts, expected) in [
        ("", &["ab", "c"][..], ":abc\n"),
        ("", &[], "0:\n"),
        ("3", &["ab", "cde"], "3:abc\n"),
        ("0", &["ab"], "0:\n"),
    ] {
        let id = client.begin("/echo", length).await;
        for part in parts {
            client.stdin(id, part.as_bytes()).await;
        }
        client.stdin(id, b"").await;
        let answer = client.whole(id).await;
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(
            body.trim_start_matches('0'),
            expected.trim_start_matches('0'),
            "{length} {parts:?}"
        );
    }
}

#[tokio::test]
async fn a_body_that_ends_early_is_never_taken_for_a_whole_one() {
    let mut client = Client::new(&[ECHO]);
    let id = client.begin("/echo", "4").await;
    client.stdin(id, b"abc").await;
    client.stdin(id, b"").await;
    let answer = client.whole(id).await;
    assert!(answer.starts_with("Status: 400 "), "{answer}");
}
