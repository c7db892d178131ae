//! What a browser does in the house of all tests.

use std::time::Duration;

use axum::http::header;
use contracts::{Event, OrderState, OrderStatus, TicketState};
use kernel::{Instant, PlayId, VideoId};
use serde_json::json;

use crate::store::sittings::{self, Seat};
use crate::tests::{House, Reply};

/// The first bytes of an MP4: enough to be known for one.
pub const FILM: &[u8] = b"\0\0\0\x18ftypisom\0\0\x02\0isommp42\0\0\0\x08free";
/// And of a PNG.
pub const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0";

impl Reply {
    /// The page.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.bytes).unwrap()
    }

    /// The status, and where it leads to.
    pub fn goes_to(&self) -> (u16, &str) {
        (self.status, self.header("location"))
    }

    /// # Panics
    /// Unless all of `parts` are in the page.
    pub fn shows(&self, parts: &[&str]) {
        assert_eq!(self.status, 200, "{}", self.text());
        for part in parts {
            assert!(self.text().contains(part), "{part}: {}", self.text());
        }
    }
}

impl House {
    pub async fn page(&self, path: &str, cookie: &str) -> Reply {
        self.ask("GET", path, None, &[("accept", "text/html"), ("cookie", cookie)], ()).await
    }

    pub async fn submit(&self, path: &str, cookie: &str, form: &str) -> Reply {
        self.post(path, cookie, "application/x-www-form-urlencoded", form.as_bytes().to_vec()).await
    }

    /// Sends a form with texts, and a file if `file` has a name.
    pub async fn submit_file(
        &self,
        path: &str,
        cookie: &str,
        texts: &[(&str, &str)],
        (name, bytes): (&str, &[u8]),
    ) -> Reply {
        let mut body = Vec::new();
        for (field, text) in texts {
            let part = format!("--b\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{text}\r\n");
            body.extend_from_slice(part.as_bytes());
        }
        let says = format!("Content-Disposition: form-data; name=\"file\"; filename=\"{name}\"");
        body.extend_from_slice(format!("--b\r\n{says}\r\nContent-Type: x/y\r\n\r\n").as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n--b--\r\n");
        self.post(path, cookie, "multipart/form-data; boundary=b", body).await
    }

    async fn post(&self, path: &str, cookie: &str, content_type: &str, body: Vec<u8>) -> Reply {
        let length = body.len().to_string();
        let headers = [
            (header::ACCEPT.as_str(), "text/html"),
            (header::COOKIE.as_str(), cookie),
            (header::CONTENT_TYPE.as_str(), content_type),
            (header::CONTENT_LENGTH.as_str(), &length),
        ];
        self.ask("POST", path, None, &headers, body).await
    }

    /// The owner uploads a film; answers its id.
    pub async fn film(&self, title: &str, visibility: &str) -> VideoId {
        let texts = [("title", title), ("visibility", visibility)];
        let reply = self.submit_file("/videos/new", &self.owner.cookie, &texts, ("film.mp4", FILM)).await;
        assert_eq!(reply.status, 303, "{}", reply.text());
        // Ids carry the time, by which lists are sorted.
        self.clock.advance(Duration::from_millis(2));
        reply.goes_to().1.strip_prefix("/videos/").unwrap().parse().unwrap()
    }

    /// A ticket of the owner's for a video is on sale, with a window in milliseconds from now.
    pub async fn on_sale(&self, video: VideoId, title: &str, window: [Option<i64>; 2]) -> TicketState {
        let now = self.clock.now().as_millis();
        let [opens_at, closes_at] = window.map(|at| at.map(|millis| Instant::from_millis(now + millis)));
        let ticket = self.ticket(&self.owner, &video.to_string());
        let ticket = TicketState { title: title.to_owned(), opens_at, closes_at, ..ticket };
        self.hear(&Event::TicketCreated(ticket.clone())).await;
        ticket
    }

    /// The other buys a ticket.
    pub async fn bought(&self, ticket: &TicketState) -> OrderState {
        let order = self.order(ticket, &self.other, 0, OrderStatus::Complete);
        self.hear(&Event::OrderCreated(order.clone())).await;
        order
    }

    /// The other has watched a video, up to so many seconds.
    pub async fn watched(&self, video: VideoId, seconds: i64) {
        let seat = Seat { viewer: self.other.id.to_string(), video, user: Some(self.other.id) };
        sittings::sit(&self.db, &seat, PlayId::new(&self.clock), None, Duration::from_secs(1)).await.unwrap();
        let path = format!("/api/history/{video}");
        self.call("PUT", &path, Some(&self.other), json!({"position": seconds})).await.expect(204);
        self.clock.advance(Duration::from_millis(2));
    }
}
