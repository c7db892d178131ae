//! Who moves the money, as the settings say.

use kernel::{Error, Result};
use payments::{Gateway, StripeConfig, StripeGateway, TestGateway};

use crate::{Settings, data_dir, secrets};

/// The gateway that is built in.
pub(crate) const TEST: &str = "test:";

/// Opens the gateway.
///
/// # Errors
/// A sentence that says what to set.
pub(crate) async fn open(settings: &Settings) -> Result<Gateway> {
    let clock = settings.clock.clone();
    if settings.payments_url == TEST {
        let ledger = data_dir::database(&settings.data, "gateway");
        return Ok(Gateway::Test(TestGateway::open(&ledger, clock).await?));
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
