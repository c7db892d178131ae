//! Storage in another process, by HTTP: each request is signed, Range and preconditions travel as they are, and bodies
//! are passed on as they come.

use std::ops::Range;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use kernel::{Error, Kind, ObjectId, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::wire::{self, After, Append, As, Ended, Object, Span};
use crate::{Appended, Asked, Objects, Part, Piece, Signer, Stored};

/// What says for which parts somebody asks, and on what condition.
const ASKED: [header::HeaderName; 6] = [
    header::RANGE,
    header::IF_RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
];
/// What is passed on of an answer.
const ANSWERED: [header::HeaderName; 6] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::ACCEPT_RANGES,
    header::ETAG,
    header::LAST_MODIFIED,
];
/// How long the other end may be silent that is asked for something at hand.
const SILENCE: Duration = Duration::from_secs(60);
/// How long a request may take that sends a film, or has one copied before it is answered.
const FILM: Duration = Duration::from_secs(6 * 3600);
/// The longest that is told of why something failed.
const TOLD: usize = 64 * 1024;

/// Storage behind HTTP.
pub struct Remote {
    client: reqwest::Client,
    /// For what takes long before the first byte of its answer: to the other one that is silence.
    patient: reqwest::Client,
    url: Url,
    signer: Signer,
}

impl Remote {
    /// Storage at `url`, to which requests are signed.
    ///
    /// # Errors
    /// `Invalid` for an address that is none.
    pub fn new(url: &str, signer: Signer) -> Result<Self> {
        let wrong =
            || Error::invalid("VIDEO_STORAGE_URL must be the address of storage, e.g. http://storage:3333");
        let url = Url::parse(url).map_err(|_| wrong())?;
        if !matches!(url.scheme(), "http" | "https") || url.path() != "/" || url.query().is_some() {
            return Err(wrong());
        }
        // A body takes as long as a viewer watches: what has a bound is the silence.
        let client = built(builder().read_timeout(SILENCE))?;
        // Whether the other end is still there says TCP.
        let patient = built(builder().tcp_keepalive(SILENCE).timeout(FILM))?;
        Ok(Self { client, patient, url, signer })
    }

    fn request(&self, method: Method, path: &str, query: &impl Serialize) -> Result<reqwest::RequestBuilder> {
        self.request_by(&self.client, method, path, query)
    }

    fn request_by(
        &self,
        client: &reqwest::Client,
        method: Method,
        path: &str,
        query: &impl Serialize,
    ) -> Result<reqwest::RequestBuilder> {
        let mut url = self.url.clone();
        url.set_path(path);
        let query = serde_urlencoded::to_string(query).map_err(|e| Error::internal("no query").because(e))?;
        url.set_query(Some(&query).filter(|query| !query.is_empty()).map(String::as_str));
        let asked =
            url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let signature = self.signer.sign(&method, &asked);
        Ok(client.request(method, url).header(header::AUTHORIZATION, signature))
    }

    async fn json<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> Result<T> {
        let response = good(request.send().await.map_err(away)?).await?;
        response.json().await.map_err(away)
    }

    async fn done(&self, request: reqwest::RequestBuilder) -> Result<()> {
        good(request.send().await.map_err(away)?).await.map(drop)
    }
}

fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder().connect_timeout(Duration::from_secs(2)).no_proxy().http1_only()
}

fn built(builder: reqwest::ClientBuilder) -> Result<reqwest::Client> {
    builder.build().map_err(|e| Error::internal("no HTTP client").because(e))
}

fn upload(id: ObjectId) -> String {
    format!("{}/{id}", wire::UPLOADS)
}

fn object(id: ObjectId) -> String {
    format!("{}/{id}", wire::OBJECTS)
}

fn away(e: reqwest::Error) -> Error {
    Error::unavailable("storage is away: see that VIDEO_STORAGE_URL leads to it").because(e.without_url())
}

