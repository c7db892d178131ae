//! HTTPS in the process: whose certificate, how a self-signed one is made and kept, and what is left to the
//! plain port.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::uri::{Authority, Uri};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state, map_response};
use axum::response::{IntoResponse as _, Response};
use axum_server::tls_rustls::RustlsConfig;
use kernel::{Error, Instant, Result};

const DAY: Duration = Duration::from_secs(86_400);
/// How long a self-signed certificate counts; Apple's systems take none that counts for more than 825 days.
const COUNTS: Duration = DAY.saturating_mul(800);
/// A start after this time makes a new one.
const RENEWED: Duration = DAY.saturating_mul(700);
/// What machines ask from near by, without our certificate.
const PLAIN: [&str; 4] = ["/livez", "/readyz", "/metrics", "/health"];

/// What an installation may choose about HTTPS. Nothing: it is not served.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "HTTPS")]
pub struct Tls {
    /// Serve HTTPS with this certificate chain (PEM)
    #[arg(id = "tls_cert", long = "tls-cert", env = "TLS_CERT", global = true, value_name = "FILE")]
    pub cert: Option<PathBuf>,
    /// The key of --tls-cert (PEM)
    #[arg(id = "tls_key", long = "tls-key", env = "TLS_KEY", global = true, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Serve HTTPS with a certificate of our own making, for trying it out
    #[arg(id = "tls_self_signed", long = "tls-self-signed", env = "TLS_SELF_SIGNED", global = true)]
    pub self_signed: bool,
    /// The port of HTTPS; the plain port then leads there
    #[arg(
        id = "tls_port",
        long = "tls-port",
        env = "TLS_PORT",
        default_value_t = 3443,
        global = true,
        value_name = "PORT"
    )]
    pub port: u16,
}

impl Tls {
    /// Whether HTTPS is served, so that cookies travel by nothing else.
    pub(crate) fn is_on(&self) -> bool {
        self.self_signed || self.cert.is_some() || self.key.is_some()
    }

    /// The certificate and its key, if HTTPS is served.
    ///
    /// # Errors
    /// A sentence that says which of the files is missing or wrong.
    pub(crate) async fn open(&self, data: &Path, host: IpAddr, now: Instant) -> Result<Option<RustlsConfig>> {
        let told = match (&self.cert, &self.key, self.self_signed) {
            (None, None, false) => return Ok(None),
            (None, None, true) => return config(&own(data, host, now)?).await.map(Some),
            (Some(cert), Some(key), false) => return config(&files(cert, key)?).await.map(Some),
            (_, _, true) => "--tls-self-signed makes its own certificate: leave out --tls-cert and --tls-key",
            (Some(_), None, _) => "--tls-cert needs --tls-key: name the file of the certificate's key",
            (None, Some(_), _) => "--tls-key needs --tls-cert: name the file of the key's certificate",
        };
        Err(Error::invalid(told))
    }
}

/// A certificate chain and its key, as PEM, and what to say if they do not fit.
struct Pair {
    cert: Vec<u8>,
    key: Vec<u8>,
    unfit: String,
}

/// Takes ring for all cryptography of this process. Again is no harm.
pub fn use_ring() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

async fn config(pair: &Pair) -> Result<RustlsConfig> {
    use_ring();
    RustlsConfig::from_pem(pair.cert.clone(), pair.key.clone())
        .await
        .map_err(|e| Error::invalid(pair.unfit.clone()).because(e))
}

fn files(cert: &Path, key: &Path) -> Result<Pair> {
    let read = |flag: &str, path: &Path| {
        let told = || format!("{flag} names {}, which cannot be read", path.display());
        fs::read(path).map_err(|e| Error::invalid(told()).because(e))
    };
    let unfit = format!("{} and {} are no PEM certificate and its key", cert.display(), key.display());
    Ok(Pair { cert: read("--tls-cert", cert)?, key: read("--tls-key", key)?, unfit })
}

