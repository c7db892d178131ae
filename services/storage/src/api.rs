//! What streaming asks of storage when it runs elsewhere. Every request is signed by it ([`objects::Signer`]) and counts
//! for a minute; anybody else is told that they are not authorized.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Query, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::{get, put};
use kernel::ObjectId;
use objects::wire::{self, After, Append, As, Ended, Object, Span};
use objects::{Asked, Came, Objects as _, Part};
use web::{AtMost, Failure, PathId, Routes, Unhurried};

use crate::Storage;

/// What a publication may bring of its own: the index of a film, at most.
const PIECES: usize = 80 * 1024 * 1024;

pub(crate) fn routes() -> Routes<Storage> {
    Routes::new()
        .route("/storage/objects", get(list))
        .route("/storage/objects/{id}", get(read).post(publish).delete(remove))
        .route("/storage/uploads/{id}", put(begin).patch(append).get(uploaded))
        .route("/storage/uploads/{id}/bytes", get(read_upload))
}

/// A request that streaming has signed; 401 for any other.
struct Signed;

impl FromRequestParts<Storage> for Signed {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, storage: &Storage) -> Result<Self, Failure> {
        storage.0.signer.check(&parts.method, &parts.uri, &parts.headers)?;
        Ok(Self)
    }
}

async fn begin(
    State(storage): State<Storage>,
    _: Signed,
    PathId(id): PathId<ObjectId>,
) -> web::Result<StatusCode> {
    storage.begin(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn append(
    State(storage): State<Storage>,
    _: Signed,
    PathId(id): PathId<ObjectId>,
    Query(asked): Query<Append>,
    _: Unhurried,
    body: Body,
) -> web::Result<Json<Ended>> {
    let digest = asked.digest()?;
    let part = Part { offset: asked.offset, most: asked.most, body, digest, at_hand: asked.at_hand };
    Ok(Json(storage.append(id, part).await?.into()))
}

async fn uploaded(
    State(storage): State<Storage>,
    _: Signed,
    PathId(id): PathId<ObjectId>,
) -> web::Result<Json<Ended>> {
    Ok(Json(Ended { offset: storage.uploaded(id).await?, came: Came::Whole }))
}

async fn read_upload(
    State(storage): State<Storage>,
    _: Signed,
    PathId(id): PathId<ObjectId>,
    Query(span): Query<Span>,
) -> web::Result<Bytes> {
    Ok(storage.read_upload(id, span.from..span.until).await?)
}

async fn publish(
    State(storage): State<Storage>,
    _: Signed,
    PathId(id): PathId<ObjectId>,
    _: Unhurried,
    AtMost(pieces): AtMost<PIECES>,
) -> web::Result<Json<Object>> {
    let stored = storage.publish(id, wire::read(&pieces)?).await?;
    Ok(Json(stored.into()))
}

async fn read(
    State(storage): State<Storage>,
    _: Signed,
    PathId(id): PathId<ObjectId>,
    Query(As { content_type }): Query<As>,
    request: Request,
) -> web::Result<Response> {
    let by_sendfile = sendfile::takes_files(request.extensions(), request.version());
    let (Parts { method, headers, .. }, _) = request.into_parts();
    let asked = Asked { method, headers, content_type, by_sendfile };
    Ok(storage.answer(id, asked).await?)
}

async fn remove(
    State(storage): State<Storage>,
    _: Signed,
    PathId(id): PathId<ObjectId>,
) -> web::Result<StatusCode> {
    storage.remove(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn list(
    State(storage): State<Storage>,
    _: Signed,
    Query(After { after }): Query<After>,
) -> web::Result<Json<Vec<ObjectId>>> {
    Ok(Json(storage.list(after).await?))
}
