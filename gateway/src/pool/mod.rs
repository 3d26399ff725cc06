//! Pools: an extension, its limits and its worker processes.

mod state;
