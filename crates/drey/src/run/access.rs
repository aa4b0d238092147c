//! Access control from settings to what the server is given: the `access` section of the config file, the flags beside
//! it, and the administrator's token.
//!
//! ```text
//! --auth | access:  ─► AccessOptions ─► the token's file (made at the first start, 0600) ─► AccessControl
//! neither           ─► off, which a loopback address may be without a word, and others only with --insecure-no-auth
//! ```
//!
//! The token is in its file and nowhere else: not in the log, not in the database. Who deletes the file and starts the
//! server again has a new token, and the old one is worthless.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use drey_model::namespace::Member;
use drey_server::{AccessControl, AccessSettings, OidcSettings, SECRET_LEN_MIN, new_secret};
use ipnet::IpNet;
use serde::Deserialize;
use url::Url;
use uuid::Uuid;

use crate::args::Serve;
use crate::failure::{Failure, Result};

/// The administrator's token, below the data folder.
const TOKEN_FILE: &str = "admin-token";
/// How long the audit log is kept unless told otherwise.
pub(crate) const AUDIT_DAYS_DEFAULT: u32 = 180;
/// How long people stay logged in unless told otherwise.
const SESSION_HOURS_DEFAULT: u32 = 12;

/// Access control that is on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AccessOptions {
    admin_token_file: Option<PathBuf>,
    admins: Vec<Member>,
    is_metrics_public: bool,
    trusted_proxies: Vec<IpNet>,
    oidc: Option<OidcOptions>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct OidcOptions {
    issuer: String,
    client_id: String,
    client_secret_file: Option<PathBuf>,
    public_url: Url,
    scopes: Vec<String>,
    user_claim: String,
    groups_claim: String,
    session_hours: u32,
}

/// The `access` section of a config file.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct AccessFile {
    /// Off in spite of the section, to try without.
    enabled: Option<bool>,
    admin_token_file: Option<PathBuf>,
    admins: Vec<String>,
    public_metrics: bool,
    trusted_proxies: Vec<String>,
    pub(crate) audit_days: Option<u32>,
    public_url: Option<Url>,
    oidc: Option<OidcFile>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OidcFile {
    issuer: String,
    client_id: String,
    client_secret_file: Option<PathBuf>,
    scopes: Option<Vec<String>>,
    user_claim: Option<String>,
    groups_claim: Option<String>,
    session_hours: Option<u32>,
}

impl AccessOptions {
    /// Access control as settings say; none: off.
    pub(crate) fn of(
        args: &Serve,
        file: Option<&AccessFile>,
        listen: SocketAddr,
    ) -> Result<Option<Self>> {
        let is_in_file = file.is_some_and(|file| file.enabled != Some(false));
        if !args.auth && !is_in_file {
            let is_loopback = listen.ip().to_canonical().is_loopback();
            return match is_loopback || args.insecure_no_auth {
                true => Ok(None),
                false => Err(unguarded(listen)),
            };
        }
        if args.insecure_no_auth {
            let what = "access control cannot be on and off: --insecure-no-auth contradicts";
            let other = if args.auth { "--auth" } else { "the access section of the config file" };
            return Err(Failure::usage(format!("{what} {other}")));
        }
        let none = AccessFile::default();
        let file = file.unwrap_or(&none);
        let mut problems = Vec::new();
        let options = Self {
            admin_token_file: args.admin_token_file.clone().or(file.admin_token_file.clone()),
            admins: parsed(&file.admins, "access.admins", &mut problems),
            is_metrics_public: file.public_metrics,
            trusted_proxies: networks(&file.trusted_proxies, &mut problems),
            oidc: file.oidc.as_ref().and_then(|oidc| provider(oidc, file, &mut problems)),
        };
        if problems.is_empty() {
            return Ok(Some(options));
        }
        let failure = Failure::usage("the access section of the config file cannot be used");
        Err(problems.into_iter().fold(failure, Failure::why))
    }

    /// The name that browsers see, which the server then answers to.
    pub(crate) fn host_name(&self) -> Option<String> {
        self.oidc.as_ref()?.public_url.host_str().map(str::to_owned)
    }