/// The self-signed certificate in `data`; made if there is none, or not this one, or one that ends soon.
fn own(data: &Path, host: IpAddr, now: Instant) -> Result<Pair> {
    let now = UNIX_EPOCH + Duration::from_millis(now.as_millis().unsigned_abs());
    let (cert, key) = (data.join("tls-cert.pem"), data.join("tls-key.pem"));
    let mut names = vec!["localhost".to_string(), "127.0.0.1".into()];
    if !host.is_unspecified() && !names.contains(&host.to_string()) {
        names.push(host.to_string());
    }
    let first_line = format!("For {}\n", names.join(", "));
    let made = || -> Result<()> {
        let pair =
            certify(names, now).map_err(|e| Error::internal("cannot make a certificate").because(e))?;
        // The certificate comes last: where it is, its key is.
        remove(&cert)
            .and_then(|()| keep(data, &key, pair.key.as_bytes()))
            .and_then(|()| keep(data, &cert, (first_line.clone() + &pair.cert).as_bytes()))
            .map_err(|e| Error::unavailable("cannot write the certificate").because(e))
    };
    if !is_good(&cert, &first_line, now) || !key.exists() {
        made()?;
    }
    let read = |path: &Path| {
        fs::read(path).map_err(|e| Error::unavailable(format!("cannot read {}", path.display())).because(e))
    };
    let unfit = format!("{} is damaged: delete it, and a new one is made", cert.display());
    Ok(Pair { cert: read(&cert)?, key: read(&key)?, unfit })
}

fn is_good(cert: &Path, first_line: &str, now: SystemTime) -> bool {
    let fresh = fs::metadata(cert).and_then(|file| file.modified()).is_ok_and(|made| now < made + RENEWED);
    fresh && fs::read_to_string(cert).is_ok_and(|text| text.starts_with(first_line))
}

struct Texts {
    cert: String,
    key: String,
}

fn certify(names: Vec<String>, now: SystemTime) -> std::result::Result<Texts, rcgen::Error> {
    let key = rcgen::KeyPair::generate()?;
    let mut wanted = rcgen::CertificateParams::new(names)?;
    wanted.distinguished_name.push(rcgen::DnType::CommonName, "Marquee, self-signed");
    wanted.not_before = (now - DAY).into();
    wanted.not_after = (now + COUNTS).into();
    wanted.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let cert = wanted.self_signed(&key)?;
    Ok(Texts { cert: cert.pem(), key: key.serialize_pem() })
}

fn remove(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Writes aside, makes durable, and only then names; readable by its owner only.
fn keep(data: &Path, path: &Path, text: &[u8]) -> std::io::Result<()> {
    let aside = path.with_extension("new");
    remove(&aside)?;
    let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(&aside)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&aside, path)?;
    fs::File::open(data)?.sync_all()
}

/// Tells browsers never to come by plain HTTP again: only where the certificate is one that they trust.
pub(crate) fn strict(routes: Router) -> Router {
    routes.layer(map_response(async |mut response: Response| {
        let value = HeaderValue::from_static("max-age=31536000");
        response.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, value);
        response
    }))
}

#[derive(Clone)]
struct Away {
    public_url: Option<String>,
    port: u16,
}

/// What the plain port does: it leads to HTTPS, and answers what machines ask from near by.
pub(crate) fn plain(routes: Router, public_url: Option<&str>, port: u16) -> Router {
    let public_url =
        public_url.filter(|url| url.starts_with("https://")).map(|url| url.trim_end_matches('/').to_string());
    routes.layer(from_fn_with_state(Away { public_url, port }, lead_away))
}

async fn lead_away(State(away): State<Away>, request: Request, next: Next) -> Response {
    if PLAIN.contains(&request.uri().path()) {
        return next.run(request).await;
    }
    match away.target(request.uri(), request.headers()) {
        Some(target) => (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, target)]).into_response(),
        None => StatusCode::BAD_REQUEST.into_response(),
    }
}

