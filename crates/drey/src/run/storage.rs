//! The address under which Flink reaches the data folder: `file://` and the path as it is.
//!
//! Flink's file systems disagree about percent signs in addresses: some decode them and some take them as they are, so
//! a snapshot of a folder `my data` may land in `my%20data`. A path that an address must encode is therefore refused.

use std::path::Path;

use crate::failure::{Failure, Result};

/// What a path may hold besides ASCII letters and digits: all that RFC 3986 allows in a path.
const PLAIN: &str = "/-._~!$&'()*+,;=:@";

/// The data folder as an address, without a slash at its end.
pub(super) fn address(data_dir: &Path) -> Result<String> {
    let refused = |why: String| {
        Failure::usage(format!("the data folder {} cannot be used", data_dir.display()))
            .why(why)
            .next("--data-dir DIR or DREY_DATA_DIR, with a path of letters, digits and -._~ only")
    };
    let odd = |c: &char| !c.is_ascii_alphanumeric() && !PLAIN.contains(*c);
    let path = data_dir.to_str().ok_or_else(|| refused("its path is not text".to_owned()))?;
    match path.chars().find(odd) {
        None => Ok(format!("file://{}", path.trim_end_matches('/'))),
        Some(odd) => {
            let odd =
                if odd == ' ' { "a space".to_owned() } else { format!("the character {odd:?}") };
            Err(refused(format!(
                "its path has {odd} in it, which addresses must encode, and Flink would then write snapshots to \
                 another folder than it reads them from"
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_an_address_must_encode_is_refused_by_naming_the_character() {
        assert_eq!(address(Path::new("/srv/drey-1_a@b,c/")).unwrap(), "file:///srv/drey-1_a@b,c");
        for (path, named) in [
            ("/my data", "a space"),
            ("/a#b", "'#'"),
            ("/50%", "'%'"),
            ("/a?b", "'?'"),
            ("/a[0]", "'['"),
            ("/home/jürgen", "'ü'"),
            ("/a\nb", r"'\n'"),
            ("/a\\b", r"'\\'"),
        ] {
            let refused = address(Path::new(path)).unwrap_err();
            assert!(refused.why[0].contains(named), "{refused}");
        }
    }
}
