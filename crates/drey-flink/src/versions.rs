//! Flink versions, and what differs between them.
//!
//! ```text
//! `1.20`  ──resolve──►  newest known 1.20.x        `2.2.1`  ──resolve──►  itself        `1.20-scala_2.12` ──► 1.20.x
//! ```
//!
//! Owns the table of known releases with the hashes of their packages, and every question of the form "does version X
//! do Y". Does not own fetching ([`crate::dist`]).

use std::fmt;
use std::str::FromStr;

/// A Flink release, such as `2.2.1`, or a whole line of them, such as `1.20`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// First number.
    pub major: u32,
    /// Second number.
    pub minor: u32,
    /// Third number; absent: any.
    pub patch: Option<u32>,
}

impl Version {
    /// Whether this version belongs to a line before `major.minor`.
    #[must_use]
    pub fn is_before(&self, major: u32, minor: u32) -> bool {
        (self.major, self.minor) < (major, minor)
    }

    /// Whether `other` is meant by this version.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let is_same_line = (self.major, self.minor) == (other.major, other.minor);
        is_same_line && (self.patch.is_none() || self.patch == other.patch)
    }

    /// The oldest and the newest minor version of Python 3 that PyFlink of this version has packages for.
    #[must_use]
    pub fn python_3(&self) -> (u32, u32) {
        match (self.major, self.minor) {
            (1, 18) => (7, 10),
            (1, _) | (2, 0) => (8, 11),
            _ => (9, 12),
        }
    }

    /// Whether its JobManager takes the jars of the program as an option.
    #[must_use]
    pub fn takes_jars(&self) -> bool {
        !self.is_before(1, 19)
    }

    /// The oldest Java that runs this version.
    #[must_use]
    pub fn java_min(&self) -> u32 {
        11
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        self.patch.map_or(Ok(()), |patch| write!(f, ".{patch}"))
    }
}

impl FromStr for Version {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let error = || Error::Unreadable { text: text.to_owned() };
        // Image tags such as `1.20.1-scala_2.12-java17` name a version, too.
        let number = text.trim().split('-').next().unwrap_or_default();
        let parts: Vec<Option<u32>> = number.split('.').map(|p| p.parse().ok()).collect();
        match parts.as_slice() {
            [Some(major), Some(minor)] => Ok(Self { major: *major, minor: *minor, patch: None }),
            [Some(major), Some(minor), Some(patch)] => {
                Ok(Self { major: *major, minor: *minor, patch: Some(*patch) })
            }
            _ => Err(error()),
        }
    }
}

/// Why a version cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not a version.
    #[error("reading `{text}` as a Flink version: write it like 1.20 or 2.2.1")]
    Unreadable {
        /// The text.
        text: String,
    },
    /// No release of that line is known, or it is too old.
    #[error("looking for Flink {version}: {why}; known are {known}{nearest}")]
    Unknown {
        /// What was asked for.
        version: Version,
        /// What is wrong with it.
        why: &'static str,
        /// Known releases.
        known: String,
        /// `, nearest is X`.
        nearest: String,
    },
}

/// What Drey knows about running a release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// Real jobs of this release were run, stopped, upgraded and recovered.
    Tested,
    /// Nothing speaks against it.
    Expected,
}

/// One known release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// Its three numbers.
    pub version: Version,
    /// What Drey knows about it.
    pub support: Support,
    /// Size of the PyPI package, when it is known.
    pub package_bytes: Option<u64>,
    /// SHA-256 of the PyPI package, when it was verified.
    pub sha256: Option<&'static str>,
}

const fn release(
    (major, minor, patch): (u32, u32, u32),
    support: Support,
    package_bytes: Option<u64>,
    sha256: Option<&'static str>,
) -> Release {
    Release {
        version: Version { major, minor, patch: Some(patch) },
        support,
        package_bytes,
        sha256,
    }
}

/// Known releases, oldest first.
pub const RELEASES: &[Release] = &[
    release((1, 18, 1), Support::Expected, None, None),
    release((1, 19, 3), Support::Expected, None, None),
    release(
        (1, 20, 5),
        Support::Tested,
        Some(231_999_354),
        Some("e6aee62ea1a1fe7b32e28894ad079f3f1a50a372a4caac3df52405267f4228c8"),
    ),
    release((2, 0, 2), Support::Expected, None, None),
    release((2, 1, 3), Support::Expected, None, None),
    release(
        (2, 2, 1),
        Support::Tested,
        Some(312_587_297),
        Some("74dc5546fbd9add8fbcdf1222a237e09491f9b80296241aef8676ec56f8e686e"),
    ),
    release(
        (2, 3, 0),
        Support::Tested,
        Some(329_139_814),
        Some("38ece876553286b3a285cf344c2d2038f8a7ca10da5df54d5107250386d64151"),
    ),
];

/// The version of a Deployment that names none.
pub const DEFAULT: Version = Version { major: 2, minor: 2, patch: Some(1) };

/// The known release with exactly these numbers.
#[must_use]
pub fn known(version: &Version) -> Option<&'static Release> {
    RELEASES.iter().find(|r| r.version == *version)
}

/// The known releases, for people.
#[must_use]
pub fn known_list() -> String {
    let all: Vec<String> = RELEASES.iter().map(|r| r.version.to_string()).collect();
    all.join(", ")
}

/// The release that `version` means: a line means its newest known release, three numbers mean themselves.
///
/// # Errors
/// Versions before 1.18, and lines without a known release.
pub fn resolve(version: &Version) -> Result<Version, Error> {
    let fail = |why| {
        let distance = |r: &&Release| {
            (r.version.major.abs_diff(version.major), r.version.minor.abs_diff(version.minor))
        };
        let nearest = RELEASES.iter().min_by_key(distance);
        let nearest = nearest.map(|r| format!(", nearest is {}", r.version)).unwrap_or_default();
        Error::Unknown { version: *version, why, known: known_list(), nearest }
    };
    if version.is_before(1, 18) {
        return Err(fail("it is older than 1.18, the oldest that Drey runs"));
    }
    if version.patch.is_some() {
        return Ok(*version);
    }
    let newest = RELEASES.iter().map(|r| r.version).filter(|v| version.covers(v)).max();
    newest.ok_or_else(|| fail("no release of it is known"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_means_its_newest_release() {
        let cases = [
            ("1.20", "1.20.5"),
            ("2.2", "2.2.1"),
            ("2.2.0", "2.2.0"),
            ("1.20-scala_2.12", "1.20.5"),
        ];
        for (asked, meant) in cases {
            assert_eq!(resolve(&asked.parse().unwrap()).unwrap().to_string(), meant);
        }
    }

    #[test]
    fn what_cannot_be_used_is_refused_with_what_can() {
        let error = resolve(&"1.17".parse().unwrap()).unwrap_err().to_string();
        assert!(
            error.contains("older than 1.18") && error.contains("nearest is 1.18.1"),
            "{error}"
        );
        let error = resolve(&"2.9".parse().unwrap()).unwrap_err().to_string();
        assert!(error.contains("nearest is 2.3.0"), "{error}");
        for text in ["", "2", "latest", "1.x", "1.2.3.4"] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_default_is_a_tested_release() {
        assert_eq!(known(&DEFAULT).unwrap().support, Support::Tested);
    }
}
