//! The table: one [`Line`] for each thing that is aimed at.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// One line.
pub(crate) struct Line {
    workload: &'static str,
    flow8: String,
    reference: String,
    ratio: Option<f64>,
    aim: String,
    is_met: Option<bool>,
}

impl Line {
    /// A line without a reference.
    pub(crate) fn alone(workload: &'static str, flow8: String, aim: &str, is_met: bool) -> Self {
        let (reference, aim) = ("–".into(), aim.into());
        Self { workload, flow8, reference, ratio: None, aim, is_met: Some(is_met) }
    }

    /// What is told beside the aims.
    pub(crate) fn aside(workload: &'static str, flow8: String) -> Self {
        Self { workload, flow8, reference: "–".into(), ratio: None, aim: "–".into(), is_met: None }
    }

    /// A row that could not be measured.
    pub(crate) fn failed(workload: &'static str, why: &str) -> Self {
        let shown = why.chars().take(200).collect::<String>().replace(['|', '\n'], " ");
        Self { is_met: Some(false), ..Self::aside(workload, shown) }
    }

    /// Not less than this part of the reference.
    pub(crate) fn at_least(workload: &'static str, flow8: f64, reference: f64, unit: &str, part: f64) -> Self {
        let aim = format!("≥ {part} of it");
        let is_met = flow8 >= part * reference;
        Self::beside(workload, flow8, reference, unit, aim, is_met)
    }

    /// Not more than so many times the reference.
    pub(crate) fn at_most(workload: &'static str, flow8: f64, reference: f64, unit: &str, times: f64) -> Self {
        let aim = format!("≤ {times} × it");
        let is_met = flow8 <= times * reference;
        Self::beside(workload, flow8, reference, unit, aim, is_met)
    }

    fn beside(workload: &'static str, flow8: f64, reference: f64, unit: &str, aim: String, is_met: bool) -> Self {
        let shown = |number: f64| format!("{} {unit}", figure(number));
        let ratio = (reference > 0.0).then(|| flow8 / reference);
        Self { workload, flow8: shown(flow8), reference: shown(reference), ratio, aim, is_met: Some(is_met) }
    }
}

/// A number with as many places as say something.
pub(crate) fn figure(number: f64) -> String {
    match number.abs() {
        0.0 => "0".into(),
        size if size >= 100.0 => format!("{number:.0}"),
        size if size >= 10.0 => format!("{number:.1}"),
        size if size >= 1.0 => format!("{number:.2}"),
        _ => format!("{number:.3}"),
    }
}

/// The middle one; of an even count, the mean of the two in the middle.
pub(crate) fn median(numbers: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = numbers.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        count if count % 2 == 1 => sorted[count / 2],
        count => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
    }
}

/// The table as people read it.
pub(crate) fn markdown(about: &str, lines: &[Line]) -> String {
    let mut text =
        format!("{about}\n\n| workload | flow8 | reference | ratio | aim | met? |\n|---|---|---|---|---|---|\n");
    for line in lines {
        let ratio = line.ratio.map_or_else(|| "–".into(), figure);
        let met = line.is_met.map_or("–", |is_met| if is_met { "yes" } else { "**no**" });
        let Line { workload, flow8, reference, aim, .. } = line;
        // Writing to a text cannot fail.
        let _ = writeln!(text, "| {workload} | {flow8} | {reference} | {ratio} | {aim} | {met} |");
    }
    text
}

/// The table as programs read it.
pub(crate) fn json(about: &str, lines: &[Line]) -> String {
    let row = |line: &Line| -> Value {
        json!({
            "workload": line.workload,
            "flow8": line.flow8,
            "reference": line.reference,
            "ratio": line.ratio,
            "aim": line.aim,
            "met": line.is_met,
        })
    };
    let table = json!({ "about": about, "rows": lines.iter().map(row).collect::<Vec<_>>() });
    format!("{table:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median([]), 0.0);
    }

    #[test]
    fn a_line_says_whether_its_aim_is_met() {
        assert_eq!(Line::at_least("w", 6.0, 10.0, "/s", 0.6).is_met, Some(true));
        assert_eq!(Line::at_most("w", 21.0, 10.0, "ms", 2.0).is_met, Some(false));
        let table = markdown("about", &[Line::at_least("w", 1234.5, 1000.0, "/s", 0.6)]);
        assert!(table.ends_with("| w | 1234 /s | 1000 /s | 1.23 | ≥ 0.6 of it | yes |\n"), "{table}");
    }
}
