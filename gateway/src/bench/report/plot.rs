//! Plots as SVG that takes its colours from the page, so that it is good in light, in dark and on paper.

use anyhow::anyhow;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::bench::statistics::Spread;

/// Text and axes.
const INK: RGBColor = RGBColor(1, 1, 1);
/// Lines behind the data.
const GRID: RGBColor = RGBColor(2, 2, 2);
/// Colours of data, replaced by variables of the page: [`colour`].
const SERIES: u8 = 10;

/// Number of colours that the page defines.
pub const COLOURS: usize = 8;

const WIDTH: u32 = 860;

/// The part of an axis that the name of a place takes, at least.
const APART: f64 = 0.06;

/// Names at the axis that goes up, at most.
const MOST_STEPS: usize = 9;

const FONT: &str = "sans-serif";

/// A bar.
pub struct Bar {
    /// What it is.
    pub label: String,
    /// Its length, and the range that a whisker shows.
    pub spread: Spread,
    /// Its colour, below [`COLOURS`].
    pub colour: usize,
    /// The figure in words, beside it.
    pub shown: String,
}

/// A line.
pub struct Line {
    /// What it is.
    pub label: String,
    /// Its points.
    pub points: Vec<(f64, f64)>,
}

/// The axes of a plot of lines; both are logarithmic.
pub struct Axes<'a> {
    /// What goes to the right.
    pub x: &'a str,
    /// What goes up.
    pub y: &'a str,
    /// Names the values to the right.
    pub name_x: fn(f64) -> String,
    /// Names the values that go up.
    pub name_y: fn(f64) -> String,
}

/// Bars to the right, one below the other.
///
/// # Errors
/// When there is nothing to draw.
pub fn bars(bars: &[Bar]) -> anyhow::Result<String> {
    const ROW: usize = 26;
    const LABEL: i32 = 300;
    const ROOM: i32 = 110;
    let longest = bars.iter().map(|bar| bar.spread.max).fold(0.0, f64::max);
    if longest <= 0.0 {
        return Err(anyhow!("no bars"));
    }
    let height = u32::try_from(bars.len() * ROW + 8)?;
    draw((WIDTH, height), |area| {
        let room = f64::from(WIDTH) - f64::from(LABEL + ROOM);
        #[expect(clippy::cast_possible_truncation, reason = "at most the width")]
        let length = |value: f64| LABEL + (value / longest * room).round() as i32;
        for (index, bar) in bars.iter().enumerate() {
            let top = i32::try_from(index * ROW)? + 6;
            let middle = top + 8;
            let end = length(bar.spread.median);
            let left = Pos::new(HPos::Right, VPos::Center);
            area.draw(&Text::new(
                bar.label.clone(),
                (LABEL - 8, middle),
                text(14, left),
            ))?;
            let filled = colour(bar.colour).filled();
            area.draw(&Rectangle::new(
                [(LABEL, top), (end.max(LABEL + 1), top + 16)],
                filled,
            ))?;
            let (low, high) = (length(bar.spread.min), length(bar.spread.max));
            if high > low {
                area.draw(&PathElement::new([(low, middle), (high, middle)], INK))?;
                for at in [low, high] {
                    area.draw(&PathElement::new([(at, middle - 4), (at, middle + 4)], INK))?;
                }
            }
            let right = Pos::new(HPos::Left, VPos::Center);
            let beside = (high.max(end) + 8, middle);
            area.draw(&Text::new(bar.shown.clone(), beside, text(14, right)))?;
        }
        Ok(())
    })
}

