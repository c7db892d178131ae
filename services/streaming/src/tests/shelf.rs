//! Storage in memory. Real ones keep to the same promises; that they do is shown where they are.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _};
use http_body_util::BodyExt as _;
use kernel::{Error, Instant, Kind, ObjectId, Result};
use objects::{
    Appended, Asked, Came, Content, Digest, Entity, Objects, Part, Piece, Plan, Slice, Stored, plan,
};

use super::sha256;

#[derive(Default)]
pub(crate) struct Shelf {
    kept: Mutex<Kept>,
    /// It cannot be reached.
    pub is_away: AtomicBool,
    /// Its bytes come a little at a time.
    pub is_slow: AtomicBool,
    /// What is wrong with making objects.
    pub fails: Mutex<Option<Kind>>,
    /// How often it was to make one.
    pub tries: AtomicUsize,
    /// What it cannot let go.
    pub stuck: Mutex<Vec<ObjectId>>,
}

#[derive(Default)]
struct Kept {
    uploads: BTreeMap<ObjectId, Vec<u8>>,
    objects: BTreeMap<ObjectId, Bytes>,
}

impl Shelf {
    fn kept(&self) -> Result<MutexGuard<'_, Kept>> {
        if self.is_away.load(Ordering::SeqCst) {
            return Err(Error::unavailable("storage is away"));
        }
        Ok(self.kept.lock().unwrap())
    }

    /// How many objects there are, and how many uploads.
    pub fn count(&self) -> (usize, usize) {
        let kept = self.kept.lock().unwrap();
        (kept.objects.len(), kept.uploads.len())
    }

    /// An object that nobody has asked for.
    pub fn lay(&self, id: ObjectId) {
        self.kept.lock().unwrap().objects.insert(id, Bytes::from_static(b"lost"));
    }

    pub fn has(&self, id: ObjectId) -> bool {
        self.kept.lock().unwrap().objects.contains_key(&id)
    }
}

