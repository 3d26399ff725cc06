//! The way of a request through the middle: site, handler, backend, error table.
