//! Who moves the money, as the settings say.

use kernel::{Error, Result};
use payments::{Gateway, StripeConfig, StripeGateway, TestGateway};

use crate::{Settings, secrets};

/// The gateway that is built in.
pub(crate) const TEST: &str = "test:";
/// The name of its ledger's database.
pub(crate) const LEDGER: &str = "gateway";

/// Opens the gateway; `migrate` brings the ledger of the built-in one up to date.
///
/// # Errors
/// A sentence that says what to set.
pub(crate) async fn open(settings: &Settings, migrate: bool) -> Result<Gateway> {
    let clock = settings.clock.clone();
    if settings.payments_url == TEST {
        let ledger = db::Db::open(&settings.location(LEDGER), LEDGER, clock)?;
        return Ok(Gateway::Test(TestGateway::open(ledger, migrate).await?));
    }
    let secret = |name| Ok::<_, Error>(secrets::from_environment(name)?.filter(|secret| !secret.is_empty()));
    let config = StripeConfig {
        key: secret("STRIPE_KEY")?.unwrap_or_default(),
        webhook_secret: secret("STRIPE_WEBHOOK_SECRET")?,
        url: settings.payments_url.clone(),
    };
    let gateway = StripeGateway::new(&config, clock)?;
    if config.webhook_secret.is_none() {
        tracing::warn!("there is no STRIPE_WEBHOOK_SECRET: Stripe's webhooks are answered with 404");
    }
    Ok(Gateway::Stripe(gateway))
}
