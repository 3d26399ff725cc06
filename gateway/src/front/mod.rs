//! Fronts: bytes to requests, responses to bytes.
