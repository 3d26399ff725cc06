//! isapi-abi
