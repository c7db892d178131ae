//! Collecting, and what `marquee verify` is told.

use std::time::Duration;

use kernel::Kind;
use objects::Publication;

use super::{House, kind, on_all};
use crate::{Collected, store, verify};

on_all!(
    abandoned_uploads_are_let_go,
    what_has_no_row_is_let_go,
    what_is_left_of_an_upload_is_let_go,
    what_is_not_as_its_row_says_is_found,
    what_is_another_installations_stays,
    a_copy_forgets_what_was_under_way,
);

/// A backup has the rows of uploads and not their bytes.
async fn a_copy_forgets_what_was_under_way(house: House) {
    let (object, _) = house.stored(b"an object").await;
    let upload = house.uploaded(&[b"an upload"]).await;
    crate::keep::forget_uploads(&house.storage.0.db).await.unwrap();
    assert_eq!(kind(house.objects.uploaded(upload).await), Kind::NotFound);
    let known = crate::keep::objects_after(&house.storage.0.db, None, 10).await.unwrap();
    assert_eq!(known, [object]);
}

async fn abandoned_uploads_are_let_go(house: House) {
    let old = house.uploaded(&[b"long ", b"ago"]).await;
    let empty = house.uploaded(&[]).await;
    house.clock.advance(Duration::from_secs(72 * 3600));
    assert_eq!(house.storage.collect(false).await.unwrap(), Collected::default(), "somebody may come yet");
    house.clock.advance(Duration::from_secs(1));
    let young = house.uploaded(&[b"now"]).await;
    for dry in [true, true, false] {
        let mut found = house.storage.collect(dry).await.unwrap();
        found.abandoned.sort();
        let mut both = vec![old, empty];
        both.sort();
        assert_eq!(found, Collected { abandoned: both, ..Collected::default() }, "dry: {dry}");
    }
    assert_eq!(house.storage.collect(false).await.unwrap(), Collected::default());
    assert_eq!(house.store.list().await.unwrap().uploads, [young]);
    assert!(store::parts(&house.db, old).await.unwrap().is_empty());
}

async fn what_has_no_row_is_let_go(house: House) {
    let (kept, _) = house.stored(b"kept").await;
    let begun = house.uploaded(&[b"begun"]).await;
    let (orphan, part) = (house.id(), house.id());
    for id in [orphan, part] {
        let mut sink = house.store.sink(id, 0).await.unwrap();
        sink.write(vec!["nobody's".into()], |_| ()).await.unwrap();
        let laid = sink.sync().await.unwrap().unwrap();
        sink.keep();
        if id == orphan {
            let publication =
                Publication { id, parts: vec![laid], pieces: None, sha256: None, multipart: None };
            house.store.publish(publication).await.unwrap();
            house.store.clear(id).await.unwrap();
        }
    }
    let found = Collected { orphans: vec![orphan], remains: vec![part], ..Collected::default() };
    assert_eq!(house.storage.collect(true).await.unwrap(), found);
    let (count, wrong) = verify::objects(&house.storage.0.db, &house.storage.0.store).await.unwrap();
    assert_eq!((count, wrong.len()), (1, 2), "{wrong:?}");
    assert_eq!(house.storage.collect(false).await.unwrap(), found);
    assert_eq!(house.storage.collect(false).await.unwrap(), Collected::default());
    let lying = house.store.list().await.unwrap();
    assert_eq!((lying.objects, lying.uploads), (vec![kept], vec![begun]));
    assert_eq!(house.bytes(kept).await, "kept");
}

/// A copy of an installation that looks at the objects of the original.
async fn what_is_another_installations_stays(house: House) {
    let begun = house.uploaded(&[b"begun"]).await;
    let (shared, _) = house.stored(b"before the copy was made").await;
    assert_eq!(house.storage.collect(false).await.unwrap(), Collected::default());
    // All that the original has stored since has no row in the copy.
    let (newest, _) = house.stored(b"newest").await;
    store::remove(&house.db, newest).await.unwrap();
    store::remove(&house.db, begun).await.unwrap();
    let original = store::installation(&house.db).await.unwrap().unwrap();
    let copy = crate::keep::renew(&house.db).await.unwrap();
    assert_ne!(copy, original);
    let found =
        Collected { orphans: vec![newest], remains: vec![begun], is_anothers: true, ..Collected::default() };
    for dry in [true, false] {
        assert_eq!(house.storage.collect(dry).await.unwrap(), found);
    }
    // What the copy lets go by itself is the original's as well.
    for id in [shared, begun] {
        house.objects.remove(id).await.unwrap();
    }
    let mut lying = house.store.list().await.unwrap();
    lying.objects.sort();
    let mut both = vec![shared, newest];
    both.sort();
    assert_eq!((lying.objects, lying.uploads), (both, vec![begun]));
    let (_, wrong) = verify::objects(&house.db, &house.store).await.unwrap();
    assert_eq!(wrong, ["the store says that it is another installation's: see marquee collect"]);
    assert_eq!(house.store.claim("a third").await.unwrap(), original, "it stays whose it is");

    house.storage.adopt().await.unwrap();
    assert_eq!(house.store.owner().await.unwrap(), Some(copy));
    let found = house.storage.collect(false).await.unwrap();
    assert!(!found.is_anothers && found.orphans.len() == 2);
    assert_eq!(house.store.list().await.unwrap(), objects::Lying::default(), "down to the last");
}

