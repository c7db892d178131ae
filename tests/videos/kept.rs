//! What is kept: backups with their objects, what is collected, and what `verify` says of both.

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use kernel::{Clock, ObjectId};
use objects::{Objects as _, Part, Remote, Signer};
use reqwest::Method;
use sha2::{Digest as _, Sha256};
use testkit::{Answer, Client, Process, eventually};

use crate::BINARY;
use crate::commands::restored;

const FILM: &[u8] = include_bytes!("../../crates/containers/samples/first.mp4");
const KEY: &str = "a key that signs what the test asks of storage";

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A film that is like no other.
fn film(number: u64) -> Vec<u8> {
    let mut film = FILM.to_vec();
    // A box that players pass over.
    film.extend(16_u32.to_be_bytes());
    film.extend(b"free");
    film.extend(number.to_be_bytes());
    film
}

async fn upload(owner: &Client, number: u64) -> Answer {
    let request = owner.request(Method::POST, "/api/videos");
    let request = request.header("file-name", format!("film {number}.mp4")).body(film(number));
    owner.try_send(request).await.unwrap()
}

/// Begins an upload that stays half an upload; answers where it goes on.
async fn begin(owner: &Client) -> String {
    let half = FILM.len() / 2;
    let tus = |method, path: &str| owner.request(method, path).header("tus-resumable", "1.0.0");
    let request = tus(Method::POST, "/api/uploads").header("upload-length", FILM.len());
    let begun = owner.try_send(request).await.unwrap().expect(201);
    let place = begun.headers["location"].to_str().unwrap().to_owned();
    let request = tus(Method::PATCH, &place)
        .header("upload-offset", 0)
        .header("content-type", "application/offset+octet-stream")
        .body(FILM[..half].to_vec());
    owner.try_send(request).await.unwrap().expect(204);
    place
}

/// Every video of an owner has the bytes that its entity tag says; answers how many there are.
async fn whole(owner: &Client) -> usize {
    let videos = owner.get("/api/videos?limit=200").await.expect(200).json;
    for video in videos.as_array().unwrap() {
        let id = video["id"].as_str().unwrap();
        let answer = owner.request(Method::GET, &format!("/video?id={id}")).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{id}");
        let tag = answer.headers()["etag"].to_str().unwrap().to_owned();
        let digest = Sha256::digest(answer.bytes().await.unwrap());
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(tag, format!("\"{digest}\""), "{id}");
    }
    videos.as_array().unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_taken_while_videos_come_and_go_is_whole() {
    let process = Process::start(BINARY, &[]).await;
    let mut owner = process.client();
    owner.sign_up("owner@example.com").await;
    for number in 0..10 {
        upload(&owner, number).await.expect(201);
    }
    let half = begin(&owner).await;
    let busy = {
        let owner = owner.clone();
        tokio::spawn(async move {
            for number in 10.. {
                let id = upload(&owner, number).await.expect(201).text_of("id");
                if number % 3 > 0 {
                    owner.delete(&format!("/api/videos/{id}")).await.expect(204);
                }
            }
        })
    };
    for round in 0..3 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let backup = process.data().join(format!("{round}.tar"));
        let output = process.command(&["backup", backup.to_str().unwrap()], "").await;
        assert!(output.status.success(), "{}", text(&output));
        assert!(!text(&output).contains("not in the backup"), "{}", text(&output));
        let restored = restored(&backup).await;
        let owner = owner.at(restored.base().to_owned());
        assert!(whole(&owner).await >= 10);
        // What was under way is not in it: its uploader begins anew.
        let request = owner.request(Method::HEAD, &half).header("tus-resumable", "1.0.0");
        owner.try_send(request).await.unwrap().expect(404);
        upload(&owner, 1000).await.expect(201);
        restored.verify().await;
    }
    assert!(!busy.is_finished(), "they came and went all the time");
    busy.abort();
    // What was to be let go during a backup is let go after it.
    eventually("nothing lies there that has no row", async || {
        process.command(&["verify"], "").await.status.success().then_some(())
    })
    .await;
    let output = process.command(&["collect", "--dry-run"], "").await;
    assert!(text(&output).contains("nothing lies here that nobody needs"), "{}", text(&output));
}

