//! Which addresses stand for which file.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::{Arc, PoisonError, RwLock};

/// By their first address. Mappings do not overlap.
static MAPPINGS: RwLock<BTreeMap<usize, Mapping>> = RwLock::new(BTreeMap::new());

struct Mapping {
    len: usize,
    file: Arc<File>,
}

/// Where in which file bytes are that stand for a part of it.
pub(crate) struct Found {
    pub(crate) file: Arc<File>,
    pub(crate) offset: u64,
}

pub(crate) fn insert(start: usize, len: usize, file: Arc<File>) {
    MAPPINGS.write().unwrap_or_else(PoisonError::into_inner).insert(start, Mapping { len, file });
}

pub(crate) fn remove(start: usize) {
    // The file is closed outside of the lock.
    let removed = MAPPINGS.write().unwrap_or_else(PoisonError::into_inner).remove(&start);
    drop(removed);
}

/// What `bytes` stand for, if they are of a mapping. They are not looked at.
pub(crate) fn find(bytes: &[u8]) -> Option<Found> {
    let at = bytes.as_ptr() as usize;
    let mappings = MAPPINGS.read().unwrap_or_else(PoisonError::into_inner);
    let (start, mapping) = mappings.range(..=at).next_back()?;
    let offset = at - start;
    let within = offset < mapping.len && bytes.len() <= mapping.len - offset;
    within.then(|| Found { file: Arc::clone(&mapping.file), offset: offset as u64 })
}

/// How many files are mapped now.
pub fn mapped() -> usize {
    MAPPINGS.read().unwrap_or_else(PoisonError::into_inner).len()
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::Mapped;

    #[test]
    fn only_what_is_of_a_mapping_is_found_and_only_while_it_is_there() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; 10_000]).unwrap();
        let mapped = Mapped::new(Arc::new(file), 10_000).unwrap();
        let part = mapped.slice(4_000..9_000);
        drop(mapped);
        assert_eq!(find(&part).expect("a slice keeps it").offset, 4_000);
        assert_eq!(find(&part.slice(1..)).expect("what is left of it too").offset, 4_001);
        assert_eq!(find(&part.slice(4_999..)).expect("the last byte too").offset, 8_999);
        assert!(find(&vec![7; 5_000]).is_none(), "the same bytes elsewhere");
        assert!(find(b"").is_none());
        let address = part.as_ptr() as usize;
        drop(part);
        let mappings = MAPPINGS.read().unwrap();
        assert!(!mappings.keys().any(|start| (*start..*start + 10_000).contains(&address)));
    }

    #[test]
    fn an_empty_file_has_no_mapping() {
        assert!(Mapped::new(Arc::new(tempfile::tempfile().unwrap()), 0).is_err());
    }
}
