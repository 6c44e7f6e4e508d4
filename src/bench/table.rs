//! The results, as a table for people and as JSON for programs.

use serde::Serialize;

/// One thing that was measured.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub name: &'static str,
    pub unit: &'static str,
    /// What is asked for: at most or at least this much.
    pub goal: Goal,
    /// Named values; the first is the one that the goal is about.
    pub values: Vec<(&'static str, f64)>,
    /// Nothing when it could not be measured.
    pub met: Option<bool>,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Goal {
    AtMost(f64),
    AtLeast(f64),
}

impl Goal {
    fn met(self, value: f64) -> bool {
        match self {
            Goal::AtMost(limit) => value <= limit,
            Goal::AtLeast(limit) => value >= limit,
        }
    }
}

impl std::fmt::Display for Goal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Goal::AtMost(limit) => write!(f, "≤ {}", shortly(*limit)),
            Goal::AtLeast(limit) => write!(f, "≥ {}", shortly(*limit)),
        }
    }
}

impl Row {
    pub fn new(name: &'static str, unit: &'static str, goal: Goal, values: Vec<(&'static str, f64)>) -> Self {
        let met = Some(values.first().is_some_and(|(_, value)| goal.met(*value)));
        Self { name, unit, goal, values, met }
    }

    /// A row that lacks what the goal is about.
    pub fn unmeasured(
        name: &'static str,
        unit: &'static str,
        goal: Goal,
        values: Vec<(&'static str, f64)>,
    ) -> Self {
        Self { name, unit, goal, values, met: None }
    }

    pub fn print(&self) {
        let values: Vec<String> =
            self.values.iter().map(|(name, value)| format!("{name} {}", figure(*value))).collect();
        let (name, goal, unit) = (self.name, self.goal.to_string(), self.unit);
        let mark = match self.met {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "not measured",
        };
        println!("{name:<52} {goal:>8} {unit:<6} {mark:<7} {}", values.join(", "));
    }
}

/// One place after the point, two below one: shares are told apart by them.
fn figure(value: f64) -> String {
    if value.abs() < 1.0 { format!("{value:.2}") } else { format!("{value:.1}") }
}

/// A limit with the places that it has, three at most.
fn shortly(limit: f64) -> f64 {
    (limit * 1000.0).round() / 1000.0
}

/// The value below which `fraction` of the samples lie; sorts them.
pub(super) fn percentile(samples: &mut [f64], fraction: f64) -> f64 {
    samples.sort_by(f64::total_cmp);
    match samples.len() {
        0 => f64::NAN,
        len => samples[((len as f64 * fraction) as usize).min(len - 1)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_samples() {
        let mut samples: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(percentile(&mut samples, 0.5), 51.0);
        assert_eq!(percentile(&mut samples, 0.95), 96.0);
        assert!(percentile(&mut [], 0.5).is_nan());
    }

    #[test]
    fn a_goal_is_about_the_first_value() {
        let row = Row::new("x", "ms", Goal::AtMost(10.0), vec![("p50", 9.0), ("p95", 40.0)]);
        assert_eq!(row.met, Some(true));
        assert_eq!(Row::new("x", "dB", Goal::AtLeast(50.0), vec![("luma", 49.9)]).met, Some(false));
    }
}
