//! The status as metrics.

mod family;

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, text};
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::status::{PoolState, PoolStatus, Status, TrafficStatus, WorkerStatus};
use super::traffic::{Ledger, Traffic};
use family::{Labels, family};

/// Content type of [`open_metrics`].
pub const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Content type of [`plain`].
pub const PLAIN: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics in OpenMetrics 1.0.
pub fn open_metrics(status: Status, ledger: Arc<Ledger>) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Metrics { status, ledger }));
    let mut out = String::new();
    // Writing to a string does not fail, and the collector has no errors of its own.
    let _ = text::encode(&mut out, &registry);
    out
}

/// The same in the text form that Prometheus had before. There the name of a counter's family has the `_total` of its
/// samples, and there are neither units nor an end.
pub fn plain(open_metrics: &str) -> String {
    let mut counters: Vec<&str> = Vec::new();
    for line in open_metrics.lines() {
        let counter = line.strip_prefix("# TYPE ");
        counters.extend(counter.and_then(|line| line.strip_suffix(" counter")));
    }
    let mut out = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some("UNIT"), ..) | (Some("#"), Some("EOF"), ..) => continue,
            (Some("#"), Some(kind), Some(name), Some(rest)) if counters.contains(&name) => {
                out.push_str(&format!("# {kind} {name}_total {rest}"));
            }
            _ => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

#[derive(Debug)]
struct Metrics {
    status: Status,
    ledger: Arc<Ledger>,
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let encoder = &mut encoder;
        self.gateway(encoder)?;
        self.pools(encoder)?;
        self.traffic(encoder)?;
        self.histograms(encoder)?;
        self.workers(encoder)
    }
}

impl Metrics {
    fn gateway(&self, encoder: &mut DescriptorEncoder) -> fmt::Result {
        let status = &self.status;
        let one = |value: f64| [(Labels::new(), value)];
        let version = vec![("version", status.version.clone())];
        family(encoder, "isapi_gateway_info", "The gateway's version").gauges([(version, 1.0)])?;
        family(
            encoder,
            "isapi_gateway_uptime",
            "For how long the gateway has run",
        )
        .in_unit(Unit::Seconds)
        .gauges(one(status.uptime_seconds))?;
        family(
            encoder,
            "isapi_gateway_connections",
            "Connections of clients",
        )
        .gauges(one(count(status.connections)))?;
        family(
            encoder,
            "isapi_gateway_requests_active",
            "Requests of clients that are being answered",
        )
        .gauges(one(float(status.traffic.active)))?;
        family(
            encoder,
            "isapi_gateway_requests",
            "Requests of clients that have been answered, by the class of their status",
        )
        .counters(answered(&status.traffic, &Labels::new()))?;
        family(
            encoder,
            "isapi_gateway_access_log_lost_lines",
            "Lines that the access log has lost because it was not written fast enough",
        )
        .counters([(Labels::new(), status.access_log_lost)])?;
        let reloads = status.reloads.iter();
        family(
            encoder,
            "isapi_gateway_reloads",
            "Other configurations that have been read, by what has become of them",
        )
        .counters(reloads.map(|(result, count)| (vec![("result", result.clone())], *count)))
    }

    fn pools(&self, encoder: &mut DescriptorEncoder) -> fmt::Result {
        let pools = || self.status.pools.iter();
        let states = pools().flat_map(|pool| {
            PoolState::ALL.map(|state| {
                let labels = with(named(pool), "state", state.name());
                (labels, f64::from(u8::from(pool.state == state)))
            })
        });
        family(
            encoder,
            "isapi_pool_state",
            "1 for the state that the pool is in",
        )
        .gauges(states)?;
        let generations = pools().map(|pool| (named(pool), float(pool.generation)));
        family(
            encoder,
            "isapi_pool_generation",
            "Version of the extension's file, counted from 0",
        )
        .gauges(generations)?;
        let queued = pools().map(|pool| (named(pool), count(pool.queued)));
        family(
            encoder,
            "isapi_pool_queue_length",
            "Requests for which no worker has room",
        )
        .gauges(queued)?;
        let exits = pools().flat_map(|pool| {
            let exits = pool.exits.iter();
            exits.map(|(reason, count)| (with(named(pool), "reason", reason), *count))
        });
        family(
            encoder,
            "isapi_pool_worker_exits",
            "Workers that have gone, by the reason; died: nobody had told them to",
        )
        .counters(exits)?;
        let circuits = pools().flat_map(|pool| {
            ["open", "half_open"].map(|state| {
                let circuits = pool.circuits.iter();
                let some = circuits.filter(|circuit| circuit.state == state).count();
                (with(named(pool), "state", state), count(some))
            })
        });
        family(
            encoder,
            "isapi_pool_circuits",
            "Kinds of requests that are kept from the workers because they bring them down",
        )
        .gauges(circuits)?;
        let openings = pools().map(|pool| (named(pool), pool.circuit_openings));
        family(
            encoder,
            "isapi_pool_circuit_openings",
            "How often a kind of requests has begun to be kept from the workers",
        )
        .counters(openings)
    }

