//! The project's own targets, one after the other.

use super::{Bound, Growing, Measure, REFERENCE, Spot, Target};
use crate::bench::load::Load;
use crate::bench::result::{Metric, Shape};

/// Every target, in the order of the report.
pub(super) fn all() -> Vec<Target> {
    use Bound::{AtLeast, AtMost};
    use Metric::{
        AloneP99Us, BytesPerSecond, CpuUs, DiskKib, GrowthKib, MemoryKib, P50Us, P99Us,
        RequestsPerSecond, StalledKib,
    };
    let direct = "gateway → ISAPI worker against nginx → libfcgi";
    let inside = "gateway → ISAPI worker against the same in-process";
    let behind = "nginx → gateway → ISAPI worker against nginx → libfcgi";
    let alone = "nginx → ISAPI worker against nginx → libfcgi";
    let rate = |title, model, least| {
        let measured = hello(model, REFERENCE, RequestsPerSecond);
        target(title, measured, AtLeast(least))
    };
    let once = |model, metric| study(model, Load::Stream1g, metric);
    let down = |model| Measure::Ratio(once(model, BytesPerSecond), once(REFERENCE, BytesPerSecond));
    let echo = |model| {
        let spot = |model| closed(model, Load::Echo1m, 8, BytesPerSecond);
        Measure::Ratio(spot(model), spot(REFERENCE))
    };
    let slow = |metric| study("isapi", Load::Slow, metric);
    let first = |model| closed(model, Load::Hello, 1, P50Us);
    vec![
        target(direct, hello("isapi", REFERENCE, CpuUs), AtMost(0.6)).better(0.5),
        rate(direct, "isapi", 1.4).better(1.6),
        target(
            "gateway → ISAPI worker against nginx → libfcgi, one connection",
            Measure::Ratio(first("isapi"), first(REFERENCE)),
            AtMost(1.0),
        )
        .better(0.7),
        target(direct, hello("isapi", REFERENCE, P99Us), AtMost(1.0)).better(0.7),
        target(
            inside,
            hello("isapi", "in-process", RequestsPerSecond),
            AtLeast(0.9),
        ),
        target(inside, hello("isapi", "in-process", CpuUs), AtMost(1.5)).better(1.3),
        target(behind, hello("nginx-isapi", REFERENCE, CpuUs), AtMost(1.0)).better(0.86),
        rate(behind, "nginx-isapi", 1.0).better(1.1),
        target(alone, hello("nginx-worker", REFERENCE, CpuUs), AtMost(1.0)),
        rate(alone, "nginx-worker", 1.0),
        target(
            "gateway → ISAPI worker against nginx → fcgiwrap → CGI program, static",
            hello("isapi", "nginx-fcgiwrap-static", RequestsPerSecond),
            AtLeast(20.0),
        )
        .better(25.0),
        target(
            "gateway → CGI program against nginx → fcgiwrap → the same, static",
            hello("cgi-static", "nginx-fcgiwrap-static", RequestsPerSecond),
            AtLeast(2.4),
        )
        .better(3.4),
        target(
            "gateway → CGI program against nginx → fcgiwrap → the same, dynamic",
            hello("cgi", "nginx-fcgiwrap", RequestsPerSecond),
            AtLeast(1.25),
        )
        .better(1.45),
        target(
            "ISAPI worker under Wine, x86-64, against the native one",
            hello("isapi-wine64", "isapi", RequestsPerSecond),
            AtLeast(0.6),
        )
        .better(0.8),
        target(
            "gateway → ISAPI worker against nginx → libfcgi, 1 GiB down",
            down("isapi"),
            AtLeast(1.6),
        )
        .better(2.4),
        target(
            "gateway → ISAPI worker against nginx → libfcgi, echo of 1 MiB",
            echo("isapi"),
            AtLeast(1.5),
        )
        .better(1.9),
        target(
            "nginx → gateway → ISAPI worker against nginx → libfcgi, 1 GiB down",
            down("nginx-isapi"),
            AtLeast(0.95),
        ),
        target(
            "nginx → gateway → ISAPI worker against nginx → libfcgi, echo of 1 MiB",
            echo("nginx-isapi"),
            AtLeast(0.95),
        ),
        target(
            "gateway and ISAPI worker, 32 connections",
            Measure::Itself(closed("isapi", Load::Hello, 32, MemoryKib)),
            AtMost(16.0 * 1024.0),
        )
        .better(10.0 * 1024.0),
        target(
            "gateway and ISAPI worker, 256 connections",
            Measure::Itself(closed("isapi", Load::Hello, 256, MemoryKib)),
            AtMost(24.0 * 1024.0),
        )
        .better(20.0 * 1024.0),
        target(
            "gateway and ISAPI worker, each client that does not read",
            Measure::Itself(study("isapi", Load::Stalled, StalledKib)),
            AtMost(300.0),
        ),
        target(
            "gateway and ISAPI worker, 1 GiB down",
            Measure::Itself(once("isapi", GrowthKib)),
            AtMost(1024.0),
        ),
        target(
            "gateway and ISAPI worker, 1 GiB down",
            Measure::Itself(once("isapi", DiskKib)),
            AtMost(0.0),
        ),
        target(
            "what is left of the peak, to 256 connections",
            Measure::Kept(Growing::Connections),
            AtLeast(0.85),
        ),
        target(
            "what is left of the peak, to 64 threads of the worker",
            Measure::Kept(Growing::Threads),
            AtLeast(0.85),
        ),
        target(
            "what is left of the peak, to 100 pools",
            Measure::Kept(Growing::Pools),
            AtLeast(0.85),
        ),
        target(
            "hello beside a request that takes a second, against alone",
            Measure::Ratio(slow(P99Us), slow(AloneP99Us)),
            AtMost(1.1),
        ),
    ]
}

fn target(what: &'static str, measure: Measure, must: Bound) -> Target {
    Target {
        what,
        measure,
        must,
        stretch: None,
    }
}

fn closed(model: &'static str, load: Load, connections: usize, metric: Metric) -> Spot {
    Spot {
        model,
        load,
        shape: Shape::Closed { connections },
        metric,
    }
}

/// A figure of a study.
fn study(model: &'static str, load: Load, metric: Metric) -> Spot {
    Spot {
        model,
        load,
        shape: load.study().unwrap_or(Shape::Once),
        metric,
    }
}

/// Both say hello to 32 connections.
fn hello(model: &'static str, base: &'static str, metric: Metric) -> Measure {
    let spot = |model| closed(model, Load::Hello, 32, metric);
    Measure::Ratio(spot(model), spot(base))
}
