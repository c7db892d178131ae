//! Mail that was asked for is sent, whatever happens meanwhile, and by one process.
#![allow(clippy::unwrap_used)]

mod common;

use std::time::Duration;

use accounts::{Accounts, Settings};
use common::{House, SITE, code_of};
use engines::Postbox;
use futures_util::future::join_all;
use kernel::Instant;
use serde_json::json;
use tokio_util::sync::CancellationToken;

async fn house_at(server: &Postbox) -> House {
    let settings = mail::Settings { smtp_url: Some(server.url()), ..mail::Settings::default() };
    House::that_mails(Settings::default(), &settings).await
}

#[tokio::test]
async fn a_mail_that_a_crash_left_behind_is_sent_by_the_next_process() {
    let house = House::new().await;
    house.sign_up("ann@example.com").await;
    let next = house.other();
    next.send_mail(SITE).await.unwrap();
    assert_eq!(house.take_mail().await.len(), 1);
}

#[tokio::test]
async fn a_mail_is_sent_as_soon_as_it_is_asked_for() {
    let server = Postbox::start().await;
    let house = house_at(&server).await;
    let stop = CancellationToken::new();
    let jobs: Vec<_> =
        house.accounts.jobs(SITE).into_iter().map(|job| tokio::spawn((job.run)(stop.clone()))).collect();
    let asked = std::time::Instant::now();
    house.sign_up("ann@example.com").await;
    let mails = server.wait_for(1).await;
    assert!(asked.elapsed() < Duration::from_secs(5), "the bell was not heard");
    let code = code_of(&mails[0], "ann@example.com", "verify");
    assert_eq!(house.post("/api/account/verify", json!({"code": code})).await.status, 200);
    assert!(mails[0].starts_with("From: Marquee <no-reply@shop.example>\r\n"), "{}", mails[0]);
    stop.cancel();
    join_all(jobs).await;
}

#[tokio::test]
async fn a_server_that_is_away_delays_mail_and_nobody_is_told_of_an_error() {
    let mut server = Postbox::start().await;
    let house = house_at(&server).await;
    server.close().await;
    house.sign_up("ann@example.com").await;
    for _ in 0..2 {
        house.accounts.send_mail(SITE).await.unwrap();
        assert_eq!(house.waiting().await.0, 1);
        assert_eq!(house.post("/api/account/reset", json!({"email": "bob@example.com"})).await.status, 202);
        house.clock.advance(Duration::from_secs(20));
    }
    server.open().await;
    house.accounts.send_mail(SITE).await.unwrap();
    assert_eq!((server.mails().len(), house.waiting().await.0), (1, 0));
    let code = code_of(&server.mails()[0], "ann@example.com", "verify");
    assert_eq!(house.post("/api/account/verify", json!({"code": code})).await.status, 200);
}

#[tokio::test]
async fn a_mail_waits_longer_after_each_failure_and_is_given_up_after_a_day() {
    let mut server = Postbox::start().await;
    let house = house_at(&server).await;
    house.sign_up("ann@example.com").await;
    server.close().await;
    let begun = house.clock.now();
    let waiting = async || -> Option<(i64, Instant)> {
        house.db.optional("SELECT attempts, next_at FROM mails", &[]).await.unwrap()
    };
    let mut waits = Vec::new();
    house.accounts.send_mail(SITE).await.unwrap();
    while let Some((attempts, next)) = waiting().await {
        let tries = waits.len() + 1;
        assert_eq!(attempts, i64::try_from(tries).unwrap());
        assert!(tries < 100, "never given up: {waits:?}");
        let wait = house.clock.now().until(next);
        waits.push(wait.as_secs());
        house.clock.advance(wait - Duration::from_millis(1));
        house.accounts.send_mail(SITE).await.unwrap();
        assert_eq!(waiting().await, Some((attempts, next)), "it is not its turn yet");
        house.clock.advance(Duration::from_millis(1));
        house.accounts.send_mail(SITE).await.unwrap();
    }
    let (growing, rest) = waits.split_at(10);
    assert_eq!(growing, [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600]);
    assert!(rest.iter().all(|wait| *wait == 3600), "{waits:?}");
    let hours = begun.until(house.clock.now()).as_secs() / 3600;
    assert_eq!(hours, 24, "given up at the first try after a day");
    server.open().await;
    house.accounts.send_mail(SITE).await.unwrap();
    assert!(server.mails().is_empty());
}

