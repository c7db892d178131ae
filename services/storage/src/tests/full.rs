//! A disk that is full: 507, and the room is given back.

use std::path::Path;
use std::process::Command;

use kernel::Kind;
use objects::Piece;

use super::{House, eventually, kind, noise};

/// A file system of a few megabytes.
struct Small(tempfile::TempDir);

impl Small {
    /// `None`, said out loud, where nothing may be mounted.
    fn mount(size: &str) -> Option<Self> {
        use std::io::Write as _;
        let dir = tempfile::TempDir::new().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(dir.path())
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            let told = "SKIPPED: no file system may be mounted here; a disk that is full was not tried";
            let _ = writeln!(std::io::stderr(), "{told}");
            return None;
        }
        Some(Self(dir))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily: what is open keeps it until it is closed.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_is_said_and_its_room_given_back() {
    let Some(small) = Small::mount("6m") else { return };
    let house = House::at(small.path()).await;
    let (kept, _) = house.stored(b"was there before").await;
    let id = house.uploaded(&[b"begun "]).await;
    for _ in 0..3 {
        let refused = house.append(id, 6, &noise(8 << 20)).await;
        assert_eq!(kind(refused), Kind::Full);
        assert_eq!(house.objects.uploaded(id).await.unwrap(), 6, "what was acknowledged is there");
    }
    // If its room was not given back, this would not find any.
    let half = noise(3 << 20);
    eventually("there is room again", async || house.append(id, 6, &half).await.is_ok()).await;
    // The object is put together beside its parts, for which there is no room; nothing of it stays.
    assert_eq!(kind(house.objects.publish(id, None).await), Kind::Full);
    assert_eq!(kind(house.objects.publish(id, Some(vec![Piece::Upload(0..3 << 20)])).await), Kind::Full);
    let other = house.uploaded(&[&noise(2 << 20)]).await;
    house.objects.publish(other, None).await.unwrap();
    house.objects.remove(other).await.unwrap();
    house.objects.remove(id).await.unwrap();
    assert_eq!(house.bytes(kept).await, "was there before");
    assert_eq!(house.storage.collect(false).await.unwrap(), crate::Collected::default());
    let lying = house.store.list().await.unwrap();
    assert_eq!((lying.objects, lying.uploads), (vec![kept], vec![]));
}