/// Lines through points, with their names at the right.
///
/// # Errors
/// When there is nothing to draw.
pub fn lines(lines: &[Line], axes: &Axes) -> anyhow::Result<String> {
    let points = || lines.iter().flat_map(|line| line.points.iter().copied());
    let (left, right) = range(points().map(|(x, _)| x))?;
    let (bottom, top) = range(points().map(|(_, y)| y))?;
    let (bottom, top) = (bottom * 0.8, top * 1.25);
    draw((WIDTH, 420), |area| {
        let (area, legend) = area.split_horizontally(WIDTH - 250);
        let mut chart = ChartBuilder::on(&area)
            .margin(10)
            .x_label_area_size(44)
            .y_label_area_size(76)
            .build_cartesian_2d((left..right).log_scale(), (bottom..top).log_scale())?;
        chart
            .configure_mesh()
            .disable_mesh()
            .axis_style(INK)
            .label_style(text(13, Pos::default()))
            .x_label_formatter(&|_| String::new())
            .y_label_formatter(&|_| String::new())
            .set_all_tick_mark_size(0)
            .x_desc(axes.x)
            .y_desc(axes.y)
            .draw()?;
        let (across, up) = (places(points().map(|(x, _)| x)), steps(bottom, top));
        let uprights = across.iter().map(|x| [(*x, bottom), (*x, top)]);
        let levels = up.iter().map(|y| [(left, *y), (right, *y)]);
        chart.draw_series(uprights.chain(levels).map(|it| PathElement::new(it, GRID)))?;
        let below = text(13, Pos::new(HPos::Center, VPos::Top));
        chart.draw_series(across.iter().map(|x| {
            let name = Text::new((axes.name_x)(*x), (0, 8), below.clone());
            EmptyElement::at((*x, bottom)) + name
        }))?;
        let beside = text(13, Pos::new(HPos::Right, VPos::Center));
        chart.draw_series(up.iter().map(|y| {
            let name = Text::new((axes.name_y)(*y), (-8, 0), beside.clone());
            EmptyElement::at((left, *y)) + name
        }))?;
        for (index, line) in lines.iter().enumerate() {
            let style = colour(index).stroke_width(2);
            chart.draw_series(LineSeries::new(line.points.iter().copied(), style))?;
            let dots = line.points.iter();
            chart.draw_series(dots.map(|at| Circle::new(*at, 3, colour(index).filled())))?;
            let row = i32::try_from(index)? * 24 + 24;
            let stroke = colour(index).stroke_width(3);
            legend.draw(&PathElement::new([(8, row), (30, row)], stroke))?;
            let beside = Pos::new(HPos::Left, VPos::Center);
            legend.draw(&Text::new(line.label.clone(), (38, row), text(13, beside)))?;
        }
        Ok(())
    })
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

fn draw(
    size: (u32, u32),
    content: impl FnOnce(&Area) -> anyhow::Result<()>,
) -> anyhow::Result<String> {
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    content(&area)?;
    area.present()?;
    drop(area);
    Ok(themed(&svg, size))
}

/// Puts the page's colours in, and lets the picture shrink with the page.
fn themed(svg: &str, (width, height): (u32, u32)) -> String {
    let mut svg = svg
        .replace("#010101", "currentColor")
        .replace("#020202", "var(--grid)")
        .replace(
            &format!("width=\"{width}\" height=\"{height}\""),
            "role=\"img\"",
        );
    for index in 0..COLOURS {
        let RGBColor(red, green, blue) = colour(index);
        let written = format!("#{red:02X}{green:02X}{blue:02X}");
        svg = svg.replace(&written, &format!("var(--c{index})"));
    }
    svg
}

fn colour(index: usize) -> RGBColor {
    // The remainder is below eight.
    RGBColor(SERIES, SERIES, u8::try_from(index % COLOURS).unwrap_or(0))
}

fn text(size: i32, position: Pos) -> TextStyle<'static> {
    (FONT, size).into_font().color(&INK).pos(position)
}

/// Where there are points, but for places whose names would overlap.
fn places(figures: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut all: Vec<f64> = figures.filter(|it| *it > 0.0).collect();
    all.sort_by(f64::total_cmp);
    let apart = match (all.first(), all.last()) {
        (Some(first), Some(last)) => (last / first).powf(APART),
        _ => return all,
    };
    let mut places: Vec<f64> = Vec::new();
    for figure in all {
        if places.last().is_none_or(|last| figure / last > apart) {
            places.push(figure);
        }
    }
    places
}

/// Round figures between these, as many as there is room for.
fn steps(low: f64, high: f64) -> Vec<f64> {
    const FINE: [&[f64]; 3] = [
        &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0],
        &[1.0, 2.0, 5.0],
        &[1.0],
    ];
    #[expect(clippy::cast_possible_truncation, reason = "exponents of figures")]
    let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let steps = |of_ten: &[f64]| -> Vec<f64> {
        let all = decades
            .clone()
            .flat_map(|decade| of_ten.iter().map(move |it| it * 10_f64.powi(decade)));
        all.filter(|it| (low..=high).contains(it)).collect()
    };
    let mut found = FINE.map(steps).into_iter();
    let fitting = found.find(|it| it.len() <= MOST_STEPS);
    fitting.unwrap_or_default()
}

/// The range of positive figures, never empty.
fn range(figures: impl Iterator<Item = f64>) -> anyhow::Result<(f64, f64)> {
    let spread = Spread::of(figures.filter(|it| *it > 0.0)).ok_or_else(|| anyhow!("no points"))?;
    match spread.max > spread.min {
        true => Ok((spread.min, spread.max)),
        false => Ok((spread.min * 0.9, spread.max * 1.1)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn plots_take_their_colours_from_the_page() {
        let spread = Spread {
            median: 5.0,
            min: 4.0,
            max: 6.0,
        };
        let bar = Bar {
            label: "a <b>".to_owned(),
            spread,
            colour: 3,
            shown: "5".to_owned(),
        };
        let svg = bars(&[bar]).unwrap();
        assert!(
            svg.contains("var(--c3)") && svg.contains("currentColor"),
            "{svg}"
        );
        assert!(svg.contains("a &lt;b&gt;") && !svg.contains("#0A"), "{svg}");
        assert!(bars(&[]).is_err());
    }

    #[test]
    fn axes_name_the_points_and_round_figures() {
        let points = [32.0, 1.0, 0.0, 8.0, 1.0, 256.0, 33.0];
        assert_eq!(places(points.into_iter()), [1.0, 8.0, 32.0, 256.0]);
        assert!(places(std::iter::empty()).is_empty());
        assert_eq!(
            steps(150.0, 900.0),
            [150.0, 200.0, 300.0, 400.0, 500.0, 600.0, 800.0]
        );
        assert_eq!(
            steps(0.9, 210.0),
            [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0]
        );
        assert_eq!(steps(1.0, 1e6).len(), 7);
    }

    #[test]
    fn one_point_is_a_plot() {
        let line = Line {
            label: "x".to_owned(),
            points: vec![(1.0, 7.0)],
        };
        let axes = Axes {
            x: "x",
            y: "y",
            name_x: |it| it.to_string(),
            name_y: |it| it.to_string(),
        };
        assert!(lines(&[line], &axes).unwrap().contains("var(--c0)"));
        assert!(lines(&[], &axes).is_err());
    }
}