    /// What the server needs, with secrets from their files; makes the administrator's token if there is none.
    pub(crate) fn prepare(&self, data_dir: &Path) -> anyhow::Result<AccessControl> {
        let (path, is_ours) = match &self.admin_token_file {
            Some(path) => (path.clone(), false),
            None => (data_dir.join(TOKEN_FILE), true),
        };
        if is_ours && !path.exists() {
            make_token(&path).with_context(|| format!("writing {}", path.display()))?;
            tracing::info!(file = %path.display(), "made an administrator's token");
        } else {
            tracing::info!(file = %path.display(), "access control is on; the administrator's token is in a file");
        }
        let admin_token = secret(&path)?;
        let length = admin_token.chars().count();
        anyhow::ensure!(
            length >= SECRET_LEN_MIN,
            "the administrator's token in {} has {length} characters and needs {SECRET_LEN_MIN} random ones \
             (openssl rand -hex 32)",
            path.display()
        );
        let oidc = self.oidc.as_ref().map(OidcOptions::prepare).transpose()?;
        Ok(AccessControl::On(Box::new(AccessSettings {
            admin_token,
            admins: self.admins.clone(),
            is_metrics_public: self.is_metrics_public,
            trusted_proxies: self.trusted_proxies.clone(),
            oidc,
        })))
    }
}

impl OidcOptions {
    fn prepare(&self) -> anyhow::Result<OidcSettings> {
        Ok(OidcSettings {
            issuer: self.issuer.clone(),
            client_id: self.client_id.clone(),
            client_secret: self.client_secret_file.as_deref().map(secret).transpose()?,
            public_url: self.public_url.clone(),
            scopes: self.scopes.clone(),
            user_claim: self.user_claim.clone(),
            groups_claim: self.groups_claim.clone(),
            session_hours: self.session_hours,
        })
    }
}

fn provider(oidc: &OidcFile, file: &AccessFile, problems: &mut Vec<String>) -> Option<OidcOptions> {
    check_url(&oidc.issuer, "access.oidc.issuer", problems);
    let Some(public_url) = file.public_url.clone() else {
        let message = "access.publicUrl is missing: where browsers see this server, for example https://drey.example";
        problems.push(message.to_owned());
        return None;
    };
    check_url(public_url.as_str(), "access.publicUrl", problems);
    if public_url.path() != "/" || public_url.query().is_some() {
        problems.push("access.publicUrl may have no path: the server is at the root".to_owned());
    }
    let scopes = ["openid", "profile", "email"].map(str::to_owned).to_vec();
    let mut scopes = oidc.scopes.clone().unwrap_or(scopes);
    if !scopes.iter().any(|scope| scope == "openid") {
        scopes.insert(0, "openid".to_owned());
    }
    Some(OidcOptions {
        issuer: oidc.issuer.clone(),
        client_id: oidc.client_id.clone(),
        client_secret_file: oidc.client_secret_file.clone(),
        public_url,
        scopes,
        user_claim: oidc.user_claim.clone().unwrap_or_else(|| "sub".to_owned()),
        groups_claim: oidc.groups_claim.clone().unwrap_or_else(|| "groups".to_owned()),
        session_hours: oidc.session_hours.unwrap_or(SESSION_HOURS_DEFAULT).max(1),
    })
}

/// https, or http on this machine: whoever listens on the way could log in as anybody.
fn check_url(text: &str, name: &str, problems: &mut Vec<String>) {
    let url = Url::parse(text).ok();
    let host = url.as_ref().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    let is_local = host == "localhost" || host == "127.0.0.1" || host == "[::1]";
    let is_fine = url.is_some_and(|url| match url.scheme() {
        "https" => !host.is_empty(),
        "http" => is_local,
        _ => false,
    });
    if !is_fine {
        problems.push(format!(
            "{name} must be an https address (http only on this machine); found {text:?}"
        ));
    }
}

fn parsed(members: &[String], name: &str, problems: &mut Vec<String>) -> Vec<Member> {
    let mut read = Vec::new();
    for member in members {
        match member.parse() {
            Ok(Member::Authenticated) => {
                problems.push(format!("{name}: not everybody can be an administrator"));
            }
            Ok(member) => read.push(member),
            Err(why) => problems.push(format!("{name}: {why}")),
        }
    }
    read
}

fn networks(texts: &[String], problems: &mut Vec<String>) -> Vec<IpNet> {
    let mut read = Vec::new();
    for text in texts {
        let address = text.parse().ok().map(|address: std::net::IpAddr| IpNet::from(address));
        match text.parse().ok().or(address) {
            Some(network) => read.push(network),
            None => problems.push(format!(
                "access.trustedProxies: {text:?} is neither an address nor a network such as 10.0.0.0/8"
            )),
        }
    }
    read
}