/// The answer, unless it says that something is wrong.
async fn good(mut response: reqwest::Response) -> Result<reqwest::Response> {
    let kind = match response.status() {
        status if status.is_success() => return Ok(response),
        StatusCode::BAD_REQUEST => Kind::Invalid,
        StatusCode::NOT_FOUND => Kind::NotFound,
        StatusCode::CONFLICT => Kind::Conflict,
        StatusCode::PAYLOAD_TOO_LARGE => Kind::TooLarge,
        StatusCode::INSUFFICIENT_STORAGE => Kind::Full,
        StatusCode::UNAUTHORIZED => {
            return Err(Error::unavailable(
                "storage does not know us: give both the same JWT_KEY, and right clocks",
            ));
        }
        status => return Err(Error::unavailable(format!("storage answered {status}"))),
    };
    let mut told = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        if told.len() + chunk.len() > TOLD {
            break;
        }
        told.extend_from_slice(&chunk);
    }
    let problem: Option<serde_json::Value> = serde_json::from_slice(&told).ok();
    let message = problem.as_ref().and_then(|problem| problem["errors"][0]["message"].as_str());
    Err(Error::new(kind, message.unwrap_or("Storage refused it").to_owned()))
}

impl Objects for Remote {
    fn begin(&self, id: ObjectId) -> BoxFuture<'_, Result<()>> {
        async move { self.done(self.request(Method::PUT, &upload(id), &())?).await }.boxed()
    }

    fn append(&self, id: ObjectId, part: Part) -> BoxFuture<'_, Result<Appended>> {
        let Part { offset, most, body, digest } = part;
        let query = Append { offset, most, digest: digest.map(|digest| digest.write()) };
        async move {
            let request = self.request_by(&self.patient, Method::PATCH, &upload(id), &query)?;
            let body = reqwest::Body::wrap_stream(body.into_data_stream());
            let Ended { offset, came } = self.json(request.body(body)).await?;
            Ok(Appended { offset, came })
        }
        .boxed()
    }

    fn uploaded(&self, id: ObjectId) -> BoxFuture<'_, Result<u64>> {
        async move {
            let Ended { offset, .. } = self.json(self.request(Method::GET, &upload(id), &())?).await?;
            Ok(offset)
        }
        .boxed()
    }

    fn read_upload(&self, id: ObjectId, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        let span = Span { from: range.start, until: range.end };
        async move {
            let request = self.request(Method::GET, &format!("{}/bytes", upload(id)), &span)?;
            let response = good(request.send().await.map_err(away)?).await?;
            response.bytes().await.map_err(away)
        }
        .boxed()
    }

    fn publish(&self, id: ObjectId, pieces: Option<Vec<Piece>>) -> BoxFuture<'_, Result<Stored>> {
        async move {
            let request = self.request_by(&self.patient, Method::POST, &object(id), &())?;
            let Object { size, sha256 } = self.json(request.body(wire::write(pieces.as_deref())?)).await?;
            Ok(Stored { size, sha256 })
        }
        .boxed()
    }

    fn remove(&self, id: ObjectId) -> BoxFuture<'_, Result<()>> {
        async move { self.done(self.request(Method::DELETE, &object(id), &())?).await }.boxed()
    }

    fn answer(&self, id: ObjectId, asked: Asked) -> BoxFuture<'_, Result<Response>> {
        let Asked { method, headers, content_type, .. } = asked;
        async move {
            let mut request = self.request(method, &object(id), &As { content_type })?;
            for name in ASKED {
                for value in headers.get_all(&name) {
                    request = request.header(&name, value);
                }
            }
            let response = request.send().await.map_err(away)?;
            let response = match response.status() {
                StatusCode::NOT_MODIFIED
                | StatusCode::PRECONDITION_FAILED
                | StatusCode::RANGE_NOT_SATISFIABLE => response,
                _ => good(response).await?,
            };
            let (status, told) = (response.status(), passed_on(response.headers()));
            let mut answer = Response::new(Body::from_stream(response.bytes_stream()));
            (*answer.status_mut(), *answer.headers_mut()) = (status, told);
            Ok(answer)
        }
        .boxed()
    }

    fn list(&self, after: Option<ObjectId>) -> BoxFuture<'_, Result<Vec<ObjectId>>> {
        async move { self.json(self.request(Method::GET, wire::OBJECTS, &After { after })?).await }.boxed()
    }
}

fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let known = |name: &header::HeaderName| headers.get(name).map(|value| (name.clone(), value.clone()));
    ANSWERED.iter().filter_map(known).collect()
}