fn lying(data: &Path, id: ObjectId) -> PathBuf {
    let name = id.to_string();
    data.join("objects/objects").join(&name[name.len() - 2..]).join(name)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_needs_is_found_and_let_go() {
    let env = vec![("JWT_KEY".to_owned(), KEY.to_owned())];
    let mut process = Process::start_with(BINARY.to_owned(), Vec::new(), env).await;
    let mut owner = process.client();
    owner.sign_up("owner@example.com").await;
    upload(&owner, 0).await.expect(201);
    let half = begin(&owner).await;
    // What looks by itself at the start has looked.
    eventually("it was looked once", async || {
        owner.get("/metrics").await.text.contains("\nstorage_objects ").then_some(())
    })
    .await;
    let clock = Clock::system();
    let (unneeded, orphan) = (ObjectId::new(&clock), ObjectId::new(&clock));
    let storage = Remote::new(process.base(), Signer::new(KEY.as_bytes(), clock.clone())).unwrap();
    storage.begin(unneeded).await.unwrap();
    storage
        .append(unneeded, Part { offset: 0, most: 9, body: "unneeded".into(), digest: None, at_hand: false })
        .await
        .unwrap();
    storage.publish(unneeded, None).await.unwrap();
    let file = lying(process.data(), orphan);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "orphan").unwrap();

    let verified = process.command(&["verify"], "").await;
    assert!(!verified.status.success());
    let told = format!("{orphan} lies in the store and has no row");
    assert!(text(&verified).contains("I7 BROKEN") && text(&verified).contains(&told), "{}", text(&verified));

    let lines = [format!("{unneeded}: no video needs it"), format!("{orphan}: it has no row")];
    let said = |output: &Output| text(output).lines().map(str::to_owned).collect::<Vec<_>>();
    let dry = process.command(&["collect", "--dry-run"], "").await;
    assert_eq!(said(&dry)[..2], lines);
    assert_eq!(said(&dry)[2], "2 found; they stay, for this was a dry run");
    assert!(file.exists() && lying(process.data(), unneeded).exists());
    let collected = process.command(&["collect"], "").await;
    assert_eq!(said(&collected)[..2], lines);
    assert_eq!(said(&collected)[2], "2 found and let go");
    assert!(!file.exists() && !lying(process.data(), unneeded).exists());
    assert_eq!(whole(&owner).await, 1);

    // Without a server, and after one that was killed: what is being uploaded stays.
    process.kill().await;
    let nothing = process.command(&["collect"], "").await;
    assert_eq!(said(&nothing), ["nothing lies here that nobody needs"]);
    process.resume().await;
    let owner = owner.at(process.base().to_owned());
    let request = owner.request(Method::HEAD, &half).header("tus-resumable", "1.0.0");
    let there = owner.try_send(request).await.unwrap().expect(200);
    assert_eq!(there.headers["upload-offset"], (FILM.len() / 2).to_string());
    process.verify().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_says_what_it_lacks_and_one_that_lost_something_is_refused() {
    let process = Process::start(BINARY, &[]).await;
    let mut owner = process.client();
    owner.sign_up("owner@example.com").await;
    for number in 0..2 {
        upload(&owner, number).await.expect(201);
    }
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.tar");
    let output = process.command(&["backup", whole.to_str().unwrap()], "").await;
    assert!(output.status.success(), "{}", text(&output));
    let run = |script: &str| {
        let output =
            std::process::Command::new("sh").args(["-ec", script]).arg(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        text(&output)
    };
    // One of two objects is gone from it, and its last entry says so of itself.
    let lost = run("cd \"$0\" && tar -tf whole.tar | grep objects/ | head -n 1").trim().to_owned();
    run(&format!(
        "cd \"$0\" && tar -tf whole.tar | grep -v {lost} > names && tar -xf whole.tar && \
        sed -i 's/\"objects\":2/\"objects\":1/' contents.json && tar -cf less.tar -T names"
    ));
    let id = lost.strip_prefix("objects/").unwrap();
    let data = folder.path().join("data");
    let restore = |file: &str| {
        std::process::Command::new(BINARY)
            .args(["--data", data.to_str().unwrap(), "restore", folder.path().join(file).to_str().unwrap()])
            .output()
            .unwrap()
    };
    let refused = restore("less.tar");
    let told = format!("1 objects are missing: {id}");
    assert!(!refused.status.success() && text(&refused).contains(&told), "{}", text(&refused));

    // What is not there cannot be copied: all else is, and whoever made the backup hears of it.
    std::fs::remove_file(lying(process.data(), id.parse().unwrap())).unwrap();
    let less = folder.path().join("lacking.tar");
    let output = process.command(&["backup", less.to_str().unwrap()], "").await;
    assert!(!output.status.success() && text(&output).contains(id), "{}", text(&output));
    let restored = restore("lacking.tar");
    assert!(restored.status.success(), "{}", text(&restored));
    assert!(text(&restored).contains(&format!("that were not there when the backup was written: {id}")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_beside_its_original_lets_none_of_its_objects_go() {
    let shared = tempfile::tempdir().unwrap();
    let env = vec![("OBJECTS_URL".to_owned(), format!("file://{}", shared.path().display()))];
    let start = async || Process::start_with(BINARY.to_owned(), Vec::new(), env.clone()).await;
    let original = start().await;
    let mut owner = original.client();
    owner.sign_up("owner@example.com").await;
    upload(&owner, 0).await.expect(201);
    let file = original.data().join("friday.tar");
    let backup = original.command(&["backup", file.to_str().unwrap()], "").await;
    assert!(backup.status.success() && text(&backup).contains("kept where OBJECTS_URL says"));
    let newest = upload(&owner, 1).await.expect(201).text_of("id");

    let mut copy = start().await;
    copy.terminate().await;
    for left in std::fs::read_dir(copy.data()).unwrap() {
        std::fs::remove_file(left.unwrap().path()).unwrap();
    }
    let restored = copy.command(&["restore", file.to_str().unwrap()], "").await;
    assert!(restored.status.success(), "{}", text(&restored));
    assert!(text(&restored).lines().last().unwrap().contains("collect --adopt"), "{}", text(&restored));
    copy.resume().await;
    let collected = copy.command(&["collect"], "").await;
    for told in ["it has no row", "1 found; they stay", "the objects here are another installation's"] {
        assert!(text(&collected).contains(told), "{}", text(&collected));
    }
    // Nor does the copy's owner, who has the first film as well.
    let first = owner.get("/api/videos?limit=200").await.expect(200).json;
    let first = first.as_array().unwrap().iter().map(|video| video["id"].as_str().unwrap());
    let first = first.filter(|id| *id != newest).collect::<Vec<_>>()[0].to_owned();
    owner.at(copy.base().to_owned()).delete(&format!("/api/videos/{first}")).await.expect(204);
    copy.command(&["collect"], "").await;
    assert_eq!(whole(&owner).await, 2);
    original.verify().await;

    // The original is gone for good.
    drop(original);
    let adopted = copy.command(&["collect", "--adopt"], "").await;
    assert!(text(&adopted).contains("found and let go"), "{}", text(&adopted));
    copy.verify().await;
    let nothing = copy.command(&["collect", "--dry-run"], "").await;
    assert_eq!(text(&nothing).trim(), "nothing lies here that nobody needs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_says_when_objects_are_away() {
    let process = Process::start(BINARY, &[]).await;
    let anyone = process.client();
    let ready = async |wanted: &str| {
        eventually(wanted, async || {
            (anyone.get("/readyz").await.expect(200).json["status"] == wanted).then_some(())
        })
        .await;
    };
    ready("ready").await;
    let uploads = process.data().join("objects/uploads");
    std::fs::rename(&uploads, process.data().join("aside")).unwrap();
    ready("degraded").await;
    let missing = anyone.get("/readyz").await.expect(200).json["missing"].clone();
    assert_eq!(missing, serde_json::json!(["objects: no video can be watched or uploaded"]));
    anyone.get("/api/tickets").await.expect(200);
    std::fs::rename(process.data().join("aside"), &uploads).unwrap();
    ready("ready").await;
}
