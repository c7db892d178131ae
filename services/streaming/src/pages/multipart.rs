//! Forms with a file in them (RFC 7578). A film passes through as it comes; what is small is read whole.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::{HeaderMap, StatusCode, header};
use futures_util::Stream;
use futures_util::StreamExt as _;
use kernel::{Error, Kind, Result};
use multer::{Constraints, Multipart, SizeLimit};
use tokio::time::timeout;
use web::{Fields, read_body};

/// The longest text beside a file, in bytes.
const TEXT: u64 = 4096;
/// What a small form may have beside its file, in bytes.
const FRAME: usize = 16 * 1024;
/// No form of ours has more fields.
const FIELDS: usize = 10;
/// What may come before a film begins, in bytes: the parser keeps what it cannot tell yet, however much that is.
const AHEAD: usize = 1024 * 1024;
/// How long one field may take to come.
const FIELD: Duration = Duration::from_secs(30);

/// A form as it comes.
pub struct Coming {
    form: Multipart<'static>,
    texts: HashMap<String, String>,
    /// Set once the file comes, which may be long.
    has_begun: Arc<AtomicBool>,
}

/// A file in a form.
pub struct File {
    /// What it is called where it comes from.
    pub name: String,
    /// Its bytes, as they come.
    pub body: Body,
}

impl Coming {
    /// # Errors
    /// 415 for what is no such form.
    pub fn new(headers: &HeaderMap, body: Body) -> Result<Self> {
        Self::from(headers, body, false)
    }

    /// A form that `is_here` already has no more ahead of its file than was let in.
    fn from(headers: &HeaderMap, body: Body, is_here: bool) -> Result<Self> {
        let limits = SizeLimit::new().for_field("title", TEXT).for_field("visibility", TEXT);
        let limits = limits.for_field("lang", TEXT);
        let constraints = Constraints::new().size_limit(limits);
        let boundary = boundary(headers)?;
        let has_begun = Arc::new(AtomicBool::new(is_here));
        let coming = by_and_by(body.into_data_stream(), Arc::clone(&has_begun));
        let form = Multipart::with_constraints(coming, boundary, constraints);
        Ok(Self { form, texts: HashMap::new(), has_begun })
    }

    /// Reads up to the file `name`, if there is one, and somebody chose it.
    ///
    /// # Errors
    /// 400 for a form that is broken or none of ours.
    pub async fn file(&mut self, name: &str) -> Result<Option<File>> {
        for _ in 0..FIELDS {
            let Some(field) = in_time(self.form.next_field()).await? else { return Ok(None) };
            let Some(called) = field.name().map(str::to_owned) else { continue };
            match field.file_name().map(str::to_owned) {
                // A browser sends a file without a name where none was chosen.
                Some(file) if called == name && !file.is_empty() => {
                    self.has_begun.store(true, Ordering::Relaxed);
                    return Ok(Some(File { name: file, body: Body::from_stream(field) }));
                }
                Some(_) => {}
                None if matches!(called.as_str(), "title" | "visibility" | "lang") => {
                    let text = in_time(field.text()).await?;
                    self.texts.insert(called, text);
                }
                None => {}
            }
        }
        Err(Error::invalid("The form has too many fields"))
    }

    /// What was typed before the file.
    pub fn texts(&self) -> Fields {
        let typed = form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.texts).finish();
        Fields::form(typed.as_bytes())
    }
}

/// Reads a form whose file is small: what was typed, and the file, if one was chosen. `told` says what a file is that has
/// more than `limit` bytes.
///
/// # Errors
/// 413, 415; 400 for a form that is broken.
pub async fn read(
    headers: &HeaderMap,
    body: Body,
    limit: usize,
    told: &'static str,
) -> Result<(Fields, Option<Bytes>)> {
    let too_large = || Error::new(Kind::TooLarge, told).at("file");
    let bytes = read_body(headers, body, limit + FRAME).await.map_err(|problem| match problem.status() {
        StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ => Error::invalid("The form broke off"),
    })?;
    let mut form = Coming::from(headers, Body::from(bytes), true)?;
    let Some(file) = form.file("file").await? else { return Ok((form.texts(), None)) };
    let file =
        read_body(&HeaderMap::new(), file.body, limit).await.map_err(|problem| match problem.status() {
            StatusCode::PAYLOAD_TOO_LARGE => too_large(),
            _ => Error::invalid("The form broke off"),
        })?;
    Ok((form.texts(), Some(file)))
}

fn boundary(headers: &HeaderMap) -> Result<String> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    multer::parse_boundary(given)
        .map_err(|_| Error::new(Kind::UnsupportedType, "Content-Type must be multipart/form-data"))
}

/// A body, chunk by chunk: the parser would take all that is there at once. It breaks off where more than [`AHEAD`] came
/// and no file has begun.
fn by_and_by(
    mut body: BodyDataStream,
    has_begun: Arc<AtomicBool>,
) -> impl Stream<Item = std::result::Result<Bytes, axum::Error>> + Send + 'static {
    let (mut came, mut is_taken) = (0, false);
    futures_util::stream::poll_fn(move |cx| {
        if std::mem::take(&mut is_taken) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if came > AHEAD && !has_begun.load(Ordering::Relaxed) {
            return Poll::Ready(Some(Err(axum::Error::new(std::io::Error::other("no file begins")))));
        }
        let chunk = std::task::ready!(body.poll_next_unpin(cx));
        if let Some(Ok(bytes)) = &chunk {
            came += bytes.len();
            is_taken = true;
        }
        Poll::Ready(chunk)
    })
}

