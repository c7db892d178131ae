//! Storage in another process, by HTTP: each request is signed, Range and preconditions travel as they are, and bodies
//! are passed on as they come.

mod bodies;

use std::ops::Range;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use axum::response::Response;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http_body::Body;
use http_body_util::{BodyExt as _, Empty, Limited};
use kernel::{Error, Kind, ObjectId, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::wire::{self, After, Append, As, Ended, Object, Span};
use crate::{Appended, Asked, Objects, Part, Piece, Signer, Stored};
use bodies::Bodies;

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
/// How long it may take to connect.
const CONNECT: Duration = Duration::from_secs(2);
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
    /// For what is passed on as it comes.
    bodies: Bodies,
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
        Ok(Self { client, patient, bodies: Bodies::new()?, url, signer })
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
        let (url, signature) = self.signed(&method, path, query)?;
        Ok(client.request(method, url).header(header::AUTHORIZATION, signature))
    }

    /// Where a request goes, and what says that it is ours.
    fn signed(&self, method: &Method, path: &str, query: &impl Serialize) -> Result<(Url, HeaderValue)> {
        let mut url = self.url.clone();
        url.set_path(path);
        let query = serde_urlencoded::to_string(query).map_err(|e| Error::internal("no query").because(e))?;
        url.set_query(Some(&query).filter(|query| !query.is_empty()).map(String::as_str));
        let asked =
            url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()));
        let signature = self.signer.sign(method, &asked);
        Ok((url, signature))
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
    reqwest::Client::builder().connect_timeout(CONNECT).no_proxy().http1_only()
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
    gone(e.without_url())
}

fn gone(e: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::unavailable("storage is away: see that VIDEO_STORAGE_URL leads to it").because(e)
}

/// The answer, unless it says that something is wrong.
async fn good(response: reqwest::Response) -> Result<reqwest::Response> {
    let status = response.status();
    if status.is_success() { Ok(response) } else { Err(refusal(status, reqwest::Body::from(response)).await) }
}

/// What is wrong, as an answer says that is no success.
async fn refusal<B>(status: StatusCode, body: B) -> Error
where
    B: Body,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let kind = match status {
        StatusCode::BAD_REQUEST => Kind::Invalid,
        StatusCode::NOT_FOUND => Kind::NotFound,
        StatusCode::CONFLICT => Kind::Conflict,
        StatusCode::PAYLOAD_TOO_LARGE => Kind::TooLarge,
        StatusCode::INSUFFICIENT_STORAGE => Kind::Full,
        StatusCode::UNAUTHORIZED => {
            return Error::unavailable(
                "storage does not know us: give both the same JWT_KEY, and right clocks",
            );
        }
        status => return Error::unavailable(format!("storage answered {status}")),
    };
    let told = Limited::new(body, TOLD).collect().await.map(http_body_util::Collected::to_bytes);
    let problem: Option<serde_json::Value> = told.ok().and_then(|told| serde_json::from_slice(&told).ok());
    let message = problem.as_ref().and_then(|problem| problem["errors"][0]["message"].as_str());
    Error::new(kind, message.unwrap_or("Storage refused it").to_owned())
}

impl Objects for Remote {
    fn begin(&self, id: ObjectId) -> BoxFuture<'_, Result<()>> {
        async move { self.done(self.request(Method::PUT, &upload(id), &())?).await }.boxed()
    }

    fn append(&self, id: ObjectId, part: Part) -> BoxFuture<'_, Result<Appended>> {
        let Part { offset, most, body, digest, at_hand } = part;
        let query = Append { offset, most, digest: digest.map(|digest| digest.write()), at_hand };
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
            let (url, signature) = self.signed(&method, &object(id), &As { content_type })?;
            let mut request =
                Request::builder().method(method).uri(url.as_str()).header(header::AUTHORIZATION, signature);
            for name in ASKED {
                for value in headers.get_all(&name) {
                    request = request.header(&name, value);
                }
            }
            let request = request.body(Empty::new()).map_err(|e| Error::internal("no request").because(e))?;
            let mut answer = self.bodies.ask(request).await?;
            let is_theirs = matches!(
                answer.status(),
                StatusCode::NOT_MODIFIED
                    | StatusCode::PRECONDITION_FAILED
                    | StatusCode::RANGE_NOT_SATISFIABLE
            );
            if !is_theirs && !answer.status().is_success() {
                return Err(refusal(answer.status(), answer.into_body()).await);
            }
            *answer.headers_mut() = passed_on(answer.headers());
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
