//! Child requests (`ISAPI.md` §4.2, codes 1025 and 1026): what a worker asks the gateway to run in the middle of an
//! answer, and what it is told when that is over.

use std::str;

use crate::body::fixed;
use crate::{Params, ProtocolError, RecordType, encode_pair};

const URL: &str = "url";
const METHOD: &str = "method";
const HEADERS: &str = "headers";
const USER: &str = "user";
const AUTH_TYPE: &str = "auth-type";
const FLAGS: &str = "flags";
const LENGTH: &str = "length";

/// A child request, the content of EXEC_PARAMS. What is absent is as in the request that asks.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ChildRequest {
    /// Path and query.
    pub url: Option<Vec<u8>>,
    /// The method.
    pub method: Option<Vec<u8>>,
    /// All headers, as lines `Name: value`.
    pub headers: Option<Vec<u8>>,
    /// The user's name.
    pub user: Option<Vec<u8>>,
    /// How the user was authenticated.
    pub auth_type: Option<Vec<u8>>,
    /// `dwExecUrlFlags`.
    pub flags: u32,
    /// Length of the entity that follows as EXEC_STDIN, in bytes; `None`: not known.
    pub length: Option<u64>,
}

impl ChildRequest {
    /// The child shall send no head (`HSE_EXEC_URL_NO_HEADERS`).
    pub const NO_HEADERS: u32 = 0x02;
    /// The handler that asks shall not get the child (`HSE_EXEC_URL_IGNORE_CURRENT_INTERCEPTOR`).
    pub const IGNORE_CURRENT_INTERCEPTOR: u32 = 0x04;
    /// The child has neither conditions nor ranges (`HSE_EXEC_URL_IGNORE_VALIDATION_AND_RANGE`).
    pub const IGNORE_VALIDATION_AND_RANGE: u32 = 0x10;
    /// The child's errors have no pages of the configuration (`HSE_EXEC_URL_DISABLE_CUSTOM_ERROR`).
    pub const DISABLE_CUSTOM_ERROR: u32 = 0x20;

    /// Whether this flag is set.
    #[must_use]
    pub fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// Reads the pairs of EXEC_PARAMS; unknown names mean nothing.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::BadExec`] for a number that is none.
    pub fn parse(params: &Params) -> Result<Self, ProtocolError> {
        let text = |name: &str| params.get(name.as_bytes()).map(<[u8]>::to_vec);
        Ok(Self {
            url: text(URL),
            method: text(METHOD),
            headers: text(HEADERS),
            user: text(USER),
            auth_type: text(AUTH_TYPE),
            flags: number(params, FLAGS)?.unwrap_or(0),
            length: number(params, LENGTH)?,
        })
    }

    /// The bytes of EXEC_PARAMS, to be sent as a stream.
    ///
    /// # Panics
    ///
    /// As [`encode_pair`].
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, value) in [
            (URL, &self.url),
            (METHOD, &self.method),
            (HEADERS, &self.headers),
            (USER, &self.user),
            (AUTH_TYPE, &self.auth_type),
        ] {
            if let Some(value) = value {
                encode_pair(&mut bytes, name.as_bytes(), value);
            }
        }
        encode_pair(
            &mut bytes,
            FLAGS.as_bytes(),
            self.flags.to_string().as_bytes(),
        );
        if let Some(length) = self.length {
            encode_pair(&mut bytes, LENGTH.as_bytes(), length.to_string().as_bytes());
        }
        bytes
    }
}

/// How a child request ended: the content of EXEC_STATUS, and of `HSE_EXEC_URL_STATUS`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ExecStatus {
    /// The HTTP status of its answer; 0: there was none, and nothing of the child is in the answer.
    pub status: u16,
    /// The sub-status, 0 if there is none.
    pub sub_status: u16,
    /// The Win32 error, 0 if there was none.
    pub error: u32,
}

impl ExecStatus {
    /// Reads a record's content.
    ///
    /// # Errors
    ///
    /// [`ProtocolError::BadLength`] unless it has 8 bytes.
    pub fn parse(content: &[u8]) -> Result<Self, ProtocolError> {
        let [s1, s0, u1, u0, e3, e2, e1, e0] = fixed(RecordType::ExecStatus, content)?;
        Ok(Self {
            status: u16::from_be_bytes([s1, s0]),
            sub_status: u16::from_be_bytes([u1, u0]),
            error: u32::from_be_bytes([e3, e2, e1, e0]),
        })
    }

    pub(crate) fn to_bytes(self) -> [u8; 8] {
        let [s1, s0] = self.status.to_be_bytes();
        let [u1, u0] = self.sub_status.to_be_bytes();
        let [e3, e2, e1, e0] = self.error.to_be_bytes();
        [s1, s0, u1, u0, e3, e2, e1, e0]
    }
}

fn number<T: str::FromStr>(
    params: &Params,
    name: &'static str,
) -> Result<Option<T>, ProtocolError> {
    let Some(value) = params.get(name.as_bytes()) else {
        return Ok(None);
    };
    let number = str::from_utf8(value)
        .ok()
        .and_then(|text| text.parse().ok());
    number.map(Some).ok_or(ProtocolError::BadExec(name))
}
