//! The status as a page for browsers.

use std::fmt::Display;

use super::status::{
    CircuitStatus, PoolStatus, RequestStatus, Status, TrafficStatus, WorkerStatus,
};

const STYLE: &str = include_str!("page.css");

/// How often the page asks again, seconds.
const REFRESH: u32 = 5;

/// The page. It needs nothing from elsewhere, and no script.
pub fn render(status: &Status) -> String {
    let title = match status.stopping {
        true => "isapi-gateway is stopping",
        false => "isapi-gateway",
    };
    let pools: String = status.pools.iter().map(pool).collect();
    let facts = [
        fact("connections", status.connections),
        fact("access log lines lost", status.access_log_lost),
    ];
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<meta http-equiv=\"refresh\" content=\"{REFRESH}\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         <header><h1>{title}</h1><span>version {}, process {}, up {}</span></header>\n\
         <section><header><h2>All requests</h2></header>{}</section>\n{pools}\
         <footer><a href=\"/status.json\">JSON</a> · <a href=\"/metrics\">metrics</a> · every {REFRESH} s</footer>\n\
         </main>\n</body>\n</html>\n",
        escape(&status.version),
        status.pid,
        span(status.uptime_seconds),
        facts_of(&status.traffic, &facts),
    )
}

fn pool(pool: &PoolStatus) -> String {
    let reason = pool.reason.as_deref().map_or_else(String::new, |reason| {
        format!("<p class=\"reason\">{}</p>", escape(reason))
    });
    let exits = pool.exits.iter();
    let exits: Vec<String> = exits
        .map(|(reason, count)| format!("{count} × {}", escape(reason)))
        .collect();
    let mut facts = vec![fact("queued", pool.queued)];
    if pool.kind == "extension" {
        facts.push(fact("generation", pool.generation));
    }
    if !exits.is_empty() {
        facts.push(fact("workers gone", exits.join(", ")));
    }
    if let Some(trace) = &pool.trace {
        facts.push(fact("trace", escape(trace)));
    }
    format!(
        "<section>\n<header><h2>{}</h2>{}<span><code>{}</code></span></header>{reason}\n{}{}{}{}</section>\n",
        escape(&pool.name),
        state(pool.state.name()),
        escape(&pool.program),
        facts_of(&pool.traffic, &facts),
        circuits(&pool.circuits),
        workers(&pool.workers),
        requests(&pool.workers),
    )
}

fn circuits(circuits: &[CircuitStatus]) -> String {
    let row = |circuit: &CircuitStatus| {
        format!(
            "<tr><td class=\"text long\"><code>{}</code></td><td class=\"text\">{}</td><td>{}</td><td>{}</td><td>{}</td></tr>\n",
            escape(&circuit.request),
            state(&circuit.state),
            circuit.failures,
            circuit.refused,
            span(circuit.seconds),
        )
    };
    let rows: String = circuits.iter().map(row).collect();
    if rows.is_empty() {
        return rows;
    }
    format!(
        "<div class=\"wide\"><table>\n<tr><th class=\"text\">requests kept out</th><th class=\"text\">circuit</th>\
         <th>failed</th><th>refused</th><th>for at most</th></tr>\n{rows}</table></div>\n"
    )
}

fn workers(workers: &[WorkerStatus]) -> String {
    if workers.is_empty() {
        return String::new();
    }
    let row = |worker: &WorkerStatus| {
        format!(
            "<tr><td class=\"text\">{}</td><td class=\"text\">{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td>\
             <td>{}</td><td>{:.1} s</td><td class=\"text\">{}</td></tr>\n",
            worker.pid,
            state(&worker.state),
            worker.generation,
            span(worker.uptime_seconds),
            worker.busy,
            worker.served,
            size(worker.memory_bytes),
            worker.cpu_seconds,
            escape(&worker.description),
        )
    };
    let rows: String = workers.iter().map(row).collect();
    format!(
        "<div class=\"wide\"><table>\n<tr><th class=\"text\">worker</th><th class=\"text\">state</th><th>generation</th>\
         <th>up</th><th>busy</th><th>served</th><th>memory</th><th>processor</th><th class=\"text\">says of itself</th>\
         </tr>\n{rows}</table></div>\n"
    )
}

