//! Mail goes where it was said, to a mail server and into a folder.
#![allow(clippy::unwrap_used)]

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use engines::Postbox;
use kernel::{Clock, Instant, Kind};
use mail::{KEPT, Letter, Mail, Sent, Settings};

const LETTER: Letter<'_> = Letter {
    to: "ann@example.com",
    subject: "Hello",
    text: "A line\n.\n.with a dot\nhttp://localhost/x?code=y\n",
};

fn by(url: &str) -> Mail {
    let settings = Settings { smtp_url: Some(url.to_owned()), ..Settings::default() };
    Mail::open(&settings, None, "/nowhere".into(), Clock::system()).unwrap()
}

fn into(folder: &Path, clock: &Clock) -> Mail {
    Mail::open(&Settings::default(), None, folder.to_owned(), clock.clone()).unwrap()
}

#[tokio::test]
async fn a_server_is_handed_what_was_written() {
    let server = Postbox::start().await;
    let address = server.url().replace("smtp://", "smtp://ann:s%40cret@");
    assert_eq!(by(&address).send(&LETTER).await.unwrap(), Sent::Handed);
    let mails = server.mails();
    assert_eq!(mails.len(), 1);
    assert!(mails[0].contains("To: ann@example.com\r\n"), "{mails:?}");
    assert!(
        mails[0].contains("\r\n\r\nA line\r\n.\r\n.with a dot\r\nhttp://localhost/x?code=y\r\n"),
        "{mails:?}"
    );
    // base64 of \0ann\0s@cret
    assert!(server.said().contains(&"AUTH PLAIN AGFubgBzQGNyZXQ=".to_owned()), "{:?}", server.said());
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_told_nothing_where_tls_is_wanted() {
    let server = Postbox::start().await;
    let address = server.url().replace("smtp://", "smtp://ann:secret@") + "?tls=required";
    let refused = by(&address).send(&LETTER).await.unwrap_err();
    assert_eq!(refused.kind, Kind::Unavailable, "somebody may mend that");
    assert!(server.said().iter().all(|line| !line.starts_with("AUTH") && !line.contains("ann@")));
    assert!(server.mails().is_empty());
}

#[tokio::test]
async fn a_refusal_is_for_good_or_for_now_and_never_says_the_address() {
    let server = Postbox::start().await;
    let mail = by(&server.url());
    for (answer, kind) in [
        ("550 5.1.1 <ann@example.com>: no such mailbox", Kind::Invalid),
        ("450 4.2.0 <ann@example.com>: greylisted", Kind::Unavailable),
        ("554 5.7.1 <ann@example.com>: not from you", Kind::Unavailable),
        // The house is refused, whoever a mail is for.
        ("550 5.7.1 <ann@example.com>: relaying denied", Kind::Unavailable),
        ("553 5.7.1 <no-reply@localhost>: not owned by ann", Kind::Unavailable),
        ("550 5.1.8 <no-reply@localhost>: no such sender, ann", Kind::Unavailable),
        ("550 <ann@example.com>: no", Kind::Unavailable),
        ("450 5.1.1 <ann@example.com>: perhaps", Kind::Unavailable),
        ("556 5.1.10 <ann@example.com>: takes no mail", Kind::Invalid),
    ] {
        server.refuse(answer);
        let refused = mail.send(&LETTER).await.unwrap_err();
        assert_eq!(refused.kind, kind, "{answer}");
        assert!(!format!("{refused:?}").contains("ann"), "{refused:?}");
        let code = answer.split(" <").next().unwrap();
        assert!(refused.to_string().ends_with(code), "{refused}: who mends it wants to know {code}");
    }
    let abroad = Letter { to: "änn@example.com", ..LETTER };
    assert_eq!(
        mail.send(&abroad).await.unwrap_err().kind,
        Kind::Invalid,
        "this server takes no such address"
    );
    assert_eq!(mail.send(&LETTER).await.unwrap(), Sent::Handed, "the next one is none the worse");
}

#[tokio::test]
async fn a_server_that_was_away_is_found_again() {
    let mut server = Postbox::start().await;
    let mail = by(&server.url());
    mail.send(&LETTER).await.unwrap();
    server.close().await;
    assert_eq!(mail.send(&LETTER).await.unwrap_err().kind, Kind::Unavailable);
    server.open().await;
    mail.send(&LETTER).await.unwrap();
    assert_eq!(server.mails().len(), 2);
}

#[tokio::test]
async fn without_a_server_a_mail_is_a_file_of_its_owner() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("mail");
    let mail = into(&folder, &Clock::manual(Instant::from_millis(1_800_000_000_500)));
    let Sent::Kept(path) = mail.send(&LETTER).await.unwrap() else { panic!("no file") };
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("To: ann@example.com\r\n") && text.contains("code=y"), "{text}");
    assert!(path.starts_with(&folder) && !path.to_str().unwrap().contains("ann"));
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&path)), (0o700, 0o600));
}

#[tokio::test]
async fn the_newest_files_are_kept() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("mail");
    std::fs::create_dir(&folder).unwrap();
    for n in 0..KEPT {
        std::fs::write(folder.join(format!("{n:014}-x.eml")), "old").unwrap();
    }
    let mail = into(&folder, &Clock::manual(Instant::from_millis(1_800_000_000_500)));
    let Sent::Kept(path) = mail.send(&LETTER).await.unwrap() else { panic!("no file") };
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), KEPT);
    assert!(path.exists() && !folder.join(format!("{:014}-x.eml", 0)).exists());
}

#[tokio::test]
async fn what_somebody_else_put_there_stays_and_a_mail_is_kept_whether_or_not_old_ones_go() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path();
    let foreign = ["00-notes.txt", "saved.eml", "00000000000000-x.eml.bak", ".keep"];
    for name in foreign {
        std::fs::write(folder.join(name), "mine").unwrap();
    }
    // A directory is no file that could be removed, not even by the superuser.
    std::fs::create_dir(folder.join(format!("{:014}-x.eml", 0))).unwrap();
    for n in 1..=KEPT {
        std::fs::write(folder.join(format!("{n:014}-x.eml")), "old").unwrap();
    }
    let (half, crashed) = (folder.join(".mail-half"), folder.join(".mail-crashed"));
    std::fs::write(&half, "being written").unwrap();
    let left = std::fs::File::create(&crashed).unwrap();
    left.set_modified(left.metadata().unwrap().modified().unwrap() - Duration::from_secs(7200)).unwrap();

    let mail = into(folder, &Clock::manual(Instant::from_millis(1_800_000_000_500)));
    let Sent::Kept(path) = mail.send(&LETTER).await.unwrap() else { panic!("no file") };
    assert!(path.exists() && half.exists() && !crashed.exists());
    assert!(foreign.iter().all(|name| folder.join(name).exists()), "somebody wants these");
    assert!(!folder.join(format!("{:014}-x.eml", 1)).exists(), "what can go is gone");
}
