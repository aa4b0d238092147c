//! Label selectors: `env=prod,team in (a, b),!legacy` (platform API reference Q14).
//!
//! `!=` and `notin` also match resources that lack the label, as in Kubernetes.

use crate::meta::TextMap;

/// Requirements that all have to hold; none matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    requirements: Vec<Requirement>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    rule: Rule,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    Present,
    Absent,
    In(Vec<String>),
    NotIn(Vec<String>),
}

impl Selector {
    /// Reads a selector.
    ///
    /// # Errors
    /// Which part cannot be read, and what may stand there.
    pub fn parse(text: &str) -> Result<Self, String> {
        let parts = parts(text)?;
        let requirements = parts.into_iter().map(requirement).collect::<Result<_, _>>()?;
        Ok(Self { requirements })
    }

    /// Whether all requirements hold for these labels.
    #[must_use]
    pub fn matches(&self, labels: &TextMap) -> bool {
        self.requirements.iter().all(|r| r.holds(labels.get(&r.key).map(String::as_str)))
    }
}

impl Requirement {
    fn holds(&self, value: Option<&str>) -> bool {
        let is_one_of = |values: &[String]| value.is_some_and(|v| values.iter().any(|x| x == v));
        match &self.rule {
            Rule::Present => value.is_some(),
            Rule::Absent => value.is_none(),
            Rule::In(values) => is_one_of(values),
            Rule::NotIn(values) => !is_one_of(values),
        }
    }
}

/// Splits at commas outside parentheses.
fn parts(text: &str) -> Result<Vec<&str>, String> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let (mut parts, mut start, mut is_inside) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match c {
            '(' if !is_inside => is_inside = true,
            ')' if is_inside => is_inside = false,
            '(' | ')' => return Err(format!("The parentheses of {text:?} do not match.")),
            ',' if !is_inside => {
                parts.push(text.get(start..at).unwrap_or_default().trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    if is_inside {
        return Err(format!("The parentheses of {text:?} do not match."));
    }
    parts.push(text.get(start..).unwrap_or_default().trim());
    Ok(parts)
}

fn requirement(part: &str) -> Result<Requirement, String> {
    let odd = || {
        format!(
            "Cannot read {part:?} in the label selector. Use k=v, k!=v, k in (a,b), k notin (a,b), k or !k."
        )
    };
    let one = |value: &str| vec![value.trim().to_owned()];
    let (key, rule) = if let Some(list) = part.strip_suffix(')') {
        let (head, values) = list.split_once('(').ok_or_else(odd)?;
        let values = values.split(',').map(|v| v.trim().to_owned()).collect();
        let (key, word) = head.trim().rsplit_once(char::is_whitespace).ok_or_else(odd)?;
        match word {
            "in" => (key, Rule::In(values)),
            "notin" => (key, Rule::NotIn(values)),
            _ => return Err(odd()),
        }
    } else if let Some((key, value)) = part.split_once("!=") {
        (key, Rule::NotIn(one(value)))
    } else if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        (key, Rule::In(one(value)))
    } else if let Some(key) = part.strip_prefix('!') {
        (key, Rule::Absent)
    } else {
        (part, Rule::Present)
    };
    let key = key.trim();
    let is_key = !key.is_empty()
        && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'));
    let has_odd_value = match &rule {
        Rule::In(values) | Rule::NotIn(values) => values.iter().any(|v| v.contains(['=', '!'])),
        Rule::Present | Rule::Absent => false,
    };
    if !is_key || has_odd_value {
        return Err(odd());
    }
    Ok(Requirement { key: key.to_owned(), rule })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str, expected: bool) {
        let labels: TextMap = [("env", "prod"), ("app.io/tier", "1"), ("empty", "")]
            .map(|(k, v)| (k.into(), v.into()))
            .into();
        assert_eq!(Selector::parse(text).unwrap().matches(&labels), expected, "{text}");
    }

    #[test]
    fn every_operator_works() {
        check("", true);
        check("env=prod", true);
        check("env == prod , app.io/tier=1", true);
        check("env=prod,team=x", false);
        check("env!=prod", false);
        check("team!=x", true);
        check("env in (dev, prod)", true);
        check("env notin (dev,prod)", false);
        check("team notin (x)", true);
        check("env", true);
        check("!env", false);
        check("!team,empty=", true);
    }

    #[test]
    fn the_rest_is_refused() {
        for text in [
            ",",
            "=x",
            "env in dev",
            "env on (a)",
            "env in (a",
            "a)b",
            "a b",
            "!",
            "a=b=c",
            "in (a)",
        ] {
            assert!(Selector::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a=!(), in]{0,20}|.*") {
            let _ = Selector::parse(&text);
        }
    }
}
