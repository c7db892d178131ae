//! The style sheet, the scripts and the icon, built into the binary. Their addresses carry a fingerprint
//! of their content, so a browser keeps them for ever and still sees a new release at once.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::failure::Failure;

struct Asset {
    path: String,
    content_type: &'static str,
    bytes: &'static [u8],
}

impl Asset {
    fn new(stem: &str, extension: &str, content_type: &'static str, bytes: &'static [u8]) -> Self {
        let digest = Sha256::digest(bytes);
        let print = HEXLOWER.encode(&digest[..8]);
        Self { path: format!("/assets/{stem}.{print}.{extension}"), content_type, bytes }
    }

    fn answer(&self, cache: &'static str) -> Response {
        let headers = [
            (header::CONTENT_TYPE, HeaderValue::from_static(self.content_type)),
            (header::CACHE_CONTROL, HeaderValue::from_static(cache)),
            // Who takes gzip is sent another one.
            (header::VARY, HeaderValue::from_static("accept-encoding")),
        ];
        (headers, self.bytes).into_response()
    }
}

/// One style sheet, in the order in which later rules win.
const STYLE: &str = concat!(
    include_str!("../assets/style/ground.css"),
    include_str!("../assets/style/pieces.css"),
    include_str!("../assets/style/pages.css"),
    include_str!("../assets/style/screens.css"),
    include_str!("../assets/style/paper.css"),
);

static CSS: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("marquee", "css", "text/css; charset=utf-8", STYLE.as_bytes()));
static JS: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("marquee", "js", "text/javascript; charset=utf-8", include_bytes!("../assets/marquee.js"))
});
static PLAYER: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("player", "js", "text/javascript; charset=utf-8", include_bytes!("../assets/player.js"))
});
static UPLOAD: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("upload", "js", "text/javascript; charset=utf-8", include_bytes!("../assets/upload.js"))
});
static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_bytes!("../assets/icon.svg")));

/// Where the style sheet is.
pub(crate) fn css() -> &'static str {
    &CSS.path
}

/// Where the script is.
pub(crate) fn js() -> &'static str {
    &JS.path
}

/// A script that only some pages have, besides the one that all of them have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// What makes a video a player.
    Player,
    /// What sends large files, and goes on where it was.
    Upload,
}

impl Script {
    /// Where it is.
    pub fn address(self) -> &'static str {
        match self {
            Self::Player => &PLAYER.path,
            Self::Upload => &UPLOAD.path,
        }
    }
}

/// Serves the assets and `/favicon.ico`.
pub fn assets() -> Router {
    Router::new()
        .route("/assets/{name}", get(asset))
        .route("/assets/icon.svg", get(icon))
        .route("/favicon.ico", get(icon))
}

async fn asset(Path(name): Path<String>) -> Result<Response, Failure> {
    let is_it = |asset: &&Asset| asset.path.strip_prefix("/assets/") == Some(name.as_str());
    let all = [&*CSS, &*JS, &*PLAYER, &*UPLOAD, &*ICON];
    let asset = all.into_iter().find(is_it).ok_or_else(kernel::Error::not_found)?;
    Ok(asset.answer("public, max-age=31536000, immutable"))
}

/// Its addresses are what browsers ask for by themselves and have no fingerprint, so it is kept for a day.
async fn icon() -> Response {
    ICON.answer("public, max-age=86400")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{get as get_, send, served, web};

    #[tokio::test]
    async fn an_address_is_its_content() {
        let (web, _) = web();
        let app = || served(assets(), &web);
        let script = "text/javascript; charset=utf-8";
        for (path, content_type) in [
            (css(), "text/css; charset=utf-8"),
            (js(), script),
            (Script::Player.address(), script),
            (Script::Upload.address(), script),
        ] {
            let response = send(app(), get_(path, &[])).await;
            assert_eq!(response.status(), 200, "{path}");
            assert_eq!(response.headers()[header::CONTENT_TYPE], content_type);
            assert!(response.headers()[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
        }
        for path in ["/favicon.ico", "/assets/icon.svg"] {
            let response = send(app(), get_(path, &[])).await;
            assert_eq!(response.headers()[header::CONTENT_TYPE], "image/svg+xml", "{path}");
        }
        for path in ["/assets/marquee.css", "/assets/..%2fsecret", "/assets/"] {
            assert_eq!(send(app(), get_(path, &[])).await.status(), 404, "{path}");
        }
    }
}