impl Objects for Shelf {
    fn begin(&self, id: ObjectId) -> BoxFuture<'_, Result<()>> {
        async move { self.kept().map(|mut kept| kept.uploads.entry(id).or_default().truncate(usize::MAX)) }
            .boxed()
    }

    fn append(&self, id: ObjectId, part: Part) -> BoxFuture<'_, Result<Appended>> {
        async move {
            let Part { offset, most, mut body, digest, .. } = part;
            let end = self.uploaded(id).await?;
            if end != offset {
                return Err(Error::conflict(format!("The upload ends at {end}")));
            }
            let mut bytes = Vec::new();
            let mut came = Came::Whole;
            while let Some(frame) = body.frame().await {
                match frame {
                    Ok(frame) => bytes.extend_from_slice(&frame.into_data().unwrap()),
                    Err(_) => came = Came::Broken,
                }
                if offset + bytes.len() as u64 > most {
                    return Err(Error::new(Kind::TooLarge, format!("It must be at most {most} bytes")));
                }
            }
            if let Some(digest) = digest {
                let is_right = match digest {
                    Digest::Sha256(wanted) => sha256(&bytes) == wanted,
                    Digest::Sha1(_) => panic!("the shelf knows SHA-256 only"),
                };
                match came {
                    Came::Whole if is_right => {}
                    Came::Whole => return Ok(Appended { offset, came: Came::Spoilt }),
                    came => return Ok(Appended { offset, came }),
                }
            }
            let mut kept = self.kept()?;
            let upload = kept.uploads.get_mut(&id).ok_or_else(Error::not_found)?;
            if upload.len() as u64 != offset {
                return Err(Error::conflict(format!("The upload ends at {}", upload.len())));
            }
            upload.extend(bytes);
            Ok(Appended { offset: upload.len() as u64, came })
        }
        .boxed()
    }

    fn uploaded(&self, id: ObjectId) -> BoxFuture<'_, Result<u64>> {
        async move {
            let kept = self.kept()?;
            let upload = kept.uploads.get(&id).map(Vec::len);
            let end = upload.or_else(|| kept.objects.get(&id).map(Bytes::len));
            end.map(|end| end as u64).ok_or_else(Error::not_found)
        }
        .boxed()
    }

    fn read_upload(&self, id: ObjectId, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        async move {
            let kept = self.kept()?;
            let bytes = match (kept.uploads.get(&id), kept.objects.get(&id)) {
                (Some(upload), _) => upload.as_slice(),
                (None, Some(object)) => object,
                (None, None) => return Err(Error::not_found()),
            };
            let end = (range.end as usize).min(bytes.len());
            Ok(Bytes::copy_from_slice(&bytes[(range.start as usize).min(end)..end]))
        }
        .boxed()
    }

    fn publish(&self, id: ObjectId, pieces: Option<Vec<Piece>>) -> BoxFuture<'_, Result<Stored>> {
        async move {
            self.tries.fetch_add(1, Ordering::SeqCst);
            if let Some(kind) = *self.fails.lock().unwrap() {
                return Err(Error::new(kind, "nothing is made"));
            }
            let mut kept = self.kept()?;
            if !kept.objects.contains_key(&id) {
                let upload = kept.uploads.remove(&id).ok_or_else(Error::not_found)?;
                let whole: Vec<u8> = match pieces {
                    None => upload,
                    Some(pieces) => {
                        let piece = |piece| match piece {
                            Piece::Bytes(bytes) => bytes.to_vec(),
                            Piece::Upload(range) => upload[range.start as usize..range.end as usize].to_vec(),
                        };
                        pieces.into_iter().flat_map(piece).collect()
                    }
                };
                kept.objects.insert(id, whole.into());
            }
            let bytes = &kept.objects[&id];
            let sha256 = sha256(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            Ok(Stored { size: bytes.len() as u64, sha256 })
        }
        .boxed()
    }

    fn remove(&self, id: ObjectId) -> BoxFuture<'_, Result<()>> {
        async move {
            let mut kept = self.kept()?;
            if self.stuck.lock().unwrap().contains(&id) {
                return Err(Error::unavailable("it is stuck"));
            }
            kept.uploads.remove(&id);
            kept.objects.remove(&id);
            Ok(())
        }
        .boxed()
    }

    fn answer(&self, id: ObjectId, asked: Asked) -> BoxFuture<'_, Result<Response>> {
        async move {
            let bytes = self.kept()?.objects.get(&id).cloned().ok_or_else(Error::not_found)?;
            let tag: String = sha256(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
            let at = Instant::from_millis(1_700_000_000_000);
            let entity = Entity::new(bytes.len() as u64, &format!("\"{tag}\""), at, &asked.content_type)?;
            let Plan { status, headers, content } = plan(&asked.method, &asked.headers, &entity);
            let slice = |range: Range<u64>| bytes.slice(range.start as usize..range.end as usize);
            let all: Vec<Bytes> = match content {
                Content::Empty => Vec::new(),
                Content::Object(range) => vec![slice(range)],
                Content::Parts(parts) => parts
                    .into_iter()
                    .map(|part| match part {
                        Slice::Bytes(bytes) => bytes,
                        Slice::Object(range) => slice(range),
                    })
                    .collect(),
            };
            let body = if self.is_slow.load(Ordering::SeqCst) {
                let little = all.concat().chunks(1024).map(Bytes::copy_from_slice).collect::<Vec<_>>();
                let slowly = futures_util::stream::iter(little).then(async |bytes| {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    Ok::<_, std::io::Error>(bytes)
                });
                Body::from_stream(slowly)
            } else {
                Body::from_stream(futures_util::stream::iter(all.into_iter().map(Ok::<_, std::io::Error>)))
            };
            let mut answer = Response::new(body);
            (*answer.status_mut(), *answer.headers_mut()) = (status, headers);
            Ok(answer)
        }
        .boxed()
    }

    fn list(&self, after: Option<ObjectId>) -> BoxFuture<'_, Result<Vec<ObjectId>>> {
        async move {
            let kept = self.kept()?;
            Ok(kept.objects.keys().copied().filter(|id| Some(*id) > after).take(3).collect())
        }
        .boxed()
    }
}
