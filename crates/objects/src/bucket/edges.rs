//! The begin and the end of each object, remembered: there a player looks first, for what a film consists of (`moov`,
//! cues), and everybody who opens it looks there again.

use std::ops::Range;
use std::sync::Arc;

use axum::body::Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use kernel::{Error, ObjectId, Result};
use moka::future::Cache;

use super::{Bucket, Kept};

/// In bytes, of each end.
const EDGE: u64 = 1024 * 1024;
/// In bytes, of all that is remembered.
const MOST: u64 = 64 * 1024 * 1024;

pub(super) struct Edges(Cache<(ObjectId, u64), Bytes>);

impl Edges {
    pub(super) fn new() -> Self {
        let weigh = |_: &(ObjectId, u64), bytes: &Bytes| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        Self(Cache::builder().max_capacity(MOST).weigher(weigh).support_invalidation_closures().build())
    }

    /// What is gone is not answered from here: its row is gone first. This only makes room.
    pub(super) fn forget(&self, id: ObjectId) {
        let _ = self.0.invalidate_entries_if(move |(of, _), _| *of == id);
    }
}

/// Where the begin ends and the end begins.
fn inner(size: u64) -> Range<u64> {
    let head = EDGE.min(size);
    head..size.saturating_sub(EDGE).max(head)
}

pub(super) fn body(bucket: Bucket, kept: Kept, range: Range<u64>) -> BoxStream<'static, Result<Bytes>> {
    let inner = inner(kept.size);
    let cut = |within: Range<u64>| within.start.max(range.start)..within.end.min(range.end);
    let parts = [0..inner.start, inner.clone(), inner.end..kept.size];
    let wanted = parts.map(|part| (part.clone(), cut(part)));
    let each = stream::iter(wanted).filter(|(_, range)| std::future::ready(range.start < range.end));
    let each = each.then(move |(part, range)| {
        let (bucket, kept, is_edge) = (bucket.clone(), kept.clone(), part != inner);
        async move {
            if !is_edge {
                return bucket.stream(&bucket.object(kept.id), range, kept.tag).await;
            }
            let edge = edge(&bucket, &kept, part.clone()).await?;
            let at = |offset: u64| usize::try_from(offset - part.start).unwrap_or(usize::MAX).min(edge.len());
            let slice = edge.slice(at(range.start)..at(range.end));
            Ok(stream::iter([Ok(slice)]).boxed())
        }
    });
    each.try_flatten().boxed()
}

/// Read once, however many ask.
async fn edge(bucket: &Bucket, kept: &Kept, part: Range<u64>) -> Result<Bytes> {
    let read = async {
        let mut all = Vec::new();
        let mut bytes = bucket.stream(&bucket.object(kept.id), part.clone(), kept.tag.clone()).await?;
        while let Some(chunk) = bytes.try_next().await? {
            all.extend_from_slice(&chunk);
        }
        if all.len() as u64 != part.end - part.start {
            return Err(Error::unavailable("the bucket sent less than was asked for"));
        }
        Ok(Bytes::from(all))
    };
    let found = bucket.0.edges.0.try_get_with((kept.id, part.start), read).await;
    found.map_err(|e: Arc<Error>| (*e).clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_objects_are_all_edge() {
        assert_eq!(inner(0), 0..0);
        assert_eq!(inner(10), 10..10);
        assert_eq!(inner(EDGE), EDGE..EDGE);
        assert_eq!(inner(EDGE + 10), EDGE..EDGE);
        assert_eq!(inner(3 * EDGE), EDGE..2 * EDGE);
    }
}