/// Waits for what comes of a form, and not for ever.
async fn in_time<T>(coming: impl Future<Output = multer::Result<T>>) -> Result<T> {
    match timeout(FIELD, coming).await {
        Ok(came) => came.map_err(broken),
        Err(_) => Err(Error::invalid("The form did not come in time")),
    }
}

fn broken(error: multer::Error) -> Error {
    Error::invalid("The form broke off, or is none of this page").because(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn headers() -> HeaderMap {
        let value = HeaderValue::from_static("multipart/form-data; boundary=b");
        [(header::CONTENT_TYPE, value)].into_iter().collect()
    }

    fn form(parts: &[(&str, &str)]) -> Body {
        let parts: String = parts
            .iter()
            .map(|(says, body)| format!("--b\r\nContent-Disposition: form-data; {says}\r\n\r\n{body}\r\n"))
            .collect();
        Body::from(format!("{parts}--b--\r\n"))
    }

    #[tokio::test]
    async fn a_file_comes_after_what_was_typed() {
        let body =
            form(&[("name=\"title\"", " Métropolis "), ("name=\"file\"; filename=\"m.mp4\"", "bytes")]);
        let mut form = Coming::new(&headers(), body).unwrap();
        let file = form.file("file").await.unwrap().unwrap();
        assert_eq!(file.name, "m.mp4");
        assert_eq!(read_body(&HeaderMap::new(), file.body, 100).await.unwrap(), "bytes");
        let title = form.texts().text("title", "wrong", 1..=200);
        assert_eq!(title.as_deref(), Some("Métropolis"));
    }

    /// So many chunks of 64 KiB after `head`; answers how many were taken, too.
    fn many(head: &'static str, chunks: usize) -> (Body, Arc<std::sync::atomic::AtomicUsize>) {
        let taken = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counted = Arc::clone(&taken);
        let chunks = (0..chunks).map(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            Bytes::from(vec![b'x'; 64 * 1024])
        });
        let all = std::iter::once(Bytes::from_static(head.as_bytes())).chain(chunks);
        (Body::from_stream(futures_util::stream::iter(all.map(Ok::<_, std::io::Error>))), taken)
    }

    #[tokio::test]
    async fn little_comes_before_a_film() {
        let part = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"m.mp4\"\r\n";
        for endless in ["", "--b\r\nX: "] {
            let (body, taken) = many(endless, 200);
            let mut form = Coming::new(&headers(), body).unwrap();
            assert_eq!(form.file("file").await.err().unwrap().kind, Kind::Invalid);
            assert!((16..20).contains(&taken.load(Ordering::Relaxed)), "{taken:?}");
        }
        // A film itself may be long, and does not pile up.
        let (body, taken) = many(format!("{part}\r\n").leak(), 200);
        let mut form = Coming::new(&headers(), body).unwrap();
        let mut film = form.file("file").await.unwrap().unwrap().body.into_data_stream();
        assert!(taken.load(Ordering::Relaxed) < 2);
        let mut length = 0;
        while let Some(Ok(bytes)) = film.next().await {
            length += bytes.len();
        }
        assert!(length >= 199 * 64 * 1024, "{length}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_form_that_stands_still_is_not_waited_for() {
        let body = Body::from_stream(futures_util::stream::pending::<std::io::Result<Bytes>>());
        let mut form = Coming::new(&headers(), body).unwrap();
        assert_eq!(form.file("file").await.err().unwrap().kind, Kind::Invalid);
    }

    #[tokio::test]
    async fn what_is_no_form_of_ours_is_refused() {
        assert_eq!(Coming::new(&HeaderMap::new(), Body::empty()).err().unwrap().kind, Kind::UnsupportedType);
        let read =
            async |body| read(&headers(), body, 8, "Too much").await.map(|(_, file)| file.map(|f| f.len()));
        let file = |bytes| form(&[("name=\"file\"; filename=\"a\"", bytes)]);
        assert_eq!(read(file("12345678")).await.unwrap(), Some(8));
        assert_eq!(read(file("123456789")).await.unwrap_err().kind, Kind::TooLarge);
        assert_eq!(
            read(form(&[("name=\"file\"; filename=\"\"", "")])).await.unwrap(),
            None,
            "none is chosen"
        );
        assert_eq!(read(Body::from("--b\r\nhalf")).await.unwrap_err().kind, Kind::Invalid);
        let long = "x".repeat(5000);
        assert_eq!(read(form(&[("name=\"title\"", &long)])).await.unwrap_err().kind, Kind::Invalid);
        let many = vec![("name=\"other\"", "x"); FIELDS + 1];
        assert_eq!(read(form(&many)).await.unwrap_err().kind, Kind::Invalid);
    }
}
