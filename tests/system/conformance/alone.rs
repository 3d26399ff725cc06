//! Runs the rules that need an extension of their own: one gateway with a pool for each. What they say of its log is looked
//! at when it has stopped.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use system_tests::{Client, Gateway, library};
use tempfile::TempDir;

use super::rule::{Rule, Then};
use super::run::Outcome;
use crate::samples::Column;

/// The option with which `underscored.def` says what is exported.
pub const UNDERSCORED: &str = "-DEXPORTED=";
/// The option with which x86's names are exported as they are, which is what mingw does if nothing is said.
pub const DECORATED: &str = "-DEXPORTED=__declspec(dllexport)";

/// What became of these rules, in their order.
pub fn run(rules: &[&Rule], column: Column) -> Vec<Outcome> {
    let folder = TempDir::new().unwrap();
    let here = rules.iter().filter(|rule| rule.scope.holds(column));
    // Many are compiled alike.
    let mut compiled = BTreeMap::new();
    let here: Vec<_> = here
        .map(|rule| {
            let (options, name) = (rule.alone().options, name(rule));
            let first = compiled
                .entry(options)
                .or_insert_with(|| compile(options, folder.path(), &name, column));
            let ending = first.extension().unwrap().to_str().unwrap();
            let file = folder.path().join(format!("{name}.{ending}"));
            if *first != file {
                std::fs::copy(first, &file).unwrap();
            }
            (*rule, file)
        })
        .collect();
    let mut text = String::from("[server]\nwine_prefix = \"{wine}\"\n[[site]]\n");
    let mut pools = String::new();
    for (rule, file) in &here {
        let name = name(rule);
        text.push_str(&format!(
            "[[site.handler]]\npath = \"/{name}\"\npool = \"{name}\"\n"
        ));
        // Those that are asked start then: all at once they would take longer than a client waits.
        let is_asked = !rule.alone().asks.is_empty() && rule.alone().then == Then::Stays;
        let start = if is_asked {
            "start = \"on_demand\"\n"
        } else {
            ""
        };
        pools.push_str(&format!(
            "[pool.\"{name}\"]\nextension = {file:?}\nthreads = 2\nqueue_timeout = \"2m\"\n{start}{}\n",
            rule.alone().pool
        ));
    }
    let gateway = Gateway::with_config_in(folder, &(text + &pools));
    let asked: Vec<_> = here
        .iter()
        .map(|(rule, file)| ask(rule, file, &gateway, column))
        .collect();
    let log = gateway.log().clone();
    gateway.stop();
    let log = log.to_end();
    let mut asked = asked.into_iter();
    rules
        .iter()
        .map(|rule| {
            if !rule.scope.holds(column) {
                return Outcome::NotHere;
            }
            let asked = asked.next().expect("one for each rule that is tried");
            Outcome::of(rule, asked.and_then(|()| look(rule, &log)))
        })
        .collect()
}

/// `1.3/false` as the name of a pool and a file.
fn name(rule: &Rule) -> String {
    rule.function.replace('/', "-")
}

/// Compiles an extension to `FOLDER/NAME.so` or `.dll`.
fn compile(options: &[&'static str], folder: &Path, name: &str, column: Column) -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/alone");
    let machine = match column {
        Column::Native => None,
        Column::Windows(machine) => Some(machine),
    };
    let ending = if machine.is_some() { "dll" } else { "so" };
    let source = sources.join("extension.c");
    let file = folder.join(format!("{name}.{ending}"));
    let mut inputs = vec![source.clone()];
    let mut options = options.to_vec();
    if options.contains(&UNDERSCORED) {
        inputs.push(sources.join("underscored.def"));
    } else if machine.is_some() && !options.contains(&DECORATED) {
        options.push("-Wl,--kill-at");
    }
    if !options.contains(&"-DNEEDS_LIBRARY") {
        library(machine, &inputs, &options, &file);
        return file;
    }
    let needed = folder.join(format!("needed.{ending}"));
    library(machine, &[source], &["-DIS_LIBRARY"], &needed);
    inputs.push(needed.clone());
    library(machine, &inputs, &options, &file);
    std::fs::remove_file(needed).unwrap();
    file
}

/// Sends the requests of a rule and compares the answers.
fn ask(rule: &Rule, file: &Path, gateway: &Gateway, column: Column) -> Result<(), String> {
    let name = name(rule);
    let alone = rule.alone();
    if alone.then != Then::Stays {
        gateway.log().wait_for(&["worker ready", &name]);
    }
    match alone.then {
        Then::Stays => {}
        Then::Vanishes => std::fs::remove_file(file).unwrap(),
        Then::Becomes(options) => {
            let other = compile(options, gateway.folder(), "other", column);
            std::fs::rename(other, file).unwrap();
        }
    }
    for (query, status) in &alone.asks {
        let mut client = Client::connect(gateway.address());
        let target = format!("/{name}?{query}");
        client.request("GET", &target, &["Connection: close"], b"");
        let reply = client.reply("GET");
        if reply.status() != *status || (*status == 200 && reply.text() != "alive") {
            let (head, text) = (reply.head.text.escape_debug(), reply.text());
            return Err(format!("{target} is answered with {head}{text:?}"));
        }
    }
    Ok(())
}

/// Looks for what a rule says of the log among the lines that name its pool.
fn look(rule: &Rule, log: &[String]) -> Result<(), String> {
    let name = name(rule);
    let mine: Vec<&String> = log.iter().filter(|line| line.contains(&name)).collect();
    let count = |words: &[&str]| {
        let fits = |line: &&&String| words.iter().all(|word| line.contains(word));
        mine.iter().filter(fits).count()
    };
    let lines = || {
        let lines: Vec<_> = mine.iter().map(|line| line.as_str()).collect();
        lines.join("\n      ")
    };
    if let Some(words) = rule.alone().log.iter().find(|words| count(words) == 0) {
        return Err(format!("no line with {words:?} in:\n      {}", lines()));
    }
    let terminations = count(&["terminated with"]);
    let regular = count(&["terminated with 2, call 1, open requests 0"]);
    if rule.alone().terminates && (terminations, regular) != (1, 1) {
        return Err(format!(
            "{terminations} terminations in:\n      {}",
            lines()
        ));
    }
    Ok(())
}
