//! Media types: what a body is written in, and what an answer should be written in.

use axum::http::{HeaderMap, header};
use drey_model::document::Format;

/// What the client wants to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wants {
    Json,
    Yaml,
    EventStream,
    PlainText,
}

/// The format of a request body; `None`: cannot be a document.
///
/// Without a content type, and for the types that command-line tools send unasked, the text itself tells. `curl -d`
/// calls everything a form, which a page of another site could do too without the browser asking us first; it gets no
/// further than `middleware::same_origin`, because browsers put an `Origin` on every POST. `text/plain` is what nobody
/// but such a page sends, so it is refused here as well.
pub(crate) fn format_of(headers: &HeaderMap, text: &[u8]) -> Option<Format> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Some(detect(text));
    };
    let essence = essence(value.to_str().unwrap_or("")).to_ascii_lowercase();
    match essence.as_str() {
        "application/json" | "text/json" | "application/merge-patch+json" => Some(Format::Json),
        "application/yaml"
        | "text/yaml"
        | "application/x-yaml"
        | "text/x-yaml"
        | "application/merge-patch+yaml" => Some(Format::Yaml),
        "" | "application/octet-stream" | "application/x-www-form-urlencoded" => Some(detect(text)),
        other if other.ends_with("+json") => Some(Format::Json),
        other if other.ends_with("+yaml") => Some(Format::Yaml),
        _ => None,
    }
}

/// JSON begins with a brace, and so may YAML in its flow style; JSON is tried first there.
fn detect(text: &[u8]) -> Format {
    let begins_with_brace = text.trim_ascii_start().first() == Some(&b'{');
    let is_json =
        begins_with_brace && serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok();
    if is_json { Format::Json } else { Format::Yaml }
}

/// The media type without its parameters.
fn essence(value: &str) -> &str {
    value.split(';').next().unwrap_or("").trim()
}

/// What the client prefers among what this API can write; JSON when it does not say or wants something else.
pub(crate) fn wants(headers: &HeaderMap) -> Wants {
    let listed = headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok());
    let mut best = (Wants::Json, 0_u32);
    for item in listed.flat_map(|line| line.split(',')).take(32) {
        if let Some((wants, weight)) = weigh(item)
            && weight > best.1
        {
            best = (wants, weight);
        }
    }
    best.0
}

/// One item of an `Accept` header and its weight: first quality, then how specific it is.
fn weigh(item: &str) -> Option<(Wants, u32)> {
    let essence = essence(item).to_ascii_lowercase();
    let (wants, specific) = match essence.as_str() {
        "application/json" | "text/json" => (Wants::Json, 1),
        "application/yaml" | "text/yaml" | "application/x-yaml" | "text/x-yaml" => (Wants::Yaml, 1),
        "text/event-stream" => (Wants::EventStream, 1),
        "text/plain" => (Wants::PlainText, 1),
        "*/*" | "application/*" => (Wants::Json, 0),
        _ => return None,
    };
    let quality = item.split(';').skip(1).find_map(|p| p.trim().strip_prefix("q="));
    let quality = quality.and_then(|q| q.trim().parse::<f32>().ok()).unwrap_or(1.0);
    let thousandths = (quality.clamp(0.0, 1.0) * 1000.0) as u32;
    (thousandths > 0).then_some((wants, thousandths * 2 + specific))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(value: &str) -> Wants {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, value.parse().expect("a header value"));
        wants(&headers)
    }

    #[test]
    fn the_first_of_the_best_wins_and_wildcards_are_the_weakest() {
        assert_eq!(wants(&HeaderMap::new()), Wants::Json);
        assert_eq!(accept("*/*"), Wants::Json);
        assert_eq!(accept("application/yaml"), Wants::Yaml);
        assert_eq!(accept("*/*, Application/YAML; charset=utf-8"), Wants::Yaml);
        assert_eq!(accept("application/json, application/yaml"), Wants::Json);
        assert_eq!(accept("application/json;q=0.5, text/yaml;q=0.9"), Wants::Yaml);
        assert_eq!(accept("text/html, image/webp"), Wants::Json);
        assert_eq!(accept("application/yaml;q=0"), Wants::Json);
        assert_eq!(accept("application/yaml;q=NaN"), Wants::Json);
    }

    #[test]
    fn bodies_without_a_helpful_type_tell_by_themselves() {
        let none = HeaderMap::new();
        assert_eq!(format_of(&none, b" {\"a\":1}"), Some(Format::Json));
        assert_eq!(format_of(&none, b"{a: 1}"), Some(Format::Yaml));
        assert_eq!(format_of(&none, b"a: 1"), Some(Format::Yaml));
        let mut xml = HeaderMap::new();
        xml.insert(header::CONTENT_TYPE, "application/xml".parse().expect("a header value"));
        assert_eq!(format_of(&xml, b"<a/>"), None);
    }
}
