//! "Did you mean …?": the known word that is at most two typing mistakes away.

const MISTAKES_MAX: usize = 2;
const WORD_CHARS_MAX: usize = 64;

/// The candidate nearest to `word`, in any letter case; the first of several that are equally near.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.to_lowercase().chars().take(WORD_CHARS_MAX + 1).collect();
    if word.len() > WORD_CHARS_MAX {
        return None;
    }
    // Short words are near to everything: one mistake for each two letters.
    let allowed = MISTAKES_MAX.min(word.len() / 2);
    let scored = candidates.into_iter().filter_map(|candidate| {
        let letters: Vec<char> = candidate.to_lowercase().chars().collect();
        let mistakes = mistakes(&word, &letters);
        (mistakes <= allowed).then_some((mistakes, candidate))
    });
    scored.min_by_key(|(mistakes, _)| *mistakes).map(|(_, candidate)| candidate)
}

/// Letters added, dropped, replaced or swapped with their neighbour.
fn mistakes(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], j: usize| row.get(j).copied().unwrap_or(usize::MAX - 1);
            let replaced = at(&last, j) + usize::from(x != y);
            let mut best = replaced.min(at(&last, j + 1) + 1).min(at(&row, j) + 1);
            let is_swap = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if is_swap {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(word: &str, expected: Option<&str>) {
        let known = ["upgradeStrategy", "state", "template", "cpu"];
        assert_eq!(nearest(word, known), expected, "{word}");
    }

    #[test]
    fn two_mistakes_are_forgiven() {
        check("upgradeStratgy", Some("upgradeStrategy"));
        check("UPGRADESTRATEGIE", Some("upgradeStrategy"));
        check("tsate", Some("state"));
        check("temlpaet", Some("template"));
        check("replicas", None);
        check("gpu", Some("cpu"));
        check("x", None);
        check("", None);
    }
}
