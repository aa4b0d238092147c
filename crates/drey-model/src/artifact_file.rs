//! Uploaded artifacts: what they may be called, where they lie, and what the artifact service says of them.
//!
//! Source: platform API reference §1.12, §2.3. An artifact lies at `artifacts/namespaces/<ns>/<filename>` below the base
//! URI of the storage, as on the platform, so that its URI shows whose it is. Does not own the storage.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most artifacts of a namespace in one list, in the order of their names.
pub const LIST_MAX: usize = 1_000;
/// Longest name: file systems take 255 bytes, of which an upload under way needs a few.
const NAME_BYTES_MAX: usize = 200;
/// Characters that storages, URIs or shells read as something else.
const RESERVED: &[char] = &[
    '/', '\\', '#', '?', '%', '*', ':', '"', '\'', '<', '>', '|', '{', '}', '^', '[', ']', '~',
    '`', '$', '&',
];

/// An uploaded artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ArtifactFile {
    /// Its name, unique in the namespace.
    pub filename: String,
    /// Where it lies; can be used as `jarUri` as it is.
    pub uri: String,
    /// When it was uploaded, `yyyy-MM-ddTHH:mm:ssZ`.
    pub create_time: String,
}

/// The artifacts of a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ArtifactFiles {
    /// The first [`LIST_MAX`], by name.
    pub artifacts: Vec<ArtifactFile>,
}

/// One artifact, as uploads and metadata answer it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OneArtifactFile {
    /// The artifact.
    pub artifact: ArtifactFile,
}

/// Why an artifact cannot have this name, as a sentence; nothing when it can.
#[must_use]
pub fn check_filename(name: &str) -> Option<String> {
    let shown = crate::document::quoted(name);
    if name.is_empty() {
        return Some("The file has no name. Name it, for example job.jar.".to_owned());
    }
    // Storages write what is not ASCII as three characters a byte, and file systems know no name beyond 255.
    let stored: usize = name.bytes().map(|byte| if byte.is_ascii() { 1 } else { 3 }).sum();
    if stored > NAME_BYTES_MAX {
        return Some(format!(
            "{shown} is too long. A name has {NAME_BYTES_MAX} characters at most; what is not ASCII counts three times or more."
        ));
    }
    let is_odd = |c: &char| c.is_control() || RESERVED.contains(c) || is_invisible(*c);
    if let Some(odd) = name.chars().find(is_odd) {
        return Some(format!(
            "{shown} holds {odd:?}, which the name of an artifact cannot hold. Use letters, digits and ._-+=@,() as in job-1.2.jar."
        ));
    }
    let is_hidden = name.starts_with('.') || name.starts_with(' ') || name.ends_with([' ', '.']);
    is_hidden.then(|| {
        format!("{shown} begins or ends with a dot or a space. Use a name such as job-1.2.jar.")
    })
}

/// Characters that show nothing, or change how their neighbours are shown.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// The folder of a namespace below the base of the storage.
#[must_use]
pub fn folder(namespace: &str) -> String {
    format!("artifacts/namespaces/{namespace}")
}

/// The namespace and the name behind a path below the base of the storage; `None`: no artifact lies there.
#[must_use]
pub fn parse_path(path: &str) -> Option<(&str, &str)> {
    let rest = path.trim_start_matches('/').strip_prefix("artifacts/namespaces/")?;
    let (namespace, name) = rest.split_once('/')?;
    check_filename(name).is_none().then_some((namespace, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_their_folder_or_hide_are_refused() {
        for good in ["job.jar", "my job (1).jar", "a-1.2+b_c=@,.jar", "größe.jar", &"x".repeat(200)]
        {
            assert_eq!(check_filename(good), None, "{good}");
        }
        let long = "x".repeat(201);
        for bad in [
            "",
            ".",
            "..",
            "../a.jar",
            "a/b.jar",
            "a\\b.jar",
            "a\0.jar",
            "a\n.jar",
            ".hidden",
            " a",
            "a ",
            "a.",
            "a.jar#1",
            "a%2fb",
            "a?b",
            "~a",
            "${X}",
            "a\u{202e}b",
            "\u{200b}",
            "c:a",
            &long,
        ] {
            assert!(check_filename(bad).is_some(), "{bad:?}");
        }
    }

    #[test]
    fn a_path_shows_whose_artifact_it_is() {
        let path = format!("/{}/a.jar", folder("team"));
        assert_eq!(parse_path(&path), Some(("team", "a.jar")));
        assert_eq!(parse_path("artifacts/namespaces/team/../b/a.jar"), None);
        assert_eq!(parse_path("artifacts/namespaces/team"), None);
        assert_eq!(parse_path("elsewhere/a.jar"), None);
    }
}
