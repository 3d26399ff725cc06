//! isapi-adapter
