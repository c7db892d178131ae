//! The services of one process, open: what runs, what hears what, what is migrated.

use std::future::ready;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use accounts::Accounts;
use axum::Router;
use cache::{Memory, Redis};
use counters::Counters;
use db::Db;
use events::{Bus, Job, Nats, Subscription};
use expiration::Expiration;
use kernel::{Error, Instant, Result};
use mail::Mail;
use objects::{Objects, Remote, Signer, Store};
use orders::Orders;
use payments::Payments;
use storage::Storage;
use streaming::Streaming;
use tickets::Tickets;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use web::Web;

use crate::progress::telling;
use crate::report::{Inspector, Seen};
use crate::{
    Service, Settings, data_dir, databases, gateway, neighbours, operations, pages, reference, secrets,
    telemetry,
};

/// An open page of the house's health is renewed this often; nothing is looked at where none is open.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// The services of this process, open.
pub struct House {
    /// What all of them share: sessions, clock, live changes.
    pub web: Web,
    accounts: Option<Accounts>,
    tickets: Option<Tickets>,
    orders: Option<Orders>,
    expiration: Option<Expiration>,
    payments: Option<Payments>,
    counters: Option<Counters>,
    storage: Option<Storage>,
    streaming: Option<Streaming>,
    /// What caches are made of.
    memory: Memory,
    databases: Vec<Db>,
    /// In the order of the databases that have one.
    subscriptions: Vec<Subscription>,
    seen: Seen,
    data: PathBuf,
    bus: Option<Nats>,
    /// This process's own name among its copies.
    owner: String,
    /// When it was opened.
    since: Instant,
}

impl House {
    /// Opens the services that `settings` names; `migrate` brings their databases up to date first.
    ///
    /// # Errors
    /// A sentence that says what to do.
    pub async fn open(settings: &Settings, migrate: bool) -> Result<Self> {
        settings.check()?;
        if settings.is_embedded() {
            data_dir::make(&settings.data)?;
        }
        // Before anything counts: handles taken earlier would count into nothing.
        telemetry::metrics()?;
        let web = Web::new(web::Config {
            clock: settings.clock.clone(),
            jwt_key: secrets::jwt_key(settings)?,
            secure_cookies: settings.secure_cookies || settings.tls.is_on(),
            currency: settings.currency.clone(),
            public_url: settings.public_url.clone(),
            trusted_proxies: settings.trusted_proxies.clone(),
            ..web::Config::default()
        });
        let bus = match &settings.nats {
            Some(nats) => {
                let _telling = telling("connecting to NATS");
                Some(Nats::connect(nats.clone()).await?)
            }
            None => None,
        };
        let mut house = Self {
            web,
            accounts: None,
            tickets: None,
            orders: None,
            expiration: None,
            payments: None,
            counters: None,
            storage: None,
            streaming: None,
            memory: settings.caching.open()?,
            databases: Vec::new(),
            subscriptions: Vec::new(),
            seen: Seen::default(),
            data: settings.data.clone(),
            bus,
            owner: kernel::random_code(),
            since: settings.clock.now(),
        };
        for service in &settings.services {
            house.add(*service, settings, migrate).await?;
        }
        house.subscriptions = house.subscribe();
        if let Some(accounts) = &house.accounts {
            neighbours::load_revocations(accounts, &house.web).await?;
        }
        Ok(house)
    }

