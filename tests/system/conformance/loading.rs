//! §1.1–§1.6 and §7: loading, dying and ending, each with an extension of its own.

use super::alone::{DECORATED, UNDERSCORED};
use super::rule::{Alone, Rule, Scope, Then, rule};

pub fn rules() -> Vec<Rule> {
    let mut rules = entry_points();
    rules.extend(versions());
    rules.extend(failures());
    rules.extend(ends());
    rules.extend(crashes());
    rules.extend(limits());
    rules
}

/// A request to an extension that is compiled with these options.
fn alone(
    name: &'static str,
    sentence: &'static str,
    options: &'static [&'static str],
    query: &'static str,
    status: u16,
) -> Rule {
    let mut rule = rule(name, sentence);
    rule.alone = Some(Alone {
        options,
        pool: "",
        asks: vec![(query, status)],
        log: Vec::new(),
        terminates: false,
        then: Then::Stays,
    });
    rule
}

fn entry_points() -> Vec<Rule> {
    let without = |name, sentence, option| {
        alone(name, sentence, &[], "crash", 502)
            .file(Then::Becomes(option))
            .then("", 500)
    };
    vec![
        without(
            "1.1/no-proc",
            "Without HttpExtensionProc: 500; the gateway does not begin with such a file",
            &["-DWITHOUT_PROC"],
        )
        .logs(&["does not export HttpExtensionProc"]),
        without(
            "1.1/no-version",
            "Without GetExtensionVersion: 500; the gateway does not begin with such a file",
            &["-DWITHOUT_VERSION"],
        )
        .logs(&["does not export GetExtensionVersion"]),
        alone(
            "1.1/no-termination",
            "TerminateExtension need not be there",
            &["-DWITHOUT_TERMINATION"],
            "",
            200,
        ),
        alone(
            "1.1/decorated",
            "Names with \"@4\" will do on x86",
            &[DECORATED],
            "",
            200,
        )
        .only(Scope::X86)
        .iis_unknown()
        .apache("not found"),
        alone(
            "1.1/underscored",
            "Names with \"_\" and \"@4\" will do on x86",
            &[UNDERSCORED],
            "",
            200,
        )
        .only(Scope::X86)
        .iis_unknown()
        .apache("not found"),
    ]
}

fn versions() -> Vec<Rule> {
    let version = |name, option| {
        alone(name, "Any dwExtensionVersion is taken", option, "", 200).section("1.2")
    };
    vec![
        version("1.2/version-0", &["-DVERSION=0"]),
        version("1.2/version-2", &["-DVERSION=0x20000"]),
        version("1.2/version-max", &["-DVERSION=0xFFFFFFFF"]),
        alone(
            "1.2/long-description",
            "A description without NUL is taken",
            &["-DLONG_DESCRIPTION"],
            "",
            200,
        )
        .iis_unknown()
        .apache_unknown(),
        alone(
            "1.3/any-true",
            "Anything but FALSE is TRUE",
            &["-DLOADS=2"],
            "",
            200,
        ),
        alone(
            "1.3/false",
            "GetExtensionVersion FALSE: 500, and the last error in the log",
            &["-DLOADS=FALSE"],
            "",
            500,
        )
        .logs(&["returned FALSE", "4711"]),
        alone(
            "1.3/slow",
            "Requests wait for GetExtensionVersion",
            &["-DVERSION_DOES=Sleep(700)"],
            "",
            200,
        ),
        alone(
            "1.3/late",
            "GetExtensionVersion that takes longer than startup_timeout: 500",
            &["-DVERSION_DOES=hang()"],
            "",
            500,
        )
        .pool("startup_timeout = \"1s\"")
        .logs(&["it had not loaded the extension in time"])
        .iis("503")
        .apache("hangs"),
    ]
}

fn failures() -> Vec<Rule> {
    let attach = |name, reason| {
        alone(
            name,
            "DllMain FALSE: 500, and the reason in the log",
            &["-DATTACHES=FALSE"],
            "",
            500,
        )
        .logs(reason)
    };
    let library = |name, reason| {
        alone(
            name,
            "A missing library: 500, and the loader's reason in the log",
            &["-DNEEDS_LIBRARY"],
            "",
            500,
        )
        .logs(reason)
        .iis("IIS 7: 404")
    };
    vec![
        attach("1.6/attach", &["DllMain", "FALSE"]).only(Scope::Native),
        attach("1.6/attach-dll", &["1114"]).only(Scope::Windows),
        library("1.6/library", &["needed.so"]).only(Scope::Native),
        library("1.6/library-dll", &["126"]).only(Scope::Windows),
        alone("1.6/file", "A missing file: 404", &[], "crash", 502)
            .file(Then::Vanishes)
            .then("", 404)
            .logs(&["does not exist"]),
    ]
}

