//! The contract for programs, and a page to read and try it.
//!
//! The page is Swagger UI, kept in this repository as it was published (`assets/swagger-ui`, refreshed by
//! `cargo xtask vendor-swagger-ui`), so it works without the internet and asks nobody outside: its Content-Security-Policy
//! lets it talk to this server alone.

use std::io::Read;

use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Response};
use flate2::read::GzDecoder;

use crate::error::Error;
use crate::wire::Reply;

/// Nothing from elsewhere, and no page of elsewhere around it. Swagger UI writes `style` attributes.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PAGE: &str = include_str!("../../assets/swagger-ui/index.html");
const START: &str = include_str!("../../assets/swagger-ui/start.js");
const STYLE: &[u8] = include_bytes!("../../assets/swagger-ui/swagger-ui.css.gz");
const SCRIPT: &[u8] = include_bytes!("../../assets/swagger-ui/swagger-ui-bundle.js.gz");

/// `GET /api/openapi.json`.
pub(crate) async fn openapi() -> Reply {
    Reply::ok(crate::openapi())
}

/// `GET /api/swagger.json`.
pub(crate) async fn swagger() -> Reply {
    Reply::ok(crate::swagger())
}

/// `GET /swagger`.
pub(crate) async fn page() -> Response {
    plain("text/html; charset=utf-8", PAGE)
}

/// `GET /swagger/{file}`: one of the files that the page names.
pub(crate) async fn file(Path(file): Path<String>, headers: HeaderMap) -> Result<Response, Error> {
    let javascript = "text/javascript; charset=utf-8";
    match file.as_str() {
        "start.js" => Ok(plain(javascript, START)),
        "swagger-ui.css" => packed("text/css; charset=utf-8", STYLE, &headers),
        "swagger-ui-bundle.js" => packed(javascript, SCRIPT, &headers),
        _ => Err(Error::not_found("The page at /swagger has no such file.")),
    }
}

fn head(media_type: &'static str) -> [(HeaderName, &'static str); 4] {
    [
        (header::CONTENT_TYPE, media_type),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-cache"),
    ]
}

fn plain(media_type: &'static str, text: &'static str) -> Response {
    (head(media_type), text).into_response()
}

/// As it is kept, for the clients that can unpack it; unpacked for the few that cannot.
fn packed(
    media_type: &'static str,
    gzip: &'static [u8],
    asks: &HeaderMap,
) -> Result<Response, Error> {
    if takes_gzip(asks) {
        let encoding = [(header::CONTENT_ENCODING, "gzip"), (header::VARY, "accept-encoding")];
        return Ok((head(media_type), encoding, gzip).into_response());
    }
    let mut unpacked = Vec::new();
    GzDecoder::new(gzip)
        .read_to_end(&mut unpacked)
        .map_err(|e| Error::internal("This file of the page cannot be unpacked.", e.to_string()))?;
    Ok((head(media_type), [(header::VARY, "accept-encoding")], unpacked).into_response())
}

/// Whether `Accept-Encoding` names gzip, and not to rule it out.
fn takes_gzip(asks: &HeaderMap) -> bool {
    let listed = asks.get_all(header::ACCEPT_ENCODING).iter().filter_map(|v| v.to_str().ok());
    listed.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").map_or(Ok(1.0), str::parse::<f32>);
        name.trim().eq_ignore_ascii_case("gzip") && weight.is_ok_and(|weight| weight > 0.0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_sent_only_to_who_asks_for_it() {
        let takes = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, value.parse().expect("a header value"));
            takes_gzip(&headers)
        };
        assert!(takes("gzip, deflate, br") && takes("br;q=1.0, GZIP;q=0.2"));
        assert!(!takes("gzip;q=0") && !takes("identity") && !takes("x-gzipped") && !takes(""));
    }
}
