//! Every setting as a flag and an environment variable; the flag wins.

mod keeping;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use events::NatsSettings;
use kernel::Result;

use crate::caching::CacheFlags;
use crate::limits::SignLimits;
use crate::traces::Watching;
use crate::{Service, Settings, Tls, gateway, secrets};
use keeping::Keeping;

/// All of them, by what they are about.
#[derive(Debug, Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    keeping: Keeping,
    #[command(flatten)]
    serving: Serving,
    #[command(flatten)]
    tls: Tls,
    #[command(flatten)]
    mail: MailFlags,
    #[command(flatten)]
    sale: Sale,
    #[command(flatten)]
    videos: Videos,
    #[command(flatten)]
    counting: Counting,
    #[command(flatten)]
    listing: Listing,
    #[command(flatten)]
    bus: BusFlags,
    #[command(flatten)]
    cache: CacheFlags,
    #[command(flatten)]
    limits: SignLimits,
    #[command(flatten)]
    watching: Watching,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "How people reach it")]
struct Serving {
    /// The port to listen on
    #[arg(long, env = "PORT", default_value_t = 3333, global = true)]
    port: u16,
    /// The address to listen on
    #[arg(long, env = "HOST", default_value = "127.0.0.1", global = true)]
    host: IpAddr,
    /// The address that people use, if it is not the one their browser asks for
    #[arg(long, env = "PUBLIC_URL", global = true, value_name = "URL", hide_short_help = true)]
    public_url: Option<String>,
    /// Proxies whose X-Forwarded-For is believed: addresses or networks, e.g. 10.0.0.0/8
    #[arg(
        long,
        env = "TRUSTED_PROXIES",
        global = true,
        value_name = "NETWORKS",
        value_delimiter = ',',
        hide_short_help = true
    )]
    trusted_proxies: Vec<web::Network>,
    /// Serve behind TLS: cookies are sent over HTTPS only
    #[arg(long, env = "SECURE_COOKIES", global = true, hide_short_help = true)]
    secure_cookies: bool,
    /// How logs are written: text or json. RUST_LOG=debug says more, RUST_LOG=warn less
    #[arg(long, env = "LOG_FORMAT", default_value = "text", global = true, value_name = "FORMAT",
          value_parser = ["text", "json"], hide_short_help = true, hide_possible_values = true)]
    log_format: String,
}

/// The address may hold a password.
#[derive(Debug, Args)]
#[command(next_help_heading = "Mail")]
struct MailFlags {
    /// The server that mail is sent by: smtps://user:password@host:465, or smtp://user:password@host:587 (STARTTLS,
    /// unless it ends in ?tls=none). Without it mail is kept in files, in mail/ of --data
    #[arg(long, env = "SMTP_URL", global = true, value_name = "URL", hide_env_values = true)]
    smtp_url: Option<String>,
    /// Whom mail is from, e.g. Marquee <box-office@shop.example>; no-reply at the host of --public-url if nothing is said
    #[arg(long, env = "MAIL_FROM", global = true, value_name = "SENDER", hide_short_help = true)]
    mail_from: Option<String>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "The sale")]
struct Sale {
    /// Fill an empty installation with a seller, shows and a buyer
    #[arg(long, env = "DEMO", global = true)]
    demo: bool,
    /// How long a buyer may hold a ticket before paying
    #[arg(long, env = "HOLD_SECONDS", default_value_t = 900, global = true, value_name = "SECONDS",
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    hold_seconds: u64,
    /// The highest quantity of one order
    #[arg(long, env = "MAX_PER_ORDER", default_value_t = 10, global = true, value_name = "UNITS",
          value_parser = clap::value_parser!(i64).range(1..=1000), hide_short_help = true)]
    max_per_order: i64,
    /// The installation's one currency (ISO 4217)
    #[arg(long, env = "CURRENCY", default_value = "usd", global = true, value_parser = currency)]
    currency: String,
    /// Who moves the money: test: or Stripe's https://api.stripe.com, with STRIPE_KEY and
    /// STRIPE_WEBHOOK_SECRET in the environment
    #[arg(long, env = "PAYMENTS_URL", default_value = gateway::TEST, global = true, value_name = "URL")]
    payments_url: String,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Videos")]
struct Videos {
    /// The longest video, e.g. 20GiB
    #[arg(long, env = "VIDEO_LIMIT", default_value = "20GiB", global = true, value_name = "BYTES",
          value_parser = streaming::bytes::read, hide_short_help = true)]
    video_limit: u64,
    /// What one user may keep
    #[arg(long, env = "VIDEO_QUOTA", default_value = "100GiB", global = true, value_name = "BYTES",
          value_parser = streaming::bytes::read, hide_short_help = true)]
    video_quota: u64,
    /// How long an upload is kept that nobody goes on with
    #[arg(long, env = "UPLOAD_KEEP", default_value = "1d", global = true, value_name = "SPAN", value_parser = keep,
          hide_short_help = true)]
    upload_keep: Duration,
    /// Where storage runs, if it does so in another process: http://storage:3333
    #[arg(long, env = "VIDEO_STORAGE_URL", global = true, value_name = "URL", hide_short_help = true)]
    video_storage_url: Option<String>,
}