    async fn add(&mut self, service: Service, settings: &Settings, migrate: bool) -> Result<()> {
        let db = databases::open(settings, service, migrate).await?;
        let (own, web) = (db.clone(), self.web.clone());
        match service {
            Service::Accounts => {
                let (site, folder) = (settings.public_url.as_deref(), settings.mail_folder());
                let mail = Mail::open(&settings.mail, site, folder, settings.clock.clone())?;
                self.accounts = Some(Accounts::new(own, web, &settings.accounts, &self.memory, mail));
            }
            Service::Tickets => {
                let orders::Settings { hold, max_per_order, .. } = settings.orders;
                self.tickets = Some(Tickets::new(own, web, tickets::Settings { hold, max_per_order }));
            }
            Service::Orders => self.orders = Some(Orders::new(own, web, settings.orders.clone())),
            Service::Expiration => self.expiration = Some(Expiration::new(own)),
            Service::Payments => {
                let gateway = gateway::open(settings, migrate).await?;
                self.payments = Some(Payments::new(own, web, gateway, payments::Settings::default()));
            }
            Service::Counters => self.counters = Some(Counters::new(own, settings.counters.clone())),
            Service::Storage => {
                let store = Store::open(&settings.objects, settings.objects_folder())?;
                self.storage = Some(Storage::new(own, store, signer(settings)?));
            }
            Service::Streaming => {
                let (key, objects) = (secrets::jwt_key(settings)?, self.objects(settings)?);
                let streaming =
                    Streaming::new(own, web, settings.videos.clone(), &self.memory, objects, &key);
                self.streaming = Some(streaming);
            }
        }
        self.databases.push(db);
        Ok(())
    }

    /// Storage, behind HTTP or in this process.
    fn objects(&self, settings: &Settings) -> Result<Arc<dyn Objects>> {
        if let Some(url) = &settings.video_storage_url {
            return Ok(Arc::new(Remote::new(url, signer(settings)?)?));
        }
        let here = self.storage.clone().ok_or_else(|| elsewhere(Service::Storage))?;
        Ok(Arc::new(here))
    }

    /// Users and sessions.
    ///
    /// # Errors
    /// `Invalid` if they are in another process.
    pub fn accounts(&self) -> Result<&Accounts> {
        self.accounts.as_ref().ok_or_else(|| elsewhere(Service::Accounts))
    }

    /// What is listed.
    ///
    /// # Errors
    /// `Invalid` if it is in another process.
    pub fn tickets(&self) -> Result<&Tickets> {
        self.tickets.as_ref().ok_or_else(|| elsewhere(Service::Tickets))
    }

    /// Holds and admissions.
    ///
    /// # Errors
    /// `Invalid` if they are in another process.
    pub fn orders(&self) -> Result<&Orders> {
        self.orders.as_ref().ok_or_else(|| elsewhere(Service::Orders))
    }

    /// The ends of holds, if they are in this process.
    pub(crate) fn expiration(&self) -> Option<&Expiration> {
        self.expiration.as_ref()
    }

    /// Money.
    ///
    /// # Errors
    /// `Invalid` if it is in another process.
    pub fn payments(&self) -> Result<&Payments> {
        self.payments.as_ref().ok_or_else(|| elsewhere(Service::Payments))
    }

    /// Durable increments.
    pub(crate) fn counters(&self) -> Option<&Counters> {
        self.counters.as_ref()
    }

    /// Objects, if they are in this process.
    pub fn storage(&self) -> Option<&Storage> {
        self.storage.as_ref()
    }

    /// Videos.
    ///
    /// # Errors
    /// `Invalid` if they are in another process.
    pub fn streaming(&self) -> Result<&Streaming> {
        self.streaming.as_ref().ok_or_else(|| elsewhere(Service::Streaming))
    }

    /// Where everything is kept that has no server.
    pub fn data(&self) -> &std::path::Path {
        &self.data
    }

    /// The databases of the services.
    pub fn databases(&self) -> &[Db] {
        &self.databases
    }

    /// The bus to other processes, if there is one.
    pub(crate) fn bus(&self) -> Option<&Nats> {
        self.bus.as_ref()
    }

    /// What caches share with other processes, if there is one.
    pub(crate) fn redis(&self) -> Option<&Redis> {
        self.memory.redis.as_ref()
    }

    /// This process's own name among its copies, new at each start.
    pub(crate) fn owner(&self) -> &str {
        &self.owner
    }

    /// When this process opened its services.
    pub(crate) fn since(&self) -> Instant {
        self.since
    }

    /// What was last seen of the house.
    pub(crate) fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Who hears events, in the order of those databases that do.
    pub fn subscriptions(&self) -> &[Subscription] {
        &self.subscriptions
    }

