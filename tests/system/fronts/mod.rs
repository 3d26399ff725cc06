//! Real web servers before the gateway, with the files of docs/fronts.

mod cases;
mod identity;
mod sendfile;
pub mod server;
mod worker;

use server::Kind;

/// The same tests for each web server.
macro_rules! front {
    ($name:ident, $kind:expr) => {
        mod $name {
            use super::{Kind, cases};

            const KIND: Kind = $kind;

            #[test]
            fn passes_the_table() {
                cases::table(KIND);
            }

            #[test]
            fn tells_who_asks_for_what() {
                cases::variables(KIND);
            }

            #[test]
            fn carries_large_bodies_in_bounded_memory() {
                cases::large_bodies(KIND);
            }

            #[test]
            fn tells_when_a_client_has_gone() {
                cases::client_gone(KIND);
            }

            #[test]
            fn shows_that_an_answer_was_cut() {
                cases::cut(KIND);
            }

            #[test]
            fn a_cut_answer_harms_no_other() {
                cases::cut_among_others(KIND);
            }

            #[test]
            fn passes_on_that_there_is_no_room() {
                cases::overload(KIND);
            }

            #[test]
            fn serves_a_thousand_requests_at_32_at_once_over_few_connections() {
                cases::many(KIND);
            }
        }
    };
}

front!(nginx, Kind::Nginx);
front!(apache2, Kind::Apache);
front!(lighttpd, Kind::Lighttpd);
front!(haproxy, Kind::Haproxy);
front!(caddy, Kind::Caddy);
