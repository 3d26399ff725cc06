//! `isapi-gateway bench`: every model that can run here, the same figures everywhere, and no result with errors in it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use system_tests::{
    Output, extension, gateway_command, program, run, run_within, sample, wine_prefix,
};
use tempfile::TempDir;

/// How long a run may take: studies have times of their own, and servers of Wine take long to start.
const LONGEST: Duration = Duration::from_secs(240);

fn bench(folder: &Path, arguments: &[&str]) -> Output {
    let [json, html] = ["result.json", "result.html"].map(|name| folder.join(name));
    let prefix = wine_prefix();
    let files = [
        "--json",
        json.to_str().unwrap(),
        "--html",
        html.to_str().unwrap(),
        "--wine-prefix",
        prefix.to_str().unwrap(),
    ];
    let mut command = gateway_command([&["bench"], &files[..], arguments].concat());
    run_within(&mut command, LONGEST)
}

fn report(folder: &Path) -> Value {
    let text = std::fs::read_to_string(folder.join("result.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Models and whether each can run here, as `bench --list` says.
fn models() -> Vec<(String, bool)> {
    let output = run(&mut gateway_command(["bench", "--list"]));
    assert!(output.status.success(), "{}", output.error);
    let model = |line: &str| {
        let (id, rest) = line.split_once(' ').unwrap();
        (id.to_owned(), !rest.contains("(not here: "))
    };
    output.out.lines().map(model).collect()
}

#[test]
fn every_model_that_can_run_here_is_measured() {
    let models = models();
    for id in ["cgi", "isapi-cgi", "isapi", "in-process"] {
        assert!(
            models.contains(&(id.to_owned(), true)),
            "{id} is missing: run `make build`"
        );
    }
    let folder = TempDir::new().unwrap();
    for (id, _) in models.iter().filter(|(_, present)| *present) {
        let output = bench(
            folder.path(),
            &[
                "--models",
                id,
                "--rounds",
                "1",
                "--duration",
                "50ms",
                "--connections",
                "1,4",
            ],
        );
        assert!(output.status.success(), "{id}: {}", output.error);
        let report = report(folder.path());
        let cells = report["cells"].as_array().unwrap();
        assert!(cells.iter().all(|cell| cell["model"] == id.as_str()));
        let loads: BTreeSet<&str> = cells
            .iter()
            .map(|cell| cell["load"].as_str().unwrap())
            .collect();
        let expected = match id.as_str() {
            "nginx" => 1,
            id if id.starts_with("isapi-threads-") || id.starts_with("isapi-pools-") => 1,
            "in-process" | "nginx-in-process" => 6,
            // Studies, too.
            "isapi" | "nginx-isapi" | "nginx-libfcgi" => 10,
            _ => 7,
        };
        assert_eq!(loads.len(), expected, "{id}: {loads:?}");
        for cell in cells {
            assert!(cell["refused"].is_null(), "{cell}");
            let figure = match cell["load"].as_str().unwrap() {
                "stream-1g" => "bytes_per_second",
                "stalled" => "memory_kib",
                "slow" => "alone_p99_us",
                _ => "requests_per_second",
            };
            let figure = cell["summary"][figure]["median"].as_f64();
            assert!(figure.unwrap() > 0.0, "{cell}");
        }
    }
}

#[test]
fn rounds_ratios_and_the_page_belong_together() {
    let folder = TempDir::new().unwrap();
    let arguments = "--models cgi,isapi,in-process,isapi-wine64 --baseline cgi --load hello,echo-1m,stalled --rounds 2 --duration 100ms \
                     --connections 1,4 --rates 20 --samples";
    let samples = sample("bench");
    let only_native = TempDir::new().unwrap();
    std::os::unix::fs::symlink(samples, only_native.path().join("bench.so")).unwrap();
    std::fs::create_dir(only_native.path().join("cgi")).unwrap();
    std::os::unix::fs::symlink(program("bench"), only_native.path().join("cgi/bench")).unwrap();
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    let output = bench(
        folder.path(),
        &[&arguments[..], &[only_native.path().to_str().unwrap()]].concat(),
    );
    assert!(output.status.success(), "{}", output.error);
    // What is not here is told, with the reason.
    assert!(
        output.out.contains("isapi-wine64: not measured: "),
        "{}",
        output.out
    );
    let report = report(folder.path());
    let cells = report["cells"].as_array().unwrap();
    for model in ["cgi", "isapi", "in-process"] {
        // Two numbers of connections, the other load, and the open loop where the model could do it.
        let own = cells
            .iter()
            .filter(|cell| cell["model"] == model && cell["load"] != "stalled");
        assert!((3..=4).contains(&own.clone().count()), "{model}");
        for cell in own {
            // A slow machine may take the open loop in one round only.
            let least = if cell["shape"]["open"].is_null() {
                2
            } else {
                1
            };
            let rounds = cell["rounds"].as_object().unwrap().len();
            assert!((least..=2).contains(&rounds), "{cell}");
            let rate = &cell["summary"]["requests_per_second"];
            let [min, median, max] =
                ["min", "median", "max"].map(|key| rate[key].as_f64().unwrap());
            assert!(0.0 < min && min <= median && median <= max, "{cell}");
        }
    }
    // Ratios are those of neighbours: of each round, not of the medians.
    let hello = |model: &str| {
        let is_it = |cell: &&Value| {
            cell["model"] == model
                && cell["shape"]["closed"]["connections"] == 4
                && cell["load"] == "hello"
        };
        cells.iter().find(is_it).unwrap()
    };
    let rate = |model: &str, round: &str| {
        let figures = &hello(model)["rounds"][round];
        figures["requests_per_second"].as_f64().unwrap()
    };
    let ratios = ["0", "1"].map(|round| rate("isapi", round) / rate("cgi", round));
    let ratio = &hello("isapi")["ratios"]["requests_per_second"]["median"];
    assert!(is_same(
        ratio.as_f64().unwrap(),
        f64::midpoint(ratios[0], ratios[1])
    ));
    a_page_shows_what_the_json_says(folder.path(), &report);
    no_folder_is_told(folder.path(), &output, &[folder.path(), only_native.path()]);
    // Several runs go side by side.
    let file = folder.path().join("result.json");
    let compare = ["bench", "--compare"].map(Path::new);
    let compare = || gateway_command(compare.into_iter().chain([file.as_path(); 2]));
    let output = run(&mut compare());
    assert!(output.status.success(), "{}", output.error);
    let ratios = |begin: &str, figure: &str| {
        let mut rows = output.out.lines().map(|line| {
            let cells = line.trim_matches('|').split('|').map(str::trim);
            cells.collect::<Vec<&str>>()
        });
        let row = rows.find(|row| row[0] == begin && row[1] == figure);
        row.unwrap_or_else(|| panic!("{begin}: {}", output.out))
    };
    let row = ratios("isapi", "requests/s");
    assert!(row[2].ends_with('×') && row[2] == row[3], "{row:?}");
    // Runs are held against the targets, whether they knew them or not.
    let row = ratios(
        "gateway and ISAPI worker, each client that does not read",
        "memory/stalled client",
    );
    assert!(row[2] == "≤ 300 KiB" && row[3] == row[4], "{row:?}");
    // These did not go so far.
    let row = ratios("what is left of the peak, to 256 connections", "requests/s");
    assert_eq!(row[3..5], [""; 2], "{row:?}");
    let told = report["commit"].as_str().unwrap_or("unknown");
    assert!(output.out.contains(report["started"].as_str().unwrap()));
    assert!(output.out.contains(&format!(" {told} ")), "{}", output.out);
    std::fs::write(&file, "{}").unwrap();
    let output = run(&mut compare());
    assert!(output.error.contains("is no result"), "{}", output.error);
    assert!(!output.status.success());
}

#[test]
fn what_targets_compare_is_measured_close_together() {
    let folder = TempDir::new().unwrap();
    let arguments = "--models isapi,in-process --load hello,echo-1k --rounds 1 --close-rounds 2 --duration 50ms --connections 1,32 \
                     --rates 20";
    let output = bench(
        folder.path(),
        &arguments.split_whitespace().collect::<Vec<_>>(),
    );
    assert!(output.status.success(), "{}", output.error);
    let told = "medians of 1 rounds, and 2 of what targets compare";
    assert!(output.out.contains(told), "{}", output.out);
    let report = report(folder.path());
    for cell in report["cells"].as_array().unwrap() {
        let connections = cell["shape"]["closed"]["connections"].as_u64();
        let is_compared = match (cell["model"].as_str().unwrap(), connections) {
            _ if cell["load"] != "hello" => false,
            // One connection is compared with the reference, which is not here.
            ("isapi", Some(1 | 32)) | ("in-process", Some(32)) => true,
            _ => false,
        };
        let rounds = cell["rounds"].as_object().unwrap().len();
        assert_eq!(rounds, if is_compared { 3 } else { 1 }, "{cell}");
    }
}

/// The same but for the last digit, which reading JSON may change.
fn is_same(left: f64, right: f64) -> bool {
    (left - right).abs() <= right.abs() * 1e-12
}

fn a_page_shows_what_the_json_says(folder: &Path, report: &Value) {
    let page = std::fs::read_to_string(folder.join("result.html")).unwrap();
    // It holds the whole report …
    let (_, rest) = page
        .split_once("<script type=\"application/json\" id=\"report\">")
        .unwrap();
    let (held, _) = rest.split_once("</script>").unwrap();
    assert_eq!(&serde_json::from_str::<Value>(held).unwrap(), report);
    // … nothing from elsewhere …
    for word in ["src=", "href=", "@import", "url("] {
        assert!(!page.contains(word), "{word}");
    }
    assert!(page.matches("<svg").count() >= 6);
    // … and every figure on it is one of the report.
    let mut figures = 0;
    for part in page.split("<data data-at=\"").skip(1) {
        let (place, rest) = part.split_once("\" value=\"").unwrap();
        let (value, rest) = rest.split_once("\">").unwrap();
        let (shown, _) = rest.split_once("</data>").unwrap();
        let expected = report.pointer(place).and_then(Value::as_f64);
        let expected = expected.unwrap_or_else(|| panic!("{place}"));
        assert!(
            is_same(value.parse().unwrap(), expected),
            "{place}: {value}"
        );
        let scales = [1.0, 0.01, 1e6, 1e3, 1024.0];
        let digits: String = shown
            .chars()
            .filter(|it| it.is_ascii_digit() || *it == '.')
            .collect();
        let number: f64 = digits.parse().unwrap();
        let is_rounded = |scale: &f64| {
            let exact = expected / scale;
            (number - exact).abs() <= exact.abs() * 0.006 + 0.0006 || (number - exact).abs() <= 0.5
        };
        assert!(
            scales.iter().any(is_rounded),
            "{place}: {shown} for {value}"
        );
        figures += 1;
    }
    assert!(figures > 100, "{figures}");
}

/// What names files shows their names, or their places in the working folder.
fn no_folder_is_told(folder: &Path, output: &Output, others: &[&Path]) {
    let [json, page] = ["result.json", "result.html"]
        .map(|name| std::fs::read_to_string(folder.join(name)).unwrap());
    let here = std::env::current_dir().unwrap();
    let program = gateway_command([""; 0]);
    let program = Path::new(program.get_program()).parent().unwrap();
    let servers = std::env::temp_dir().join("isapi-bench-");
    let own = [here.as_path(), program, &servers];
    let folders = own.into_iter().chain(others.iter().copied());
    for folder in folders.map(|folder| folder.to_str().unwrap()) {
        for text in [&json, &page, &output.out] {
            assert!(!text.contains(folder), "{folder}: {text}");
        }
    }
    assert!(json.contains("--json result.json --html result.html "));
}

#[test]
fn the_time_limit_ends_a_run() {
    let folder = TempDir::new().unwrap();
    let arguments = "--models isapi,isapi-threads-1 --load hello,card --rounds 99 --duration 200ms --connections 1,4 \
                     --rates 20 --limit 10s";
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    let output = bench(folder.path(), &arguments);
    assert_eq!(output.status.code(), Some(1), "{}", output.error);
    let told = "the time limit ended it in round ";
    assert!(output.error.contains(told), "{}", output.error);
    // What had been measured by then is a result.
    let report = report(folder.path());
    assert!(report["cut"].as_str().unwrap().contains(" of 99, at isapi"));
    for cell in report["cells"].as_array().unwrap() {
        let rounds = cell["rounds"].as_object().unwrap().len();
        assert!((1..99).contains(&rounds), "{cell}");
    }
    assert!(
        output
            .out
            .contains("the time limit ended the run in round ")
    );
}

#[test]
fn errors_refuse_the_result() {
    let folder = TempDir::new().unwrap();
    let tires = extension("tires", &[], folder.path());
    let output = bench(
        folder.path(),
        &[
            "--extension",
            tires.to_str().unwrap(),
            "--models",
            "isapi,cgi",
            "--rounds",
            "1",
            "--duration",
            "100ms",
            "--connections",
            "4",
        ],
    );
    assert_eq!(output.status.code(), Some(1), "{}", output.error);
    assert!(
        output.error.contains("isapi with own: refused:"),
        "{}",
        output.error
    );
    assert!(output.error.contains("status 503"), "{}", output.error);
    assert!(
        output
            .out
            .contains("cgi: not measured: the extension is no program")
    );
    let report = report(folder.path());
    let cell = &report["cells"][0];
    assert!(cell["refused"].as_str().unwrap().contains("status 503"));
    assert_eq!(cell["summary"], serde_json::json!({}));
    no_folder_is_told(folder.path(), &output, &[folder.path()]);
}

#[test]
fn a_wrong_command_line_is_explained() {
    for (arguments, code, words) in [
        (&["--models", "iis"][..], 1, "there is no model \"iis\""),
        (&["--load", "all"], 2, "there are hello, variables"),
        (&["--connections", "0"], 2, "1..=512"),
        (&["--duration", "1ms"], 2, "from 50ms to 10min"),
        (
            &["--models", "cgi", "--baseline", "isapi"],
            1,
            "the baseline \"isapi\"",
        ),
        (&["--path", "/x"], 2, "--extension"),
        (&["--limit", "1ms"], 2, "from 1s to 24h"),
    ] {
        let output = run(&mut gateway_command([&["bench"], arguments].concat()));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert!(output.error.contains(words), "{}", output.error);
    }
}