#[tokio::test]
async fn an_address_that_is_refused_is_given_up_and_one_that_is_put_off_holds_up_nobody() {
    let server = Postbox::start().await;
    let house = house_at(&server).await;
    server.refuse("550 5.1.1 no such mailbox");
    house.sign_up("ann@example.com").await;
    house.accounts.send_mail(SITE).await.unwrap();
    assert_eq!((server.mails().len(), house.waiting().await.0), (0, 0));

    server.refuse("451 greylisted");
    house.sign_up("bob@example.com").await;
    house.clock.advance(Duration::from_secs(1));
    house.sign_up("cat@example.com").await;
    house.accounts.send_mail(SITE).await.unwrap();
    assert_eq!((server.mails().len(), house.waiting().await.0), (1, 1));
    code_of(&server.mails()[0], "cat@example.com", "verify");
    house.accounts.send_mail(SITE).await.unwrap();
    assert_eq!(server.mails().len(), 1, "it is not its turn yet");
    house.clock.advance(Duration::from_secs(10));
    house.accounts.send_mail(SITE).await.unwrap();
    assert_eq!((server.mails().len(), house.waiting().await.0), (2, 0));
}

#[tokio::test]
async fn a_server_that_takes_no_mail_of_this_house_is_tried_until_somebody_mended_that() {
    let server = Postbox::start().await;
    let house = house_at(&server).await;
    house.sign_up("ann@example.com").await;
    for answer in ["550 5.7.1 relaying denied", "553 5.7.1 sender not owned by user", "550 no"] {
        server.refuse(answer);
        house.accounts.send_mail(SITE).await.unwrap();
        assert_eq!((server.mails().len(), house.waiting().await.0), (0, 1), "{answer}");
        house.clock.advance(Duration::from_secs(3600));
    }
    house.accounts.send_mail(SITE).await.unwrap();
    assert_eq!((server.mails().len(), house.waiting().await.0), (1, 0));
}

#[tokio::test]
async fn an_address_that_no_mail_can_carry_is_given_up() {
    let house = House::new().await;
    house.sign_up("a\"b,c@example.com").await;
    assert!(house.take_mail().await.is_empty());
    assert_eq!(house.waiting().await.0, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_processes_one_sends_a_mail() {
    let server = Postbox::start().await;
    let house = house_at(&server).await;
    const MAILS: usize = 20;
    for n in 0..MAILS {
        house.sign_up(&format!("user{n}@example.com")).await;
    }
    let processes = (0..4).map(|_| {
        let (db, web, mail) = (house.db.clone(), house.web.clone(), house.mail.clone());
        let accounts = Accounts::new(db, web, &Settings::default(), &cache::Memory::default(), mail);
        tokio::spawn(async move { accounts.send_mail(SITE).await })
    });
    join_all(processes).await.into_iter().for_each(|sent| sent.unwrap().unwrap());
    // Who lost a race for a row leaves the rest to the others, or to the next round.
    house.accounts.send_mail(SITE).await.unwrap();
    let mut to: Vec<_> = server
        .mails()
        .iter()
        .map(|m| m.lines().find(|l| l.starts_with("To: ")).unwrap().to_owned())
        .collect();
    to.sort();
    to.dedup();
    assert_eq!((server.mails().len(), to.len(), house.waiting().await.0), (MAILS, MAILS, 0));
}

#[tokio::test]
async fn codes_that_have_expired_are_swept_out() {
    let house = House::new().await;
    house.sign_up("ann@example.com").await;
    house.code("ann@example.com", "verify").await;
    house.clock.advance(Duration::from_secs(24 * 3600));
    house.sign_up("bob@example.com").await;
    house.code("bob@example.com", "verify").await;
    let stop = CancellationToken::new();
    let jobs: Vec<_> =
        house.accounts.jobs(SITE).into_iter().map(|job| tokio::spawn((job.run)(stop.clone()))).collect();
    let deadline = std::time::Instant::now() + engines::DEADLINE;
    while house.waiting().await.1 != 1 {
        assert!(std::time::Instant::now() < deadline, "nobody swept");
        tokio::task::yield_now().await;
    }
    stop.cancel();
    join_all(jobs).await;
}
