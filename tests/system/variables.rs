//! Server variables that come from what a web server knows of its client.

use system_tests::sample;

use crate::worker::{Worker, cgi_fcgi, with};

#[test]
fn tells_what_the_front_knows_of_the_client() {
    let worker = Worker::spawned(&sample("dumpvars"));
    let variables = with(&[
        ("SCRIPT_NAME", "/dumpvars.so"),
        ("QUERY_STRING", "format=text"),
        ("HTTPS", "on"),
        ("SSL_CLIENT_VERIFY", "SUCCESS"),
        (
            "SSL_CLIENT_CERT",
            "-----BEGIN%20CERTIFICATE-----%0AMAEC%0A-----END%20CERTIFICATE-----%0A",
        ),
        ("SSL_CLIENT_S_DN", "CN=ada"),
        ("SSL_CIPHER", "TLS_AES_256_GCM_SHA384"),
        ("AUTH_TYPE", "Basic"),
        ("REMOTE_USER", "Aladdin"),
        ("HTTP_AUTHORIZATION", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
        ("INSTANCE_ID", "7"),
    ]);
    let answer = cgi_fcgi(&worker, &variables, b"");
    for line in [
        "HTTPS=on",
        "CERT_FLAGS=1",
        // The beginning of SHA-256 of 30 01 02.
        "CERT_COOKIE=3cbe6470cff85dfaddea998f857fa387",
        "CERT_SUBJECT=CN=ada",
        "CERT_KEYSIZE=256",
        "AUTH_TYPE=Basic",
        "LOGON_USER=Aladdin",
        "AUTH_PASSWORD=open sesame",
        "INSTANCE_META_PATH=/LM/W3SVC/7",
    ] {
        assert!(
            answer.lines().any(|found| found == line),
            "{line} not in {answer}"
        );
    }
    worker.stop();
}
