//! Draws a report as SVG: events per second over time, CPU time per event against the yardsticks, and latencies.

use std::fmt::Write;

use super::report::Report;
use crate::text::count;

/// The width of a panel.
const WIDTH: f64 = 380.0;
/// The height of a panel.
const HEIGHT: f64 = 260.0;
/// Where the axes of a panel begin and end: left, right, top, bottom.
const AREA: [f64; 4] = [70.0, 360.0, 46.0, 210.0];

/// The report as a file.
pub fn plot(report: &Report) -> String {
    let mut panels = vec![speed(report), costs(report)];
    panels.extend(latencies(report));
    let width = WIDTH * panels.len() as f64;
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{HEIGHT}" font-family="sans-serif" font-size="12" fill="#333"><rect width="100%" height="100%" fill="#fff"/>"##
    );
    for (number, panel) in panels.iter().enumerate() {
        let _ = write!(svg, r#"<g transform="translate({},0)">{panel}</g>"#, WIDTH * number as f64);
    }
    svg.push_str("</svg>\n");
    svg
}

/// A panel with its title, two axes and a curve through points, which are scaled to `to`.
fn curve(title: &str, points: &[(f64, f64)], to: (f64, f64), ticks: [&[(f64, String)]; 2]) -> String {
    let [left, right, top, bottom] = AREA;
    let x = |value: f64| left + (right - left) * value / to.0.max(1e-9);
    let y = |value: f64| bottom - (bottom - top) * value / to.1.max(1e-9);
    let mut out = heading(title);
    for (value, label) in ticks[0] {
        let at = x(*value);
        let below = bottom + 18.0;
        let _ = write!(out, r#"<text x="{at:.1}" y="{below}" text-anchor="middle">{label}</text>"#);
    }
    for (value, label) in ticks[1] {
        let at = y(*value);
        let _ = write!(out, r##"<path d="M{left} {at:.1}H{right}" stroke="#ddd"/>"##);
        let _ = write!(out, r#"<text x="{}" y="{:.1}" text-anchor="end">{label}</text>"#, left - 6.0, at + 4.0);
    }
    let line: Vec<String> = points.iter().map(|(a, b)| format!("{:.1},{:.1}", x(*a), y(*b))).collect();
    let _ = write!(out, r##"<polyline fill="none" stroke="#1f6feb" stroke-width="2" points="{}"/>"##, line.join(" "));
    let _ = write!(out, r##"<path d="M{left} {top}V{bottom}H{right}" fill="none" stroke="#333"/>"##);
    out
}

fn heading(title: &str) -> String {
    format!(r#"<text x="16" y="24" font-size="14" font-weight="bold">{title}</text>"#)
}

/// Round numbers from 0 to at least `max`, at most six.
fn steps(max: f64) -> Vec<f64> {
    let max = max.max(1e-6);
    let unit = 10_f64.powf(max.log10().floor());
    let step =
        [0.2, 0.5, 1.0, 2.0].map(|it| it * unit).into_iter().find(|step| max / step <= 5.0).unwrap_or(5.0 * unit);
    (0..=(max / step).ceil() as u32).map(|number| f64::from(number) * step).collect()
}

/// Events per second over the last run.
fn speed(report: &Report) -> String {
    let progress = &report.median.progress;
    let rates: Vec<(f64, f64)> = progress
        .windows(6)
        .step_by(5)
        .map(|part| (part[0], part[part.len() - 1]))
        .map(|((from, before), (to, now))| (to, (now - before) as f64 / (to - from).max(1e-9) / 1e3))
        .collect();
    let seconds = steps(progress.last().map_or(1.0, |last| last.0));
    let thousands = steps(rates.iter().map(|rate| rate.1).fold(0.0, f64::max));
    let to = (seconds[seconds.len() - 1], thousands[thousands.len() - 1]);
    let seconds: Vec<_> = seconds.iter().map(|value| (*value, format!("{value} s"))).collect();
    let thousands: Vec<_> = thousands.iter().map(|value| (*value, value.to_string())).collect();
    curve("Thousand events per second", &rates, to, [&seconds, &thousands])
}

/// CPU time per event, as bars.
fn costs(report: &Report) -> String {
    let bars = [
        ("run, second half", report.median.warm.cpu_us),
        ("broker", report.median.warm.broker_cpu_us),
        ("replay", Some(report.replayed.cpu_us)),
        ("only decoding", Some(report.yardsticks.decode_cpu_us)),
        ("only reading", Some(report.yardsticks.drain_cpu_us)),
    ];
    let most = bars.iter().filter_map(|bar| bar.1).fold(1e-9, f64::max);
    let mut out = heading("CPU microseconds per event");
    for (row, (name, value)) in bars.into_iter().filter_map(|(name, value)| Some((name, value?))).enumerate() {
        let (top, length) = (46.0 + 36.0 * row as f64, 170.0 * value / most);
        let _ = write!(out, r#"<text x="120" y="{}" text-anchor="end">{name}</text>"#, top + 16.0);
        let _ = write!(out, r##"<rect x="128" y="{top}" width="{length:.1}" height="22" fill="#1f6feb"/>"##);
        let _ = write!(out, r#"<text x="{:.1}" y="{}">{value:.2}</text>"#, 134.0 + length, top + 16.0);
    }
    out
}

/// The percentiles of latencies: each nine after the point takes the same room.
fn latencies(report: &Report) -> Option<String> {
    let live = report.live.as_ref().filter(|live| live.latency.handoffs > 0)?;
    // The last point is 100 %, which is infinitely far away.
    let place = |percent: f64| -(1.0 - percent / 100.0).max(1e-5).log10();
    let points: Vec<_> = live.latency.curve.iter().map(|(percent, ms)| (place(*percent), *ms)).collect();
    let marks = [(50.0, "50 %"), (90.0, "90"), (99.0, "99"), (99.9, "99.9"), (100.0, "all")];
    let marks = marks.map(|(percent, label)| (place(percent), label.to_owned()));
    let ms = steps(live.latency.max_ms);
    let to = (place(100.0), ms[ms.len() - 1]);
    let ms: Vec<_> = ms.iter().map(|value| (*value, format!("{value} ms"))).collect();
    let title = format!("Handoffs at {} events per second", count(live.rate));
    Some(curve(&title, &points, to, [&marks, &ms]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_round_numbers() {
        assert_eq!(steps(83.0), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(steps(4.0), [0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(steps(0.0).len(), 6);
    }
}
