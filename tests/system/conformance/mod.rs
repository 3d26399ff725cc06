//! Every rule of ISAPI in one table: the conformance extension (`tests/conformance`) runs each of them through one gateway.
//!
//! A file here is a section of the contract and goes with a file of C. The table runs in three columns: native, and as
//! DLL for x86-64 and x86 under Wine.

mod alone;
mod asynchronous;
mod behind;
mod block;
mod catalogue;
mod document;
mod entry;
mod exec;
mod file;
mod get_server_variable;
mod header;
mod loading;
mod map;
mod raw;
mod read_client;
mod receive;
mod rule;
mod run;
mod server;
mod stage;
mod status;
mod support;
mod threads;
mod variables;
mod vector;
mod write_client;

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::OnceLock;

use system_tests::{Lines, Machine};

use crate::fronts::server::Kind;
use crate::samples::Column;
use crate::worker::Way;
use rule::Rule;
use run::{Outcome, run};
pub use stage::Native;
use stage::{Server, Stage};

/// The columns of the support table.
const COLUMNS: [Column; 3] = [
    Column::Native,
    Column::Windows(Machine::X86_64),
    Column::Windows(Machine::I686),
];

#[test]
fn native() {
    keeps_all(0);
}

#[test]
fn wine_64() {
    keeps_all(1);
}

#[test]
fn wine_32() {
    keeps_all(2);
}

#[test]
fn behind_nginx() {
    behind::keeps_all(Kind::Nginx, Stage::behind(Kind::Nginx));
}

#[test]
fn behind_apache() {
    behind::keeps_all(Kind::Apache, Stage::behind(Kind::Apache));
}

#[test]
fn behind_lighttpd() {
    behind::keeps_all(Kind::Lighttpd, Stage::behind(Kind::Lighttpd));
}

#[test]
fn behind_haproxy() {
    behind::keeps_all(Kind::Haproxy, Stage::behind(Kind::Haproxy));
}

#[test]
fn behind_caddy() {
    behind::keeps_all(Kind::Caddy, Stage::behind(Kind::Caddy));
}

#[test]
fn alone_behind_nginx() {
    alone_behind_nginx_by(Way::Listening);
}

#[test]
fn alone_behind_nginx_under_spawn_fcgi() {
    alone_behind_nginx_by(Way::Spawned);
}

#[test]
fn alone_behind_nginx_under_wine_64() {
    alone_behind_nginx_by(Way::UnderWine(Machine::X86_64));
}

#[test]
fn alone_behind_nginx_under_wine_32() {
    alone_behind_nginx_by(Way::UnderWine(Machine::I686));
}

fn alone_behind_nginx_by(way: Way) {
    behind::keeps_all(Kind::Nginx, Stage::alone_behind(Kind::Nginx, way));
}

#[test]
fn the_support_table_is_current() {
    document::check(&rules(), &[outcomes(0), outcomes(1), outcomes(2)]);
}

/// A function that no rule calls shows nothing.
#[test]
fn every_function_is_used() {
    let rules = rules();
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance");
    let mut functions = 0;
    for entry in std::fs::read_dir(sources).unwrap() {
        // A folder has no text.
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap_or_default();
        let entries = text.lines().filter_map(|line| line.strip_prefix("    {\""));
        for name in entries.filter_map(|line| line.split('"').next()) {
            functions += 1;
            assert!(rules.iter().any(|rule| rule.function == name), "{name}");
        }
    }
    assert!(functions > 100, "{functions}");
}

/// Every code and flag is shown by some rule, and no rule shows another.
#[test]
fn every_code_and_flag_is_shown() {
    let rules = rules();
    let shown: BTreeSet<&str> = rules.iter().filter_map(|rule| rule.part).collect();
    let known = [catalogue::CODES, catalogue::FLAGS].concat();
    let known: BTreeSet<&str> = known.iter().map(|part| part.key).collect();
    assert_eq!(shown, known);
}

/// All rules, in the order of the contract.
fn rules() -> Vec<Rule> {
    [
        entry::rules(),
        loading::rules(),
        block::rules(),
        get_server_variable::rules(),
        write_client::rules(),
        read_client::rules(),
        support::rules(),
        map::rules(),
        server::rules(),
        asynchronous::rules(),
        receive::rules(),
        file::rules(),
        vector::rules(),
        exec::rules(),
        variables::rules(),
        status::rules(),
        raw::rules(),
        header::rules(),
        threads::rules(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// What became of each rule in a column, which runs once however many tests ask.
fn outcomes(column: usize) -> &'static [Outcome] {
    static OUTCOMES: [OnceLock<Vec<Outcome>>; 3] = [const { OnceLock::new() }; 3];
    OUTCOMES[column].get_or_init(|| {
        let rules = rules();
        let lonely: Vec<&Rule> = rules.iter().filter(|rule| rule.alone.is_some()).collect();
        let mut alone = alone::run(&lonely, COLUMNS[column]).into_iter();
        let stage = Stage::new(COLUMNS[column]);
        let outcome = |rule: &Rule| match rule.alone {
            Some(_) => alone.next().expect("one for each"),
            None => run(rule, &stage),
        };
        let outcomes = rules.iter().map(outcome).collect();
        stage.stop();
        outcomes
    })
}

/// Fails with a list of all rules that are not kept.
fn keeps_all(column: usize) {
    let broken = broken(&rules(), outcomes(column));
    assert!(broken.is_empty(), "{broken}");
}

/// Runs the rules that need no extension of their own, natively like this. Returns a list of those that are not kept, and
/// the gateway's log.
pub fn broken_natively(native: &Native) -> (String, Lines) {
    let stage = Stage::native(native);
    let mut rules = rules();
    rules.retain(|rule| rule.alone.is_none());
    let outcomes: Vec<Outcome> = rules.iter().map(|rule| run(rule, &stage)).collect();
    let Server::Gateway(gateway) = &stage.server else {
        unreachable!("no worker alone");
    };
    let log = gateway.log().clone();
    stage.stop();
    (broken(&rules, &outcomes), log)
}

/// A list of the rules that are not kept; empty if there are none.
fn broken(rules: &[Rule], outcomes: &[Outcome]) -> String {
    let broken: Vec<String> = rules
        .iter()
        .zip(outcomes)
        .filter_map(|(rule, outcome)| match outcome {
            Outcome::Broken(reason) => Some(format!(
                "§{} {} ({}):\n    {reason}",
                rule.section, rule.sentence, rule.function
            )),
            Outcome::Kept | Outcome::Deviates(_) | Outcome::NotHere => None,
        })
        .collect();
    if broken.is_empty() {
        return String::new();
    }
    let (count, all) = (broken.len(), rules.len());
    format!(
        "{count} of {all} rules are not kept:\n{}",
        broken.join("\n")
    )
}