impl Videos {
    fn settings(&self) -> streaming::Settings {
        let Self { video_limit, video_quota, upload_keep, .. } = self;
        streaming::Settings { limit: *video_limit, quota: *video_quota, kept: *upload_keep }
    }
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Counting")]
struct Counting {
    /// Let anybody count, without a session: for trying the counters with curl
    #[arg(long, env = "OPEN_COUNTERS", global = true, hide_short_help = true)]
    open_counters: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Users")]
struct Listing {
    /// Let anybody read and change the directory /user, without a session: for trying it with curl
    #[arg(long, env = "OPEN_DIRECTORY", global = true, hide_short_help = true)]
    open_directory: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Many processes")]
struct BusFlags {
    /// The bus between processes, e.g. nats://host:4222; without it events stay in this one
    #[arg(long, env = "NATS_URL", global = true, value_name = "URL", hide_env_values = true)]
    nats_url: Option<String>,
    /// How many servers of a NATS cluster keep each event
    #[arg(long, env = "NATS_REPLICAS", default_value_t = 1, global = true, value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..=5), hide_short_help = true)]
    nats_replicas: u32,
    /// How long NATS keeps events
    #[arg(long, env = "NATS_KEEP", default_value = "7d", global = true, value_name = "SPAN", value_parser = span,
          hide_short_help = true)]
    nats_keep: Duration,
    /// What the names of Marquee's streams and subjects begin with, where installations share a NATS
    #[arg(long, env = "NATS_PREFIX", default_value = "marquee", global = true, value_name = "NAME",
          value_parser = prefix, hide_short_help = true)]
    nats_prefix: String,
}

impl Flags {
    /// How logs are written.
    pub(crate) fn log_format(&self) -> &str {
        &self.serving.log_format
    }

    /// Where traces go.
    pub(crate) fn watching(&self) -> &Watching {
        &self.watching
    }

    /// The settings of all services; secrets that no flag carries come from the environment or a file.
    ///
    /// # Errors
    /// `Invalid` for a secret's file that cannot be read.
    pub(crate) fn settings(self) -> Result<Settings> {
        let Self {
            keeping,
            serving,
            tls,
            mail,
            sale,
            videos,
            counting,
            listing,
            bus,
            cache,
            limits,
            watching: _,
        } = self;
        Ok(Settings {
            services: Service::ALL.to_vec(),
            data: keeping.data.clone(),
            objects: keeping.objects()?,
            videos: videos.settings(),
            video_storage_url: videos.video_storage_url.filter(|url| !url.is_empty()),
            databases: keeping.databases()?,
            nats: bus.settings()?,
            caching: cache.settings()?,
            jwt_key: secrets::given_key()?,
            listen: (serving.host, serving.port).into(),
            mail: mail::Settings {
                smtp_url: or_file(mail.smtp_url, "SMTP_URL")?,
                from: mail.mail_from.filter(|from| !from.is_empty()),
            },
            public_url: serving.public_url,
            trusted_proxies: serving.trusted_proxies,
            secure_cookies: serving.secure_cookies,
            tls,
            orders: orders::Settings {
                hold: Duration::from_secs(sale.hold_seconds),
                max_per_order: sale.max_per_order,
                ..orders::Settings::default()
            },
            currency: sale.currency,
            payments_url: sale.payments_url,
            demo: sale.demo,
            counters: counters::Settings { open: counting.open_counters },
            accounts: accounts::Settings { limits: limits.limits(), open_directory: listing.open_directory },
            ..Settings::new(PathBuf::new())
        })
    }
}

impl BusFlags {
    fn settings(self) -> Result<Option<NatsSettings>> {
        Ok(or_file(self.nats_url, "NATS_URL")?.map(|url| NatsSettings {
            prefix: self.nats_prefix,
            replicas: self.nats_replicas as usize,
            keep: self.nats_keep,
            ..NatsSettings::new(url)
        }))
    }
}

/// What a flag or the environment gave, else the file that `NAME_FILE` names; an empty one is none.
pub(crate) fn or_file(given: Option<String>, name: &str) -> Result<Option<String>> {
    let value = match given.filter(|value| !value.is_empty()) {
        Some(value) => Some(value),
        None => secrets::from_environment(name)?,
    };
    Ok(value.filter(|value| !value.is_empty()))
}

fn currency(text: &str) -> std::result::Result<String, String> {
    let ok = text.len() == 3 && text.bytes().all(|b| b.is_ascii_alphabetic());
    if ok { Ok(text.to_ascii_lowercase()) } else { Err("three letters, e.g. usd or eur".into()) }
}

pub(crate) fn prefix(text: &str) -> std::result::Result<String, String> {
    let ok =
        !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if ok { Ok(text.into()) } else { Err("small letters, digits and underscores, e.g. marquee".into()) }
}

/// How long an upload may wait for its rest: storage takes it for abandoned after three days.
fn keep(text: &str) -> std::result::Result<Duration, String> {
    let kept = span(text)?;
    if kept <= Duration::from_secs(2 * 86_400) { Ok(kept) } else { Err("two days at most, e.g. 36h".into()) }
}

/// Reads `45s`, `10m`, `12h` or `30d`.
pub(crate) fn span(text: &str) -> std::result::Result<Duration, String> {
    let wrong = || "a number and one of s, m, h, d, e.g. 30d".to_string();
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 86_400,
        _ => return Err(wrong()),
    };
    let count: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    count.checked_mul(unit).filter(|s| *s > 0).map(Duration::from_secs).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_currencies_are_read_or_refused() {
        assert_eq!(span("30d"), Ok(Duration::from_secs(30 * 86_400)));
        for bad in ["", "d", "30", "0s", "-1h", "1w", "99999999999999999999d"] {
            assert!(span(bad).is_err(), "{bad}");
        }
        assert_eq!(currency("EUR"), Ok("eur".into()));
        assert!(currency("euro").is_err());
    }
}
