//! The catalogue of services, opened on one data directory: what runs, what hears what, what is migrated.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use accounts::Accounts;
use axum::Router;
use db::{Db, Migration};
use events::{Bus, Job, Subscription, every, run_relay};
use expiration::Expiration;
use kernel::{Clock, Result};
use orders::Orders;
use payments::Payments;
use tickets::Tickets;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use web::Web;

use crate::{Tls, data_dir, gateway, operations, secrets, telemetry};

/// How long a client may take to send the head of a request, if nothing else is said.
pub(crate) const HEAD: Duration = Duration::from_secs(15);
/// Published events and old answers are looked through this often.
const PRUNE_EVERY: Duration = Duration::from_secs(60);
/// Published events are kept this long, so that they can be published again.
const EVENTS_KEPT: Duration = Duration::from_secs(7 * 86_400);

/// What an installation may choose.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where everything is kept.
    pub data: PathBuf,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Holds.
    pub orders: orders::Settings,
    /// Sign-ins and sign-ups.
    pub limits: accounts::Limits,
    /// ISO 4217, lower case.
    pub currency: String,
    /// Who moves the money: `test:`, or the URL of Stripe, whose secrets are in the environment.
    pub payments_url: String,
    /// The address that people use.
    pub public_url: Option<String>,
    /// Whether cookies travel over HTTPS only.
    pub secure_cookies: bool,
    /// HTTPS in this process.
    pub tls: Tls,
    /// How long a client may take to send the head of a request.
    pub head_timeout: Duration,
    /// Whether an empty installation is filled.
    pub demo: bool,
    /// Where time comes from.
    pub clock: Clock,
}

impl Settings {
    /// A default installation in `data`, on a free port of the loopback interface.
    pub fn new(data: PathBuf) -> Self {
        Self {
            data,
            listen: ([127, 0, 0, 1], 0).into(),
            orders: orders::Settings::default(),
            limits: accounts::Limits::default(),
            currency: "usd".into(),
            payments_url: gateway::TEST.into(),
            public_url: None,
            secure_cookies: false,
            tls: Tls::default(),
            head_timeout: HEAD,
            demo: false,
            clock: Clock::system(),
        }
    }
}

/// Every service, open.
pub struct House {
    /// What all of them share: sessions, clock, live changes.
    pub web: Web,
    /// Users and sessions.
    pub accounts: Accounts,
    /// What is listed.
    pub tickets: Tickets,
    /// Holds and admissions.
    pub orders: Orders,
    /// The ends of holds.
    pub expiration: Expiration,
    /// Money.
    pub payments: Payments,
    databases: Vec<Db>,
    data: PathBuf,
}

impl House {
    /// Opens every service; `migrate` brings the databases up to date first.
    ///
    /// # Errors
    /// A sentence that says what to do.
    pub async fn open(settings: &Settings, migrate: bool) -> Result<Self> {
        data_dir::make(&settings.data)?;
        // Before anything counts: handles taken earlier would count into nothing.
        telemetry::metrics()?;
        let web = Web::new(web::Config {
            clock: settings.clock.clone(),
            jwt_key: secrets::jwt_key(&settings.data)?,
            secure_cookies: settings.secure_cookies || settings.tls.is_on(),
            currency: settings.currency.clone(),
            public_url: settings.public_url.clone(),
            ..web::Config::default()
        });
        let open = Opening { settings, migrate };
        let accounts_db = open.database("accounts", accounts::MIGRATIONS).await?;
        let tickets_db = open.database("tickets", tickets::MIGRATIONS).await?;
        let orders_db = open.database("orders", orders::MIGRATIONS).await?;
        let expiration_db = open.database("expiration", expiration::MIGRATIONS).await?;
        let payments_db = open.database("payments", payments::MIGRATIONS).await?;
        let gateway = gateway::open(settings).await?;
        let house = Self {
            accounts: Accounts::new(accounts_db.clone(), web.clone(), &settings.limits),
            tickets: Tickets::new(tickets_db.clone(), web.clone()),
            orders: Orders::new(orders_db.clone(), web.clone(), settings.orders.clone()),
            expiration: Expiration::new(expiration_db.clone()),
            payments: Payments::new(payments_db.clone(), web.clone(), gateway, payments::Settings::default()),
            databases: vec![accounts_db, tickets_db, orders_db, expiration_db, payments_db],
            data: settings.data.clone(),
            web,
        };
        house.accounts.load_revocations().await?;
        Ok(house)
    }

    /// Where everything is kept.
    pub fn data(&self) -> &std::path::Path {
        &self.data
    }

    /// The databases of the services.
    pub fn databases(&self) -> &[Db] {
        &self.databases
    }

    /// Who hears events.
    pub fn subscriptions(&self) -> Vec<Subscription> {
        vec![
            self.accounts.subscription(),
            self.tickets.subscription(),
            self.orders.subscription(),
            self.expiration.subscription(),
            self.payments.subscription(),
        ]
    }

    /// Every call and page, behind the stack that all requests pass.
    ///
    /// # Errors
    /// `Internal` if the metrics cannot be installed.
    pub fn routes(&self) -> Result<Router> {
        let services = Router::new()
            .merge(self.accounts.routes())
            .merge(self.tickets.routes())
            .merge(self.orders.routes())
            .merge(self.payments.routes())
            .merge(operations::routes(self)?)
            .merge(web::assets());
        Ok(web::stack(services, &self.web))
    }

    /// Starts relays and background work; they end with `stop`.
    pub fn run(&self, tasks: &TaskTracker, stop: &CancellationToken) {
        let bus = Bus::local(self.subscriptions());
        for db in &self.databases {
            tasks.spawn(run_relay(db.clone(), bus.clone(), stop.clone()));
            tasks.spawn((prune(db.clone()).run)(stop.clone()));
        }
        let jobs = [self.accounts.jobs(), self.expiration.jobs(), self.payments.jobs()];
        for job in jobs.into_iter().flatten() {
            tasks.spawn((job.run)(stop.clone()));
        }
    }
}

struct Opening<'a> {
    settings: &'a Settings,
    migrate: bool,
}

impl Opening<'_> {
    async fn database(&self, name: &'static str, scripts: &[Migration]) -> Result<Db> {
        let path = data_dir::database(&self.settings.data, name);
        let db = Db::open_sqlite(&path, name, self.settings.clock.clone())?;
        if self.migrate {
            db.migrate(scripts).await?;
        } else {
            db.check_migrated(scripts).await?;
        }
        Ok(db)
    }
}

/// Keeps the tables that every database has from growing for ever.
fn prune(db: Db) -> Job {
    Job::new("prune", move |stop| async move {
        let never = Notify::new();
        every("prune", PRUNE_EVERY, &never, stop, async || {
            let now = db.clock().now();
            while db.outbox_prune(now - EVENTS_KEPT).await? == 1000 {}
            while db.prune_answers(now).await? == 1000 {}
            Ok(())
        })
        .await;
    })
}
