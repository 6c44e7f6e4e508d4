//! Which known word was meant by one that is not known.

/// Of a longer word nothing would be like it.
const LONGEST: usize = 64;

/// The known word that is most like this one, if any is like it at all.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let (steps, near) = known.into_iter().map(|known| (distance(word, known), known)).min()?;
    (steps <= near.len().max(word.len().min(LONGEST)) / 2).then_some(near)
}

/// How many letters to add, drop or change from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.to_lowercase().chars().take(LONGEST).collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.to_lowercase().chars().take(LONGEST).enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in to.iter().enumerate() {
            let change = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_keys_leads_to_the_word_and_nonsense_to_none() {
        let known = ["allow", "ask", "deny"];
        assert_eq!(nearest("alow", known), Some("allow"));
        assert_eq!(nearest("DENY", known), Some("deny"));
        assert_eq!(nearest("qqqqqqqq", known), None);
        assert_eq!(nearest("x", []), None);
        assert_eq!(nearest(&"é".repeat(1 << 20), known), None);
    }
}
