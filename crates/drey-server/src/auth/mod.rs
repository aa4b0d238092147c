//! Access control: who is calling, what may they do, and what to tell them when they may not.
//!
//! ```text
//! request ─► authenticate ─► Caller ─► decide(Caller, Permission of the route, namespace) ─► handler
//!              │  bearer token, or session cookie            │
//!              └─► limiter: failed attempts cost time        └─► audit: changes, and refusals
//! people:  /auth/login ─► provider (oidc) ─► /auth/callback ─► session
//! ```
//!
//! It is off unless [`AccessControl::On`]: then every caller is [`Caller::Everyone`], who may do everything. Does not own
//! the matrix of roles (`drey_model::role`), or which permission a route needs (`crate::routes`).

mod address;
mod authenticate;
mod caller;
mod decide;
mod limiter;
pub(crate) mod oidc;
mod secret;
mod session;

use std::fmt;

use drey_model::namespace::Member;
use ipnet::IpNet;
use url::Url;

use crate::audit::Refusals;

pub(crate) use address::client_address;
pub(crate) use authenticate::{authenticate, too_many};
pub(crate) use caller::Caller;
pub(crate) use decide::{Place, decide, forbidden};
pub(crate) use limiter::{Bucket, Limiter};
pub use secret::{SECRET_LEN_MIN, new_secret};
pub(crate) use secret::{hash, random_text};
pub(crate) use session::{Cookie, Session};

/// Whether callers must say who they are.
#[derive(Debug, Clone, Default)]
pub enum AccessControl {
    /// Whoever reaches the server may do everything.
    #[default]
    Off,
    /// As these settings say.
    On(Box<AccessSettings>),
}

/// How callers say who they are, and who administrates.
#[derive(Clone)]
pub struct AccessSettings {
    /// The secret of the administrator's token.
    pub admin_token: String,
    /// People and groups that are administrators.
    pub admins: Vec<Member>,
    /// Whether `/metrics` asks nobody who they are.
    pub is_metrics_public: bool,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// How people log in; without it only tokens do.
    pub oidc: Option<OidcSettings>,
}

/// An OpenID Connect provider, and how its people become ours.
#[derive(Clone)]
pub struct OidcSettings {
    /// The issuer; `/.well-known/openid-configuration` is below it.
    pub issuer: String,
    /// What the provider calls us.
    pub client_id: String,
    /// What we prove that with; public clients have none.
    pub client_secret: Option<String>,
    /// Where browsers see this server; the provider sends them back to `/auth/callback` below it.
    pub public_url: Url,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// The claim that is the person's id in `user:<id>`.
    pub user_claim: String,
    /// The claim with the names in `group:<id>`.
    pub groups_claim: String,
    /// How long a session lasts.
    pub session_hours: u32,
}

// Settings are printed for debugging; their secrets never are.
impl fmt::Debug for AccessSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessSettings")
            .field("admins", &self.admins)
            .field("is_metrics_public", &self.is_metrics_public)
            .field("trusted_proxies", &self.trusted_proxies)
            .field("oidc", &self.oidc)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for OidcSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcSettings")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .field("public_url", &self.public_url.as_str())
            .finish_non_exhaustive()
    }
}

/// What access control works with, while it is on.
pub(crate) struct Gate {
    pub(crate) settings: AccessSettings,
    /// SHA-256 of the administrator's token.
    pub(crate) admin_hash: String,
    /// Of wrong tokens.
    pub(crate) limiter: Limiter,
    /// Of logins that failed at the provider, which nobody shall have us ask without end.
    pub(crate) logins: Limiter,
    pub(crate) refusals: Refusals,
    pub(crate) oidc: Option<oidc::Oidc>,
}

impl Gate {
    /// The gate of a server, if it has one.
    pub(crate) fn of(control: AccessControl) -> Option<Self> {
        match control {
            AccessControl::Off => None,
            AccessControl::On(settings) => Some(Self {
                admin_hash: hash(&settings.admin_token),
                limiter: Limiter::default(),
                logins: Limiter::default(),
                refusals: Refusals::default(),
                oidc: settings.oidc.clone().map(oidc::Oidc::new),
                settings: *settings,
            }),
        }
    }
}