/// The database is a new one, and the objects are what is left of a house from before there were markers.
#[tokio::test]
async fn what_nobody_has_marked_is_not_taken_over_by_who_knows_of_none() {
    let house = House::disk().await;
    let (id, _) = house.stored(b"all that is left").await;
    store::remove(&house.db, id).await.unwrap();
    let found = Collected { orphans: vec![id], is_anothers: true, ..Collected::default() };
    assert_eq!(house.storage.collect(false).await.unwrap(), found);
    house.stored(b"new").await;
    assert_eq!(house.storage.collect(false).await.unwrap(), found, "nor once it knows of one");
    assert!(house.store.list().await.unwrap().objects.contains(&id));
    house.storage.adopt().await.unwrap();
    let found = Collected { is_anothers: false, ..found };
    assert_eq!(house.storage.collect(false).await.unwrap(), found);
}

#[tokio::test]
async fn what_cannot_be_let_go_keeps_nothing_else() {
    let house = House::disk().await;
    let (kept, _) = house.stored(b"kept").await;
    // A directory cannot be removed as a file is.
    let lost: Vec<_> = (0..3).map(|_| house.id()).collect();
    for (n, id) in lost.iter().enumerate() {
        let place = house.store.file(*id).unwrap();
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        if n == 1 { std::fs::create_dir(place) } else { std::fs::write(place, b"lost") }.unwrap();
    }
    assert_eq!(kind(house.storage.collect(false).await), Kind::Unavailable);
    let mut lying = house.store.list().await.unwrap().objects;
    lying.sort();
    let mut stay = vec![kept, lost[1]];
    stay.sort();
    assert_eq!(lying, stay);
}

/// Killed after an upload has become an object, and before what was left of it went.
async fn what_is_left_of_an_upload_is_let_go(house: House) {
    let id = house.uploaded(&[b"twice ", b"here"]).await;
    let parts = store::parts(&house.db, id).await.unwrap();
    let publication = Publication { id, parts, pieces: None, sha256: None, multipart: None };
    let (stored, tag) = house.store.publish(publication).await.unwrap();
    store::publish(&house.db, id, &stored, tag.as_deref()).await.unwrap();
    let found = Collected { remains: vec![id], ..Collected::default() };
    assert_eq!(house.storage.collect(true).await.unwrap(), found);
    assert_eq!(house.storage.collect(false).await.unwrap(), found);
    assert_eq!(house.storage.collect(false).await.unwrap(), Collected::default());
    assert_eq!(house.bytes(id).await, "twice here");
}

async fn what_is_not_as_its_row_says_is_found(house: House) {
    let (whole, stored) = house.stored(b"whole").await;
    let (lost, _) = house.stored(b"lost").await;
    assert_eq!(verify::objects(&house.storage.0.db, &house.storage.0.store).await.unwrap(), (2, Vec::new()));
    house.store.remove(lost).await.unwrap();
    let shorter = objects::Stored { size: 4, ..stored };
    store::remove(&house.db, whole).await.unwrap();
    store::begin(&house.db, whole).await.unwrap();
    store::publish(&house.db, whole, &shorter, None).await.unwrap();
    let (count, mut wrong) = verify::objects(&house.storage.0.db, &house.storage.0.store).await.unwrap();
    wrong.sort();
    let mut told = vec![
        format!("object {whole} of 4 bytes has 5 bytes"),
        format!("object {lost} of 4 bytes is not there"),
    ];
    told.sort();
    assert_eq!((count, wrong), (2, told));
    let known = verify::known(&house.storage.0.db, &[whole, house.id()]).await.unwrap();
    assert_eq!(known.into_iter().collect::<Vec<_>>(), [whole]);
}
