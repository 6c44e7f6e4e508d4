//! What a person did while they had the browser for themselves, in words for
//! the agent: from the journal, which also feeds the tool `what_changed`.

use crate::browser::{Fact, JournalEntry};

/// Lines of one message, and the length of one, in characters.
const MOST_LINES: usize = 20;
const LONGEST_LINE: usize = 300;

/// What happened in the last takeover, if there was one: `page` is the title
/// and address in front now.
pub(super) fn of_the_last_time(facts: &[JournalEntry], page: Option<(&str, &str)>) -> Option<String> {
    let end = facts.iter().rposition(|entry| matches!(entry.fact, Fact::HandedBack { .. }))?;
    let Fact::HandedBack { by, note, seconds } = &facts[end].fact else { return None };
    let begin = facts[..end].iter().rposition(|entry| matches!(entry.fact, Fact::TookOver { .. }));
    let between = &facts[begin.map_or(0, |begin| begin + 1)..end];
    let mut text = format!("{by} had the browser for {seconds} s and has handed it back.");
    if !note.is_empty() {
        text.push_str(&format!(" They say: {note:?}."));
    }
    let mut lines: Vec<String> = between.iter().filter_map(|entry| line(&entry.fact)).collect();
    lines.dedup();
    let more = lines.len().saturating_sub(MOST_LINES);
    for line in lines.iter().take(MOST_LINES) {
        text.push_str("\n- ");
        text.push_str(line);
    }
    if more > 0 {
        text.push_str(&format!("\n- and {more} things more"));
    }
    if let Some((title, url)) = page {
        text.push_str(&shortened(&format!("\nThe page in front is now {title:?} at {url}.")));
    }
    text.push_str(
        "\nRefs from before are stale: look with what_changed before you act. No answer is needed.",
    );
    Some(text)
}

/// What a page wrote stands in quotes.
fn line(fact: &Fact) -> Option<String> {
    let line = match fact {
        Fact::Navigated { url } => format!("went to {url}"),
        Fact::TabOpened { url, .. } => format!("opened a tab with {url}"),
        Fact::TabClosed { url, title } => format!("closed the tab {title:?} ({url})"),
        Fact::TabRefused { url, reason } => format!("{url} was closed again: {reason}"),
        Fact::DialogOpened { kind, message } => format!("a {kind} dialog opened: {message:?}"),
        Fact::DialogClosed { accepted: true } => "the dialog was accepted".to_owned(),
        Fact::DialogClosed { accepted: false } => "the dialog was dismissed".to_owned(),
        Fact::DownloadEnded { file, state, .. } => format!("the download of {file:?}: {state}"),
        Fact::Crashed { url } => format!("{url} crashed"),
        Fact::FieldChanged(change) => match &change.value {
            Some(value) => format!("filled in {:?}: {value:?}", change.name),
            None => format!("filled in {:?}, whose value is secret", change.name),
        },
        Fact::ConsoleError { .. }
        | Fact::ChooserOpened { .. }
        | Fact::DownloadStarted { .. }
        | Fact::TookOver { .. }
        | Fact::HandedBack { .. } => return None,
    };
    Some(shortened(&line))
}

fn shortened(line: &str) -> String {
    match line.char_indices().nth(LONGEST_LINE) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(facts: Vec<Fact>) -> Vec<JournalEntry> {
        let numbered = facts.into_iter().zip(1..);
        numbered.map(|(fact, number)| JournalEntry { number, at: 0, tab: None, fact }).collect()
    }

    #[test]
    fn only_what_happened_while_the_person_had_it_is_told() {
        let went = |url: &str| Fact::Navigated { url: url.into() };
        let back = |note: &str| Fact::HandedBack { by: "Ada".into(), note: note.into(), seconds: 40 };
        let took = || Fact::TookOver { by: "Ada".into() };
        let facts = journal(vec![
            took(),
            went("https://old.example/"),
            back(""),
            went("https://agent.example/"),
            took(),
            went("https://shop.example/"),
            Fact::ConsoleError { text: "noise".into() },
            back("logged in"),
            went("https://later.example/"),
        ]);
        let text = of_the_last_time(&facts, Some(("Shop", "https://shop.example/"))).expect("a hand-back");
        assert!(text.starts_with("Ada had the browser for 40 s"), "{text}");
        assert!(text.contains("\"logged in\"") && text.contains("- went to https://shop.example/"), "{text}");
        for other in ["old.example", "agent.example", "later.example", "noise"] {
            assert!(!text.contains(other), "{text}");
        }
        assert!(of_the_last_time(&journal(vec![went("https://a.example/")]), None).is_none());
    }

    #[test]
    fn a_busy_person_does_not_fill_the_models_memory() {
        let many =
            (0..500).map(|n| Fact::Navigated { url: format!("https://{n}.example/{}", "x".repeat(999)) });
        let back = Fact::HandedBack { by: "Ada".into(), note: String::new(), seconds: 1 };
        let text = of_the_last_time(&journal(many.chain([back]).collect()), None).expect("told");
        assert!(text.len() < 8000 && text.contains("and 480 things more"), "{}", text.len());
    }
}
