//! One connection to PostgreSQL: its settings, statements prepared once, values in and out.

use std::collections::HashMap;
use std::fmt;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::BytesMut;
use deadpool::managed::{self, Metrics, RecycleError, RecycleResult};
use futures_util::TryStreamExt as _;
use kernel::{Error, Result};
use tokio::sync::OnceCell;
use tokio_postgres::config::SslMode;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};
use tokio_postgres::{Client, Config, NoTls, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::failure::Failure;
use super::limits::Limits;
use crate::value::Cells;
use crate::{Param, Value, statements};

/// Opens connections for a pool.
pub(super) struct Connector {
    config: Config,
    tls: Option<MakeRustlsConnect>,
}

impl Connector {
    /// For the server at `url`, with everything in `schema`.
    pub(super) fn new(url: &str, schema: &str, limits: &Limits) -> Result<Self> {
        let wrong = |e| {
            Error::invalid(
                "the database's address is not one, e.g. postgres://user:password@host:5432/marquee",
            )
            .because(e)
        };
        let mut config: Config = url.parse().map_err(wrong)?;
        let given = config.get_options().unwrap_or_default().to_string();
        let limit = limits.statement.as_millis();
        // A transaction awaits nothing but its statements: one that idles belongs to a process that was
        // stopped, and must not keep its locks from the others.
        config
            .options(format!(
                "{given} -c search_path={schema} -c synchronous_commit=on -c statement_timeout={limit} \
                 -c idle_in_transaction_session_timeout=2000 -c timezone=UTC"
            ))
            .application_name(format!("marquee {schema}"))
            .connect_timeout(limits.connect);
        let tls = match config.get_ssl_mode() {
            SslMode::Require => Some(verified()?),
            _ => None,
        };
        Ok(Self { config, tls })
    }

    /// A connection of one's own.
    pub(super) async fn connect(&self) -> Result<Connection, Failure> {
        let client = match &self.tls {
            Some(tls) => {
                let (client, driver) = self.config.connect(tls.clone()).await?;
                tokio::spawn(driver);
                client
            }
            None => {
                let (client, driver) = self.config.connect(NoTls).await?;
                tokio::spawn(driver);
                client
            }
        };
        Ok(Connection { client, statements: Mutex::default() })
    }
}

/// TLS whose certificate is checked against the machine's roots (`sslmode=require`).
fn verified() -> Result<MakeRustlsConnect> {
    use rustls_platform_verifier::ConfigVerifierExt as _;
    let config = rustls::ClientConfig::with_platform_verifier()
        .map_err(|e| Error::unavailable("cannot check certificates").because(e))?;
    Ok(MakeRustlsConnect::new(config))
}

impl managed::Manager for Connector {
    type Type = Connection;
    type Error = Failure;

    async fn create(&self) -> Result<Connection, Failure> {
        self.connect().await
    }

    async fn recycle(&self, connection: &mut Connection, _: &Metrics) -> RecycleResult<Failure> {
        if connection.client.is_closed() { Err(RecycleError::message("closed")) } else { Ok(()) }
    }
}

/// A connection and what is prepared on it.
pub(super) struct Connection {
    client: Client,
    statements: Mutex<HashMap<&'static str, Arc<OnceCell<Statement>>>>,
}

/// What a statement came to.
pub(crate) struct Done {
    pub(super) rows: Vec<tokio_postgres::Row>,
    pub(super) changed: u64,
}

impl Connection {
    /// Runs a script or a command without parameters.
    pub(super) async fn script(&self, sql: &str) -> Result<(), Failure> {
        Ok(self.client.batch_execute(sql).await?)
    }

    /// Runs one statement. Futures that are polled together are sent together, in the order of their first polls.
    pub(super) async fn run(&self, sql: &'static str, params: &[&dyn Param]) -> Result<Done, Failure> {
        let statement = self.prepared(sql).await?;
        let params: Vec<Bound<'_>> = params.iter().map(|param| Bound(param.value())).collect();
        let mut stream = pin!(self.client.query_raw(&statement, params).await?);
        let mut rows = Vec::new();
        while let Some(row) = stream.try_next().await? {
            rows.push(row);
        }
        Ok(Done { rows, changed: stream.rows_affected().unwrap_or(0) })
    }

    /// Prepared once, however many ask for it at the same time.
    pub(super) async fn prepared(&self, sql: &'static str) -> Result<Statement, Failure> {
        let cell = {
            let mut statements = self.statements.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(statements.entry(sql).or_insert_with(|| {
                statements::executed("postgres", sql);
                Arc::default()
            }))
        };
        Ok(cell.get_or_try_init(|| self.client.prepare(sql)).await?.clone())
    }
}

/// A parameter on its way. The server says which type it takes for it.
struct Bound<'a>(Value<'a>);

impl fmt::Debug for Bound<'_> {
    /// Never the value: it may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a parameter")
    }
}

impl ToSql for Bound<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match (&self.0, ty) {
            (Value::Null, _) => Ok(IsNull::Yes),
            (Value::Int(v), &Type::INT8) => v.to_sql(ty, out),
            (Value::Int(v), &Type::INT4) => i32::try_from(*v)?.to_sql(ty, out),
            (Value::Bool(v), &Type::BOOL) => v.to_sql(ty, out),
            (Value::Real(v), &Type::FLOAT8) => v.to_sql(ty, out),
            (Value::Text(v), ty) if <&str as ToSql>::accepts(ty) => v.as_ref().to_sql(ty, out),
            (_, ty) => Err(format!("a statement takes another type: {ty}").into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl Cells for tokio_postgres::Row {
    fn cell(&self, index: usize) -> Result<Value<'_>> {
        let column = self.columns().get(index).ok_or_else(|| Error::internal("a row has too few columns"))?;
        let odd = |e| Error::internal("a column cannot be read").because(e);
        let value = match *column.type_() {
            Type::INT8 => self.try_get::<_, Option<i64>>(index).map_err(odd)?.map(Value::Int),
            Type::INT4 => self.try_get::<_, Option<i32>>(index).map_err(odd)?.map(|v| Value::Int(v.into())),
            Type::BOOL => self.try_get::<_, Option<bool>>(index).map_err(odd)?.map(Value::Bool),
            Type::FLOAT8 => self.try_get::<_, Option<f64>>(index).map_err(odd)?.map(Value::Real),
            _ => self.try_get::<_, Option<&str>>(index).map_err(odd)?.map(|v| Value::Text(v.into())),
        };
        Ok(value.unwrap_or(Value::Null))
    }
}
