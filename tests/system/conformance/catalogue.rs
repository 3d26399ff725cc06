//! The codes and flags of ISAPI (§4.1, §3.2): the rows of two tables of the support document. What IIS and Apache do stands
//! here, what we do comes from the rules.

/// A code or flag.
#[derive(Clone, Copy)]
pub struct Part {
    /// How rules name it.
    pub key: &'static str,
    /// How the document does.
    pub name: &'static str,
    pub iis: &'static str,
    pub apache: &'static str,
    pub note: &'static str,
}

const fn part(
    key: &'static str,
    name: &'static str,
    iis: &'static str,
    apache: &'static str,
    note: &'static str,
) -> Part {
    Part {
        key,
        name,
        iis,
        apache,
        note,
    }
}

/// Codes with the version of IIS that brought them.
pub const CODES: &[Part] = &[
    part("1", "1 `SEND_URL_REDIRECT_RESP`", "1", "at the end", ""),
    part(
        "2",
        "2 `SEND_URL`",
        "1",
        "runs the URL",
        "302, as since IIS 5; or run by the front",
    ),
    part(
        "3",
        "3 `SEND_RESPONSE_HEADER`",
        "1",
        "yes",
        "lengths of 0 and too long ones are tolerated",
    ),
    part("4", "4 `DONE_WITH_SESSION`", "1", "FakeAsync", ""),
    part(
        "1001",
        "1001 `MAP_URL_TO_PATH`",
        "2",
        "differs",
        "virtual directories, else below the site's root; refused (87) for what names another file on Windows",
    ),
    part(
        "1002",
        "1002 `GET_SSPI_INFO`",
        "3",
        "87",
        "belongs to IIS's process",
    ),
    part("1003", "1003 `APPEND_LOG_PARAMETER`", "3", "yes", ""),
    part(
        "1007",
        "1007 `REFRESH_ISAPI_ACL`",
        "4",
        "87",
        "without effect",
    ),
    part("1008", "1008 `IS_KEEP_CONN`", "4", "yes", ""),
    part(
        "1011",
        "1011 `GET_IMPERSONATION_TOKEN`",
        "4",
        "87",
        "the worker's own token for every user; native there is none",
    ),
    part(
        "1012",
        "1012 `MAP_URL_TO_PATH_EX`",
        "4",
        "differs",
        "`/` matches one character of the URL and the root without a slash at its end",
    ),
    part(
        "1014",
        "1014 `ABORTIVE_CLOSE`",
        "4",
        "87",
        "without effect since IIS 5.1",
    ),
    part(
        "1015",
        "1015 `GET_CERT_INFO_EX`",
        "5",
        "87",
        "from `SSL_CLIENT_CERT`; no certificate: size and flags 0",
    ),
    part(
        "1016",
        "1016 `SEND_RESPONSE_HEADER_EX`",
        "4",
        "without fKeepConn",
        "",
    ),
    part("1018", "1018 `IS_CONNECTED`", "5", "yes", ""),
    part(
        "1020",
        "1020 `EXTENSION_TRIGGER`",
        "?",
        "87",
        "no public description",
    ),
    part("1023", "1023 `MAP_UNICODE_URL_TO_PATH`", "6", "87", ""),
    part("1024", "1024 `MAP_UNICODE_URL_TO_PATH_EX`", "6", "87", ""),
    part("1030", "1030 `IS_IN_PROCESS`", "6", "87", ""),
    part("1033", "1033 `NORMALIZE_URL`", "6", "87", ""),
    part(
        "1034",
        "1034 `ADD_FRAGMENT_TO_CACHE`",
        "6",
        "87",
        "IIS's own cache",
    ),
    part("1035", "1035 `READ_FRAGMENT_FROM_CACHE`", "6", "87", ""),
    part("1036", "1036 `REMOVE_FRAGMENT_FROM_CACHE`", "6", "87", ""),
    part(
        "1038",
        "1038 `GET_ANONYMOUS_TOKEN`",
        "6",
        "87",
        "belongs to IIS's metabase",
    ),
    part(
        "1040",
        "1040 `GET_CACHE_INVALIDATION_CALLBACK`",
        "6",
        "87",
        "there is no cache",
    ),
    part("1041", "1041 `GET_UNICODE_ANONYMOUS_TOKEN`", "6", "87", ""),
    part("1042", "1042 `GET_TRACE_INFO`", "6", "87", "not traced"),
    part("1044", "1044 `GET_TRACE_INFO_EX`", "7", "87", "not traced"),
    part(
        "1045",
        "1045 `RAISE_TRACE_EVENT`",
        "7",
        "87",
        "without effect",
    ),
    part(
        "1046",
        "1046 `GET_CONFIG_OBJECT`",
        "7",
        "87",
        "IIS's own interface",
    ),
    part(
        "1047",
        "1047 `GET_WORKER_PROCESS_SETTINGS`",
        "7",
        "87",
        "IIS's own interface",
    ),
    part(
        "1048",
        "1048 `GET_PROTOCOL_MANAGER_CUSTOM_INTERFACE_CALLBACK`",
        "7",
        "87",
        "IIS's own interface",
    ),
    part("1050", "1050 `GET_CHANNEL_BINDING_TOKEN`", "7.5", "87", ""),
];

/// Flags, by the call that takes them.
pub const FLAGS: &[Part] = &[
    part("SYNC", "`HSE_IO_SYNC` of WriteClient", "yes", "ignored", ""),
    part(
        "NODELAY",
        "`HSE_IO_NODELAY` of WriteClient",
        "yes",
        "ignored",
        "without effect: the front decides",
    ),
    part(
        "DISCONNECT",
        "`HSE_IO_DISCONNECT_AFTER_SEND` of WriteClient",
        "?",
        "ignored",
        "without effect",
    ),
];