fn requests(workers: &[WorkerStatus]) -> String {
    let all = workers.iter().flat_map(|worker| {
        worker
            .requests
            .iter()
            .map(move |request| (worker.pid, request))
    });
    let row = |(pid, request): (u32, &RequestStatus)| {
        format!(
            "<tr><td class=\"text\">{pid}</td><td class=\"text long\"><code>{}</code></td><td>{}</td><td>{}</td>\
             <td class=\"text long\">{}</td></tr>\n",
            escape(&request.request),
            span(request.seconds),
            size(request.sent_bytes),
            escape(request.last_call.as_deref().unwrap_or("–")),
        )
    };
    let rows: String = all.map(row).collect();
    if rows.is_empty() {
        return rows;
    }
    format!(
        "<div class=\"wide\"><table>\n<tr><th class=\"text\">worker</th><th class=\"text\">request</th><th>for</th>\
         <th>sent</th><th class=\"text\">last callback</th></tr>\n{rows}</table></div>\n"
    )
}

fn facts_of(traffic: &TrafficStatus, more: &[String]) -> String {
    let answered = |class: &str| traffic.answered.get(class).copied().unwrap_or(0);
    let all: u64 = traffic.answered.values().sum();
    let facts = [
        fact("active", traffic.active),
        fact("answered", all),
        fact("4xx", answered("4xx")),
        fact("5xx", answered("5xx")),
        fact("on average", mean(traffic.seconds, all)),
        fact("sent", size(traffic.sent_bytes)),
        fact("received", size(traffic.received_bytes)),
    ];
    format!("<dl>{}{}</dl>\n", facts.concat(), more.concat())
}

fn fact(name: &str, value: impl Display) -> String {
    format!("<div><dt>{name}</dt><dd>{value}</dd></div>")
}

fn state(name: &str) -> String {
    let name = escape(name);
    format!("<span class=\"state {name}\">{name}</span>")
}

/// The mean of so many durations, which are so many seconds together.
#[allow(clippy::cast_precision_loss, reason = "for people")]
pub fn mean(seconds: f64, count: u64) -> String {
    match count {
        0 => "–".to_owned(),
        count => format!("{:.1} ms", seconds * 1000.0 / count as f64),
    }
}

/// A number of seconds for people.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "no gateway runs so long"
)]
pub fn span(seconds: f64) -> String {
    let whole = seconds as u64;
    match whole {
        0..10 => format!("{seconds:.1} s"),
        10..60 => format!("{whole} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        3600..86_400 => format!("{} h {} min", whole / 3600, whole % 3600 / 60),
        _ => format!("{} d {} h", whole / 86_400, whole % 86_400 / 3600),
    }
}

/// A number of bytes for people.
#[allow(clippy::cast_precision_loss, reason = "for people")]
pub fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
        _ => format!("{:.1} GiB", bytes as f64 / 1_073_741_824.0),
    }
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            char => out.push(char),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_for_people() {
        assert_eq!(span(3.25), "3.2 s");
        assert_eq!(span(61.0), "1 min 1 s");
        assert_eq!(span(90_061.0), "1 d 1 h");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(5 << 20), "5.0 MiB");
        assert_eq!(mean(1.0, 4), "250.0 ms");
        assert_eq!(mean(0.0, 0), "–");
    }

    #[test]
    fn nothing_that_a_request_says_becomes_markup() {
        let request = RequestStatus {
            request: "GET /<script>&\"'".into(),
            seconds: 1.0,
            sent_bytes: 0,
            last_call: Some("<b>".into()),
        };
        let worker = WorkerStatus {
            pid: 1,
            state: "ready".into(),
            generation: 0,
            uptime_seconds: 0.0,
            busy: 1,
            served: 0,
            memory_bytes: 0,
            cpu_seconds: 0.0,
            description: "<i>".into(),
            requests: vec![request],
        };
        let circuit = CircuitStatus {
            request: "GET /<u>".into(),
            state: "half_open".into(),
            failures: 3,
            refused: 0,
            seconds: 1.0,
        };
        let html =
            circuits(&[circuit]) + &workers(std::slice::from_ref(&worker)) + &requests(&[worker]);
        for markup in ["<script>", "<b>", "<i>", "<u>"] {
            assert!(!html.contains(markup), "{markup}");
        }
        assert!(html.contains("GET /&lt;script&gt;&amp;&quot;&#39;"));
    }
}
