//! Watching: `GET /video`. Which video, whether whoever asks may watch it, what storage answers to the range they ask for;
//! and an eye on it while it is delivered.

use axum::extract::{RawQuery, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::response::Response;
use kernel::{Error, Result, VideoId};
use objects::Asked;
use web::{ClientAddr, MaybeSession, Routes, Session, routes};

use crate::delivery::{Delivery, Leave};
use crate::known::{Known, LookUp, gate};
use crate::{Streaming, seats};

pub(crate) fn routes() -> Routes<Streaming> {
    Routes::new().api(routes!(watch, head))
}

/// Watch a video
///
/// By its id, or by the path that its file has here. Ranges and preconditions as RFC 9110 has them, several ranges
/// included. A `link` (see `POST /api/videos/{id}/links`) admits in place of a session.
#[utoipa::path(
    get, path = "/video", tag = "videos", operation_id = "watchVideo",
    params(
        ("id" = Option<String>, Query, description = "The video's id"),
        ("path" = Option<String>, Query, description = "Its path"),
        ("link" = Option<String>, Query, description = "A signed link's token"),
        ("Range" = Option<String>, Header, description = "Which of its bytes"),
    ),
    security((), ("session" = [])),
    responses(
        (status = 200, description = "All of it", body = Vec<u8>, content_type = "video/*"),
        (status = 206, description = "What was asked for; several ranges as parts", content(
            (Vec<u8> = "video/*"), (Vec<u8> = "multipart/byteranges"),
        )),
        (status = 304, description = "As the preconditions of the request have it"),
        (status = 400, description = "Exactly one of id and path must be given"),
        (status = 401, description = "Not authorized | Your ticket admits from 2026-12-24T19:30:00.000Z | What your \
            ticket admitted to is over"),
        (status = 404, description = "Not found"),
        (status = 412, description = "The preconditions of the request are not met"),
        (status = 416, description = "It has no such bytes: `Content-Range` says how many there are"),
    ),
)]
async fn watch(
    State(streaming): State<Streaming>,
    MaybeSession(session): MaybeSession,
    RawQuery(query): RawQuery,
    client: ClientAddr,
    asked: Request,
) -> web::Result<Response> {
    let Query { key, link } = Query::read(query.as_deref().unwrap_or_default())?;
    let video = streaming.video(&key).await?;
    let (viewer, leave) = match streaming.by_link(link.as_deref(), video.id).await? {
        Some((viewer, ends)) => (viewer, Leave { session: None, ends: Some(ends) }),
        None => match session {
            Some(Session { id, user, expires_at, .. }) => {
                (Some(user), Leave { session: Some(id), ends: Some(expires_at) })
            }
            None => (None, Leave::default()),
        },
    };
    let admission = streaming.admit(&video, viewer).await?;
    let seat = seats::seat(&video, viewer, &client);
    let by_sendfile = sendfile::takes_files(asked.extensions(), asked.version());
    let (Parts { method, headers, .. }, _) = asked.into_parts();
    let is_get = method == Method::GET;
    let asked = Asked { method, headers, content_type: video.content_type.clone(), by_sendfile };
    let mut answer = streaming.0.objects.answer(video.object_id, asked).await?;
    tell(&mut answer, &video);
    if !is_get || !matches!(answer.status(), StatusCode::OK | StatusCode::PARTIAL_CONTENT) {
        return Ok(answer);
    }
    Ok(Delivery::of(answer, streaming, video, seat, (admission, leave)))
}

/// Ask about a video
#[utoipa::path(
    head, path = "/video", tag = "videos", operation_id = "headVideo",
    params(
        ("id" = Option<String>, Query, description = "The video's id"),
        ("path" = Option<String>, Query, description = "Its path"),
        ("link" = Option<String>, Query, description = "A signed link's token"),
    ),
    security((), ("session" = [])),
    responses(
        (status = 200, description = "Its length, type and entity tag"),
        (status = 304, description = "As the preconditions of the request have it"),
        (status = 400, description = "Exactly one of id and path must be given"),
        (status = 401, description = "Not authorized"),
        (status = 404, description = "Not found"),
        (status = 412, description = "The preconditions of the request are not met"),
    ),
)]
async fn head(
    state: State<Streaming>,
    session: MaybeSession,
    query: RawQuery,
    client: ClientAddr,
    asked: Request,
) -> web::Result<Response> {
    watch(state, session, query, client, asked).await
}

/// What is said beside what storage says.
fn tell(answer: &mut Response, video: &Known) {
    gate(answer.headers_mut(), video);
    if answer.status().is_success()
        && let Some(inline) = video.inline()
    {
        answer.headers_mut().insert(header::CONTENT_DISPOSITION, inline.clone());
    }
}

/// What is asked for.
struct Query {
    key: LookUp,
    link: Option<String>,
}

impl Query {
    fn read(query: &str) -> Result<Self> {
        let wrong = || Error::invalid("Exactly one of id and path must be given");
        let (mut key, mut link) = (None, None);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let asked = match &*name {
                "id" => value.parse::<VideoId>().map(LookUp::Id).map_err(|_| Error::not_found()),
                "path" => Ok(LookUp::Path(value.into_owned())),
                "link" => {
                    link = Some(value.into_owned());
                    continue;
                }
                _ => continue,
            };
            if key.replace(asked).is_some() {
                return Err(wrong());
            }
        }
        Ok(Self { key: key.ok_or_else(wrong)??, link })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_video_is_asked_for() {
        let path = |query| match Query::read(query) {
            Ok(Query { key: LookUp::Path(path), .. }) => path,
            _ => panic!("{query}"),
        };
        assert_eq!(path("path=a%20b.mp4&t=1"), "a b.mp4");
        assert_eq!(path("path=..%2F..%2Fetc%2Fpasswd"), "../../etc/passwd");
        assert!(
            Query::read("id=01a1fca4-b8e7-7056-8f19-2e9d7c4a60b1&link=x").is_ok_and(|q| q.link.is_some())
        );
        let kind = |query| Query::read(query).err().map(|error| error.kind);
        for wrong in ["", "link=x", "id=a&path=b", "path=a&path=a"] {
            assert_eq!(kind(wrong), Some(kernel::Kind::Invalid), "{wrong}");
        }
        assert_eq!(kind("id=7"), Some(kernel::Kind::NotFound));
    }
}
