//! One metric, as the exposition writes it: a name, a meaning, a unit, and samples that labels tell apart.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Unit;

/// What tells the samples of one metric apart.
pub type Labels = Vec<(&'static str, String)>;

/// One metric, and how its samples are written.
pub struct Family<'a, 'e> {
    encoder: &'a mut DescriptorEncoder<'e>,
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
}

/// A metric of this name and meaning, without a unit.
pub fn family<'a, 'e>(
    encoder: &'a mut DescriptorEncoder<'e>,
    name: &'static str,
    help: &'static str,
) -> Family<'a, 'e> {
    Family {
        encoder,
        name,
        help,
        unit: None,
    }
}

impl Family<'_, '_> {
    /// Whose samples are in this unit, which its name then ends with.
    pub fn in_unit(mut self, unit: Unit) -> Self {
        self.unit = Some(unit);
        self
    }

    /// Writes it as a gauge.
    ///
    /// # Errors
    /// When it cannot be written; so of the others.
    pub fn gauges(self, samples: impl IntoIterator<Item = (Labels, f64)>) -> fmt::Result {
        self.write(MetricType::Gauge, samples, |value, mut encoder| {
            encoder.encode_gauge(&value)
        })
    }

    /// Writes it as a counter.
    pub fn counters(self, samples: impl IntoIterator<Item = (Labels, u64)>) -> fmt::Result {
        self.write(MetricType::Counter, samples, |value, mut encoder| {
            encoder.encode_counter::<NoLabelSet, _, u64>(&value, None)
        })
    }

    /// Writes it as a counter of something that is not counted in whole numbers.
    pub fn float_counters(self, samples: impl IntoIterator<Item = (Labels, f64)>) -> fmt::Result {
        self.write(MetricType::Counter, samples, |value, mut encoder| {
            encoder.encode_counter::<NoLabelSet, _, u64>(&value, None)
        })
    }

    /// Writes it as a histogram.
    pub fn histograms<'h>(
        self,
        samples: impl IntoIterator<Item = (Labels, &'h Histogram)>,
    ) -> fmt::Result {
        self.write(MetricType::Histogram, samples, |histogram, encoder| {
            histogram.encode(encoder)
        })
    }

    fn write<V>(
        self,
        kind: MetricType,
        samples: impl IntoIterator<Item = (Labels, V)>,
        encode: impl Fn(V, MetricEncoder) -> fmt::Result,
    ) -> fmt::Result {
        let Self {
            encoder,
            name,
            help,
            unit,
        } = self;
        let mut metric = encoder.encode_descriptor(name, help, unit.as_ref(), kind)?;
        for (labels, value) in samples {
            if labels.is_empty() {
                // Then there is this one sample.
                return encode(value, metric);
            }
            encode(value, metric.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
