//! A small OpenID Connect provider on a real socket: it signs real tokens, spends codes once, checks the verifier and
//! the client's secret, and can be told to be wrong in one way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// When tokens are made; the clock of the servers under test begins here.
pub(crate) const NOW_S: i64 = 1_790_000_000;
pub(crate) const CLIENT: &str = "drey";
pub(crate) const CLIENT_SECRET: &str = "a secret: of & for clients";
/// Bytes before the RSAPrivateKey in the PKCS#8 form of a key of 2048 bits.
const PKCS8_PREFIX: usize = 26;

/// A key that tokens are signed with.
struct Key {
    id: String,
    algorithm: Algorithm,
    secret: EncodingKey,
}

impl Key {
    fn rsa(id: &str) -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der: Pkcs8V1Der<'_> = pair.as_der().unwrap();
        let secret = EncodingKey::from_rsa_der(&der.as_ref()[PKCS8_PREFIX..]);
        Self { id: id.to_owned(), algorithm: Algorithm::RS256, secret }
    }

    fn ec(id: &str) -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let der = pair.to_pkcs8v1().unwrap();
        let secret = EncodingKey::from_ec_der(der.as_ref());
        Self { id: id.to_owned(), algorithm: Algorithm::ES256, secret }
    }

    fn public(&self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.secret, self.algorithm).unwrap();
        jwk.common.key_id = Some(self.id.clone());
        serde_json::to_value(jwk).unwrap()
    }
}

/// What a code stands for.
struct Grant {
    nonce: String,
    challenge: String,
    redirect_uri: String,
}

/// Makes another token of a signed one.
pub(crate) type Forge = fn(&str) -> String;

/// The provider.
pub(crate) struct Provider {
    pub(crate) issuer: String,
    /// What is changed in the claims of the next tokens.
    pub(crate) claims: Mutex<Value>,
    /// What is done to the next tokens once they are signed.
    pub(crate) forge: Mutex<Option<Forge>>,
    /// How often the keys were asked for.
    pub(crate) keys_asked: Mutex<u32>,
    /// Keys in order; the last one signs.
    keys: Mutex<Vec<Key>>,
    grants: Mutex<HashMap<String, Grant>>,
}

impl Provider {
    /// Starts one; it ends with the test.
    pub(crate) async fn start() -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let provider = Arc::new(Self {
            issuer: format!("http://{}", listener.local_addr().unwrap()),
            claims: Mutex::new(json!({})),
            forge: Mutex::default(),
            keys_asked: Mutex::default(),
            keys: Mutex::new(vec![Key::rsa("one")]),
            grants: Mutex::default(),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/authorize", get(authorize))
            .route("/token", post(token))
            .route("/keys", get(keys))
            .with_state(Arc::clone(&provider));
        tokio::spawn(async move { axum::serve(listener, router).await });
        provider
    }

    /// Signs with a new key from now on, and forgets the old ones.
    pub(crate) fn rotate(&self, id: &str) {
        *self.keys.lock().unwrap() = vec![Key::ec(id)];
    }

    fn sign(&self, nonce: &str) -> String {
        let mut claims = json!({
            "iss": self.issuer, "aud": CLIENT, "sub": "0815", "nonce": nonce, "iat": NOW_S,
            "exp": NOW_S + 300, "name": "Ann", "email": "ann@example.org", "email_verified": true,
            "groups": ["dev", "ops"],
        });
        for (name, value) in self.claims.lock().unwrap().as_object().unwrap() {
            claims[name] = value.clone();
        }
        let keys = self.keys.lock().unwrap();
        let key = keys.last().unwrap();
        let header = Header { kid: Some(key.id.clone()), ..Header::new(key.algorithm) };
        let signed = encode(&header, &claims, &key.secret).unwrap();
        match *self.forge.lock().unwrap() {
            Some(forge) => forge(&signed),
            None => signed,
        }
    }
}

type Shared = State<Arc<Provider>>;

async fn discovery(State(provider): Shared) -> Json<Value> {
    let at = |path: &str| format!("{}{path}", provider.issuer);
    Json(json!({
        "issuer": provider.issuer,
        "authorization_endpoint": at("/authorize?tenant=1"),
        "token_endpoint": at("/token"),
        "jwks_uri": at("/keys"),
    }))
}

async fn keys(State(provider): Shared) -> Json<Value> {
    *provider.keys_asked.lock().unwrap() += 1;
    let keys = provider.keys.lock().unwrap();
    let mut keys: Vec<Value> = keys.iter().map(Key::public).collect();
    // Other providers publish what we do not understand.
    keys.insert(0, json!({ "kty": "quantum", "kid": "odd" }));
    Json(json!({ "keys": keys }))
}

/// The user agrees at once.
async fn authorize(
    State(provider): Shared,
    Query(asked): Query<HashMap<String, String>>,
) -> Response {
    let expected = [
        ("tenant", "1"),
        ("response_type", "code"),
        ("client_id", CLIENT),
        ("scope", "openid profile email"),
        ("code_challenge_method", "S256"),
    ];
    for (name, value) in expected {
        if asked.get(name).map(String::as_str) != Some(value) {
            return (StatusCode::BAD_REQUEST, format!("{name}: {asked:?}")).into_response();
        }
    }
    let code = uuid::Uuid::new_v4().to_string();
    let grant = Grant {
        nonce: asked["nonce"].clone(),
        challenge: asked["code_challenge"].clone(),
        redirect_uri: asked["redirect_uri"].clone(),
    };
    let location = format!("{}?code={code}&state={}", grant.redirect_uri, asked["state"]);
    provider.grants.lock().unwrap().insert(code, grant);
    (StatusCode::FOUND, [("location", location)]).into_response()
}

async fn token(State(provider): Shared, headers: HeaderMap, body: String) -> Response {
    let asked: HashMap<String, String> =
        url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let refused =
        |status: StatusCode, error: &str| (status, Json(json!({ "error": error }))).into_response();
    let encoded: String = url::form_urlencoded::byte_serialize(CLIENT_SECRET.as_bytes()).collect();
    let basic = format!("Basic {}", STANDARD.encode(format!("{CLIENT}:{encoded}")));
    if headers.get("authorization").and_then(|value| value.to_str().ok()) != Some(&basic) {
        return refused(StatusCode::UNAUTHORIZED, "invalid_client");
    }
    let Some(grant) = provider.grants.lock().unwrap().remove(&asked["code"]) else {
        return refused(StatusCode::BAD_REQUEST, "invalid_grant");
    };
    let proof = URL_SAFE_NO_PAD.encode(Sha256::digest(asked["code_verifier"].as_bytes()));
    let is_theirs = proof == grant.challenge && asked["redirect_uri"] == grant.redirect_uri;
    if !is_theirs || asked["grant_type"] != "authorization_code" {
        return refused(StatusCode::BAD_REQUEST, "invalid_grant");
    }
    let id_token = provider.sign(&grant.nonce);
    Json(json!({ "access_token": "x", "token_type": "Bearer", "id_token": id_token }))
        .into_response()
}