    /// Once only: what is under way in a subscription its clones know.
    fn subscribe(&self) -> Vec<Subscription> {
        let all = [
            self.accounts.as_ref().map(Accounts::subscription),
            self.tickets.as_ref().map(Tickets::subscription),
            self.orders.as_ref().map(Orders::subscription),
            self.expiration.as_ref().map(Expiration::subscription),
            self.payments.as_ref().map(Payments::subscription),
            self.counters.as_ref().map(Counters::subscription),
            self.streaming.as_ref().map(Streaming::subscription),
        ];
        all.into_iter().flatten().collect()
    }

    /// Every call and page, behind the stack that all requests pass.
    ///
    /// # Errors
    /// `Internal` if the metrics cannot be installed.
    pub fn routes(&self) -> Result<Router> {
        let services = [
            self.accounts.as_ref().map(Accounts::routes),
            self.tickets.as_ref().map(Tickets::routes),
            self.orders.as_ref().map(Orders::routes),
            self.payments.as_ref().map(Payments::routes),
            self.counters.as_ref().map(Counters::routes),
            self.storage.as_ref().map(Storage::routes),
            self.streaming.as_ref().map(Streaming::routes),
        ];
        let pages = pages::routes(Inspector::new(self)).merge(reference::routes(&self.web));
        let own = Router::new().merge(operations::routes(self)?).merge(pages).merge(web::assets());
        let all = services.into_iter().flatten().fold(own, |all, routes| all.merge(routes.into_router()));
        Ok(web::stack(all, &self.web))
    }

    /// Starts relays, intakes and background work; they end with `stop`. `site` is where this process is reached, for
    /// the links of mails, unless a public address is set.
    ///
    /// # Errors
    /// `Conflict` if another process works on the same databases and there is no bus to share the work by.
    pub async fn run(&self, site: &str, tasks: &TaskTracker, stop: &CancellationToken) -> Result<()> {
        let bus = match &self.bus {
            Some(nats) => {
                neighbours::meet(
                    nats,
                    &self.web,
                    self.accounts.as_ref(),
                    self.streaming.as_ref(),
                    tasks,
                    stop,
                )
                .await?;
                Inspector::new(self).answer(nats).await?;
                Bus::nats(nats.clone())
            }
            None => {
                databases::be_alone(&self.databases, &self.owner).await?;
                Bus::local(self.subscriptions.clone())
            }
        };
        let services = self.databases.iter().map(|db| {
            // Storage hears nothing.
            let hears = self.subscriptions.iter().find(|subscription| subscription.name() == db.name());
            events::Service::new(db.clone(), hears.cloned())
        });
        let services = services.collect();
        events::run(&bus, services, &self.owner, tasks, stop);
        for db in &self.databases {
            tasks.spawn((databases::prune(db.clone()).run)(stop.clone()));
        }
        tasks.spawn((look_again(self.web.clone()).run)(stop.clone()));
        tasks.spawn((telemetry::upkeep()?.run)(stop.clone()));
        let jobs = [
            self.accounts.as_ref().map(|accounts| accounts.jobs(site)),
            self.tickets.as_ref().map(Tickets::jobs),
            self.orders.as_ref().map(Orders::jobs),
            self.expiration.as_ref().map(Expiration::jobs),
            self.payments.as_ref().map(Payments::jobs),
            self.counters.as_ref().map(|counters| counters.jobs(&self.web)),
            self.storage.as_ref().map(Storage::jobs),
            self.streaming.as_ref().map(Streaming::jobs),
        ];
        for job in jobs.into_iter().flatten().flatten() {
            tasks.spawn((job.run)(stop.clone()));
        }
        Ok(())
    }
}

/// Signs requests to storage, and checks them.
fn signer(settings: &Settings) -> Result<Signer> {
    Ok(Signer::new(&secrets::jwt_key(settings)?, settings.clock.clone()))
}

fn elsewhere(service: Service) -> Error {
    Error::invalid(format!("{service} does not run in this process"))
}

/// Tells operators who have the house's page open to look again.
fn look_again(web: Web) -> Job {
    Job::periodic("look again", LOOK_EVERY, move || {
        web.changes().hear(pages::HEALTH);
        ready(Ok(()))
    })
}