    fn traffic(&self, encoder: &mut DescriptorEncoder) -> fmt::Result {
        let pools = || self.status.pools.iter();
        let active = pools().map(|pool| (named(pool), float(pool.traffic.active)));
        family(
            encoder,
            "isapi_pool_requests_active",
            "Requests that are being answered, those in the queue included",
        )
        .gauges(active)?;
        let requests = pools().flat_map(|pool| answered(&pool.traffic, &named(pool)));
        family(
            encoder,
            "isapi_pool_requests",
            "Requests that have been answered, by the class of their status",
        )
        .counters(requests)?;
        let failed = pools().flat_map(|pool| {
            let failed = pool.traffic.failed.iter();
            failed.map(|(error, count)| (with(named(pool), "error", error), *count))
        });
        family(
            encoder,
            "isapi_pool_request_failures",
            "Requests that have failed, by the error",
        )
        .counters(failed)?;
        let sent = pools().map(|pool| (named(pool), pool.traffic.sent_bytes));
        family(encoder, "isapi_pool_sent", "Bytes of the bodies of answers")
            .in_unit(Unit::Bytes)
            .counters(sent)?;
        let received = pools().map(|pool| (named(pool), pool.traffic.received_bytes));
        family(
            encoder,
            "isapi_pool_received",
            "Bytes of the bodies of requests",
        )
        .in_unit(Unit::Bytes)
        .counters(received)
    }

    fn histograms(&self, encoder: &mut DescriptorEncoder) -> fmt::Result {
        let pools = |of: fn(&Traffic) -> &Histogram| {
            let pools = self.ledger.pools.iter();
            pools.map(move |(name, traffic)| (vec![("pool", name.clone())], of(traffic)))
        };
        family(
            encoder,
            "isapi_gateway_request_duration",
            "How long the answers to clients took",
        )
        .in_unit(Unit::Seconds)
        .histograms([(Labels::new(), &self.ledger.all.duration)])?;
        family(
            encoder,
            "isapi_pool_request_duration",
            "How long the answers took, from the request's head to the last byte",
        )
        .in_unit(Unit::Seconds)
        .histograms(pools(|traffic| &traffic.duration))?;
        family(
            encoder,
            "isapi_pool_queue_wait",
            "How long requests waited for room in a worker",
        )
        .in_unit(Unit::Seconds)
        .histograms(pools(|traffic| &traffic.wait))
    }

    fn workers(&self, encoder: &mut DescriptorEncoder) -> fmt::Result {
        let workers = |value: fn(&WorkerStatus) -> f64| {
            let pools = self.status.pools.iter();
            pools.flat_map(move |pool| {
                let workers = pool.workers.iter();
                workers.map(move |worker| (of_worker(pool, worker), value(worker)))
            })
        };
        let states = self.status.pools.iter().flat_map(|pool| {
            let workers = pool.workers.iter();
            workers.map(move |worker| (with(of_worker(pool, worker), "state", &worker.state), 1.0))
        });
        family(
            encoder,
            "isapi_worker_state",
            "1 for the state that the worker is in",
        )
        .gauges(states)?;
        family(
            encoder,
            "isapi_worker_generation",
            "Version of the extension's file that the worker runs",
        )
        .gauges(workers(|worker| float(worker.generation)))?;
        family(
            encoder,
            "isapi_worker_requests_active",
            "Requests that the worker has",
        )
        .gauges(workers(|worker| count(worker.busy)))?;
        family(
            encoder,
            "isapi_worker_uptime",
            "For how long the worker has run",
        )
        .in_unit(Unit::Seconds)
        .gauges(workers(|worker| worker.uptime_seconds))?;
        family(
            encoder,
            "isapi_worker_memory",
            "Private memory of the worker and its children",
        )
        .in_unit(Unit::Bytes)
        .gauges(workers(|worker| float(worker.memory_bytes)))?;
        let served = self.status.pools.iter().flat_map(|pool| {
            let workers = pool.workers.iter();
            workers.map(move |worker| (of_worker(pool, worker), worker.served))
        });
        family(
            encoder,
            "isapi_worker_requests",
            "Requests that the worker has finished",
        )
        .counters(served)?;
        family(
            encoder,
            "isapi_worker_cpu",
            "Time on processors of the worker and its children",
        )
        .in_unit(Unit::Seconds)
        .float_counters(workers(|worker| worker.cpu_seconds))
    }
}

fn answered(traffic: &TrafficStatus, labels: &Labels) -> Vec<(Labels, u64)> {
    let classes = traffic.answered.iter();
    let sample = |(class, count): (&String, &u64)| (with(labels.clone(), "code", class), *count);
    classes.map(sample).collect()
}

fn named(pool: &PoolStatus) -> Labels {
    vec![("pool", pool.name.clone())]
}

fn of_worker(pool: &PoolStatus, worker: &WorkerStatus) -> Labels {
    with(named(pool), "worker", &worker.pid.to_string())
}

fn with(mut labels: Labels, name: &'static str, value: &str) -> Labels {
    labels.push((name, value.to_owned()));
    labels
}

fn count(number: usize) -> f64 {
    float(number as u64)
}

/// Exact up to 2⁵³, which no gauge here comes near.
#[allow(clippy::cast_precision_loss, reason = "see above")]
fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_form_names_counters_as_their_samples() {
        let new = "# HELP a_seconds How long\n# TYPE a_seconds counter\n# UNIT a_seconds seconds\na_seconds_total 1.5\n\
                   # HELP b Some\n# TYPE b gauge\nb{x=\"a counter\"} 2\n# EOF\n";
        let old = "# HELP a_seconds_total How long\n# TYPE a_seconds_total counter\na_seconds_total 1.5\n\
                   # HELP b Some\n# TYPE b gauge\nb{x=\"a counter\"} 2\n";
        assert_eq!(plain(new), old);
    }
}