fn ends() -> Vec<Rule> {
    vec![
        alone(
            "1.5/once",
            "TerminateExtension is called once, with MUST_UNLOAD, when no request is open",
            &[],
            "",
            200,
        )
        .terminates()
        .apache("with 1"),
        alone(
            "1.5/false",
            "What TerminateExtension returns does not matter then",
            &["-DTERMINATES=FALSE"],
            "",
            200,
        )
        .terminates(),
        alone(
            "1.5/unused",
            "It is called also when there was no request",
            &[],
            "",
            200,
        )
        .asks_nothing()
        .terminates()
        .iis("not loaded then")
        .apache("not loaded then"),
        alone(
            "1.5/hangs",
            "TerminateExtension that takes longer than shutdown_timeout: the worker is killed",
            &["-DTERMINATION_DOES=hang()"],
            "",
            200,
        )
        .pool("shutdown_timeout = \"10s\"")
        .terminates()
        .logs(&["was killed", "it had not finished in time"])
        .apache("hangs"),
        alone(
            "1.5/crashes",
            "A crash in TerminateExtension is reported",
            &["-DTERMINATION_DOES=crash()"],
            "",
            200,
        )
        .terminates()
        .logs(&["crash: "])
        .apache("ends Apache's process"),
        alone(
            "1.5/not-after-crash",
            "It is not called when the worker has crashed; the next one's is",
            &[],
            "crash",
            502,
        )
        .then("", 200)
        .terminates()
        .apache("ends Apache's process"),
    ]
}

fn crashes() -> Vec<Rule> {
    let crash = |name, sentence, query| {
        alone(name, sentence, &[], query, 502)
            .section("1.4")
            .then("", 200)
            .iis("no answer")
            .apache("ends Apache's process")
    };
    vec![
        crash("1.4/crash", "A crash in HttpExtensionProc: 502, the report names the request, and the next request is served", "crash").logs(&["crash: ", "GET /1.4-crash"]),
        crash("1.4/overflow", "A stack overflow: the same", "overflow").logs(&["crash: ", "GET /1.4-overflow"]),
        crash("1.4/exit", "exit() in HttpExtensionProc: 502, and the next request is served", "exit").logs(&["exited with status 3"]),
        crash("4.3/data", "Data where a completion function belongs: a crash whose report names the request", "data")
            .section("4.3")
            .logs(&["crash: ", "GET /4.3-data"]),
        alone("1.3/crash", "A crash in GetExtensionVersion: 500", &["-DVERSION_DOES=crash()"], "", 500)
            .logs(&["while it loaded the extension"])
            .iis("503")
            .apache("ends Apache's process"),
    ]
}

fn limits() -> Vec<Rule> {
    let unhealthy = alone(
        "4.2/1032",
        "1032, with or without a reason: TRUE, and the operator is told",
        &[],
        "unhealthy",
        200,
    )
    .logs(&["unhealthy", "it leaks"])
    .of("1032")
    .apache("87");
    let limit = |name, sentence, query| {
        alone(name, sentence, &[], query, 502)
            .section("7.5")
            .pool("request_timeout = \"10s\"")
            .then("", 200)
            .logs(&["ran longer than 10s"])
            .iis("waits for ever")
            .apache("waits for ever")
    };
    vec![
        unhealthy,
        limit(
            "7.5/hang",
            "HttpExtensionProc that takes longer than request_timeout: 502, and the next request is served",
            "hang",
        ),
        limit(
            "7.5/pending",
            "HSE_STATUS_PENDING and never DONE_WITH_SESSION: the same",
            "pending",
        ),
    ]
}

impl Rule {
    fn change(mut self, change: impl FnOnce(&mut Alone)) -> Self {
        if let Some(alone) = &mut self.alone {
            change(alone);
        }
        self
    }

    /// A line of its pool's section.
    fn pool(self, line: &'static str) -> Self {
        self.change(|alone| alone.pool = line)
    }

    /// Then this request is answered with that status.
    fn then(self, query: &'static str, status: u16) -> Self {
        self.change(|alone| alone.asks.push((query, status)))
    }

    fn asks_nothing(self) -> Self {
        self.change(|alone| alone.asks.clear())
    }

    /// These words stand in a line of the log.
    fn logs(self, words: &'static [&'static str]) -> Self {
        self.change(|alone| alone.log.push(words))
    }

    fn terminates(self) -> Self {
        self.change(|alone| alone.terminates = true)
    }

    /// What becomes of the file when the extension is loaded.
    fn file(self, then: Then) -> Self {
        self.change(|alone| alone.then = then)
    }
}