impl Away {
    /// The same place by HTTPS: at the public address, or else at the host that was asked.
    fn target(&self, uri: &Uri, headers: &HeaderMap) -> Option<HeaderValue> {
        let path = uri.path_and_query().map_or("/", |p| p.as_str());
        let path = if path.starts_with('/') { path } else { "/" };
        let text = if let Some(site) = &self.public_url {
            format!("{site}{path}")
        } else {
            let asked = match headers.get(header::HOST) {
                Some(host) => host.to_str().ok()?.parse::<Authority>().ok()?,
                None => uri.authority()?.clone(),
            };
            match self.port {
                443 => format!("https://{}{path}", asked.host()),
                port => format!("https://{}:{port}{path}", asked.host()),
            }
        };
        text.try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Instant {
        kernel::Clock::system().now()
    }

    #[test]
    fn a_redirect_keeps_host_path_and_query() {
        for (public_url, port, host, uri, target) in [
            (None, 3443, Some("localhost:3333"), "/a?b=c", Some("https://localhost:3443/a?b=c")),
            (None, 443, Some("shop.example"), "/", Some("https://shop.example/")),
            (None, 3443, Some("[::1]:3333"), "/", Some("https://[::1]:3443/")),
            (
                None,
                3443,
                Some("shop.example"),
                "//evil.example",
                Some("https://shop.example:3443//evil.example"),
            ),
            (None, 3443, Some("me@shop.example"), "/", Some("https://shop.example:3443/")),
            (None, 3443, Some("a b"), "/", None),
            (None, 3443, None, "/", None),
            (Some("https://shop.example"), 3443, Some("inside:3333"), "/a", Some("https://shop.example/a")),
        ] {
            let away = Away { public_url: public_url.map(str::to_string), port };
            let mut headers = HeaderMap::new();
            if let Some(host) = host {
                headers.insert(header::HOST, HeaderValue::from_static(host));
            }
            let found = away.target(&Uri::from_static(uri), &headers);
            assert_eq!(
                found.as_ref().map(HeaderValue::as_bytes),
                target.map(str::as_bytes),
                "{host:?} {uri}"
            );
        }
    }

    #[test]
    fn a_certificate_of_our_own_is_kept_until_it_is_for_others() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().unwrap();
        let local = IpAddr::from([127, 0, 0, 1]);
        let first = own(dir.path(), local, now()).unwrap();
        assert_eq!(own(dir.path(), local, now()).unwrap().cert, first.cert);
        let mode = fs::metadata(dir.path().join("tls-key.pem")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let other = own(dir.path(), IpAddr::from([192, 0, 2, 1]), now()).unwrap();
        assert_ne!(other.cert, first.cert);
        assert_ne!(other.key, first.key);
        fs::remove_file(dir.path().join("tls-key.pem")).unwrap();
        let anew = own(dir.path(), local, now()).unwrap();
        assert_ne!(anew.key, other.key);
        assert_ne!(own(dir.path(), local, now() + COUNTS).unwrap().cert, anew.cert);
    }

    #[tokio::test]
    async fn half_a_choice_is_refused_with_a_sentence() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file.pem");
        fs::write(&file, "nothing").unwrap();
        let (some, none) = (|| Some(file.clone()), || None::<PathBuf>);
        let absent = || Some(dir.path().join("absent.pem"));
        for (cert, key, self_signed, told) in [
            (some(), none(), false, "--tls-cert needs --tls-key"),
            (none(), some(), false, "--tls-key needs --tls-cert"),
            (some(), some(), true, "leave out"),
            (absent(), some(), false, "--tls-cert names"),
            (some(), absent(), false, "--tls-key names"),
            (some(), some(), false, "no PEM certificate"),
        ] {
            let tls = Tls { cert, key, self_signed, port: 0 };
            assert!(tls.is_on());
            let error = tls.open(dir.path(), IpAddr::from([127, 0, 0, 1]), now()).await.unwrap_err();
            assert!(error.to_string().contains(told), "{error}");
        }
        assert!(
            Tls::default().open(dir.path(), IpAddr::from([127, 0, 0, 1]), now()).await.unwrap().is_none()
        );
    }
}
