//! The result for people: a table in the terminal and a page. Both show figures of the [`Report`](super::result::Report)
//! and nothing else.

pub mod compare;
mod figure;
pub mod html;
mod plot;
pub mod table;
pub mod words;