fn unguarded(listen: SocketAddr) -> Failure {
    Failure::usage(format!(
        "{listen} can be reached from other machines, and access control is off"
    ))
    .why("whoever reaches the port could do everything: run programs on this machine, too")
    .next("drey serve --auth                  callers must show a token; see docs/access.md")
    .next("drey serve --insecure-no-auth      only where nobody else can reach the port")
}

/// A new token in a file that only its owner reads. The file is there whole or not at all.
fn make_token(path: &Path) -> anyhow::Result<()> {
    let token = new_secret(Uuid::nil()).context("the system has no randomness")?;
    let fresh = path.with_extension("new");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&fresh)?;
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    writeln!(file, "{token}")?;
    file.sync_all()?;
    Ok(std::fs::rename(&fresh, path)?)
}

/// The text of a file without the line break that editors leave behind it.
fn secret(path: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(path);
    let text = text.with_context(|| format!("reading the secret in {}", path.display()))?;
    #[cfg(unix)]
    if let Ok(metadata) = std::fs::metadata(path)
        && std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o077 != 0
    {
        tracing::warn!(file = %path.display(), "others can read this secret (chmod 600)");
    }
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(args: &Serve, file: &str, listen: &str) -> Result<Option<AccessOptions>> {
        let file: Option<AccessFile> =
            (!file.is_empty()).then(|| serde_saphyr::from_str(file).unwrap());
        AccessOptions::of(args, file.as_ref(), listen.parse().unwrap())
    }

    #[test]
    fn an_open_door_to_the_network_must_be_asked_for_in_plain_words() {
        let (plain, mut open) = (Serve::default(), Serve::default());
        open.insecure_no_auth = true;
        for local in ["127.0.0.1:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            assert_eq!(of(&plain, "", local), Ok(None));
        }
        for public in ["0.0.0.0:80", "[::]:80", "192.0.2.1:80"] {
            let refused = of(&plain, "", public).unwrap_err().to_string();
            assert!(
                refused.contains("--insecure-no-auth") && refused.contains("--auth"),
                "{refused}"
            );
            assert!(of(&plain, "enabled: false", public).is_err());
            assert_eq!(of(&open, "", public), Ok(None));
            assert!(of(&plain, "enabled: true", public).unwrap().is_some());
        }
    }

    #[test]
    fn on_and_off_at_once_is_a_mistake() {
        let both = Serve { auth: true, insecure_no_auth: true, ..Serve::default() };
        assert!(of(&both, "", "127.0.0.1:80").unwrap_err().to_string().contains("contradicts"));
    }

    #[test]
    fn everything_that_is_wrong_with_the_section_is_said_at_once() {
        let wrong = "
admins: [bob, 'system:authenticated']
trustedProxies: [nowhere]
publicUrl: http://drey.example/x
oidc: { issuer: 'http://login.example', clientId: drey }
";
        let refused = of(&Serve::default(), wrong, "127.0.0.1:80").unwrap_err();
        assert_eq!(refused.why.len(), 6, "{refused}");
        let missing = "oidc: { issuer: 'https://login.example', clientId: drey }";
        let refused = of(&Serve::default(), missing, "127.0.0.1:80").unwrap_err();
        assert!(refused.to_string().contains("publicUrl is missing"), "{refused}");
    }

    #[test]
    fn the_token_is_made_once_for_its_owner_alone_and_weak_ones_are_refused() {
        let folder = std::env::temp_dir().join(format!("drey-access-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let options = of(&Serve { auth: true, ..Serve::default() }, "", "127.0.0.1:80");
        let options = options.unwrap().unwrap();
        let token = |control| match control {
            AccessControl::On(settings) => settings.admin_token,
            AccessControl::Off => String::new(),
        };
        let first = token(options.prepare(&folder).unwrap());
        assert!(first.starts_with("drey_"));
        assert_eq!(token(options.prepare(&folder).unwrap()), first);
        #[cfg(unix)]
        {
            let metadata = std::fs::metadata(folder.join(TOKEN_FILE)).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
        std::fs::write(folder.join("weak"), "secret\n").unwrap();
        let weak = AccessOptions { admin_token_file: Some(folder.join("weak")), ..options };
        let refused = weak.prepare(&folder).unwrap_err().to_string();
        assert!(refused.contains("6 characters") && !refused.contains("secret "), "{refused}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
