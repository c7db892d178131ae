//! The pages that mail leads to, as the gallery looks at them.

use testkit::{App, eventually};

use super::gallery::Gallery;

/// From a forgotten password to a new one, and an address that is confirmed.
pub(super) async fn pages(gallery: &mut Gallery<'_>, app: &App) {
    let browser = gallery.browser;
    let email = "forgetful@example.com";
    app.client().sign_up(email).await;
    gallery.become_person(&app.client()).await;

    gallery.visit("verify", &link(app, email, "/verify?code=").await).await;
    browser.submit("/verify").await;
    browser.shows("/verify", "Your address is confirmed").await;
    gallery.examine("verified", &[]).await;
    gallery.visit("verify-half", "/verify").await;

    gallery.visit("forgot", "/forgot").await;
    browser.fill("email", email).await;
    browser.submit("/forgot").await;
    browser.shows("/forgot", "a mail is on its way").await;
    gallery.examine("forgot-sent", &[]).await;

    gallery.visit("reset-void", "/reset").await;
    gallery.visit("reset", &link(app, email, "/reset?code=").await).await;
    browser.fill("newPassword", "a newer password").await;
    browser.submit("/reset").await;
    browser.shows("/signin", "Your new password is saved").await;
    gallery.examine("reset-done", &[]).await;
}

/// Where the mail to `email` leads whose link begins with `begin`.
async fn link(app: &App, email: &str, begin: &str) -> String {
    eventually(&format!("a mail with {begin}"), async || {
        let folder = std::fs::read_dir(app.data().join("mail")).ok()?;
        let mails = folder.filter_map(|file| std::fs::read_to_string(file.ok()?.path()).ok());
        let mail = mails.into_iter().find(|mail| mail.contains(email) && mail.contains(begin))?;
        let (_, code) = mail.split_once(begin)?;
        Some(format!("{begin}{}", code.lines().next()?))
    })
    .await
}
