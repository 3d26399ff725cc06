//! What is called, by its name: for the trace and for the calls in a crash report. Pure, and without allocation.

use std::fmt;

use isapi_abi::{error, requests};

/// A callback, or the extension's answer to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// GetServerVariable.
    GetServerVariable,
    /// WriteClient.
    WriteClient,
    /// ReadClient.
    ReadClient,
    /// ServerSupportFunction with this code.
    ServerSupportFunction(u32),
    /// The extension's completion function, called with this error or 0.
    Completion(u32),
}

impl Call {
    /// The call as two numbers, for memory that holds nothing else. The first is never 0.
    pub fn to_numbers(self) -> (u32, u32) {
        match self {
            Self::GetServerVariable => (1, 0),
            Self::WriteClient => (2, 0),
            Self::ReadClient => (3, 0),
            Self::ServerSupportFunction(code) => (4, code),
            Self::Completion(error) => (5, error),
        }
    }

    /// The call behind two numbers; `None` for numbers that are none.
    pub fn from_numbers(kind: u32, detail: u32) -> Option<Self> {
        match kind {
            1 => Some(Self::GetServerVariable),
            2 => Some(Self::WriteClient),
            3 => Some(Self::ReadClient),
            4 => Some(Self::ServerSupportFunction(detail)),
            5 => Some(Self::Completion(detail)),
            _ => None,
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GetServerVariable => f.write_str("GetServerVariable"),
            Self::WriteClient => f.write_str("WriteClient"),
            Self::ReadClient => f.write_str("ReadClient"),
            Self::ServerSupportFunction(code) => {
                write!(f, "ServerSupportFunction {code}")?;
                requests::name(*code).map_or(Ok(()), |name| write!(f, " {name}"))
            }
            Self::Completion(_) => f.write_str("completion function"),
        }
    }
}

/// A Win32 error with its name, where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Named(pub u32);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        error::name(self.0).map_or(Ok(()), |name| write!(f, " {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_has_its_numbers_and_its_name() {
        for (call, name) in [
            (Call::GetServerVariable, "GetServerVariable"),
            (Call::WriteClient, "WriteClient"),
            (Call::ReadClient, "ReadClient"),
            (
                Call::ServerSupportFunction(1006),
                "ServerSupportFunction 1006 HSE_REQ_TRANSMIT_FILE",
            ),
            (
                Call::ServerSupportFunction(4711),
                "ServerSupportFunction 4711",
            ),
            (Call::Completion(64), "completion function"),
        ] {
            let (kind, detail) = call.to_numbers();
            assert_ne!(kind, 0);
            assert_eq!(Call::from_numbers(kind, detail), Some(call));
            assert_eq!(call.to_string(), name);
        }
        assert_eq!(Call::from_numbers(0, 0), None);
        assert_eq!(Named(87).to_string(), "87 ERROR_INVALID_PARAMETER");
        assert_eq!(Named(4711).to_string(), "4711");
    }
}
