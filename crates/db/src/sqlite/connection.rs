//! One SQLite connection: pragmas, statements translated and prepared once, errors named.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use kernel::{Error, Result};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, ErrorCode, OpenFlags};

use crate::value::Cells;
use crate::{FromRow, Param, Row, Value, statements};

/// More statements than any service has; all of them stay prepared.
const STATEMENTS: usize = 256;
/// How long to wait for another process (a command beside the server) to end its transaction.
const BUSY: Duration = Duration::from_secs(5);

pub(crate) struct Connection {
    pub(super) raw: rusqlite::Connection,
    translated: HashMap<&'static str, String>,
}

impl Connection {
    pub(super) fn open(path: &Path, writes: bool) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let raw = rusqlite::Connection::open_with_flags(path, flags).map_err(named)?;
        raw.busy_timeout(BUSY).map_err(named)?;
        raw.set_prepared_statement_cache_capacity(STATEMENTS);
        // FULL: a commit is on the disk before it is answered. A checkpoint every 32 MiB writes a page that
        // changed often once; the WAL is cut back after a burst.
        raw.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
             PRAGMA cache_size = -16384; PRAGMA journal_size_limit = 67108864; PRAGMA temp_store = MEMORY;
             PRAGMA wal_autocheckpoint = 8000;",
        )
        .map_err(named)?;
        if !writes {
            raw.execute_batch("PRAGMA query_only = ON").map_err(named)?;
        }
        Ok(Self { raw, translated: HashMap::new() })
    }

    /// To SQLite `$2` is a name, numbered by first appearance; `?2` is the second parameter.
    fn prepare(&mut self, sql: &'static str) -> Result<CachedStatement<'_>> {
        let Self { raw, translated } = self;
        let text = translated.entry(sql).or_insert_with(|| {
            statements::executed("sqlite", sql);
            sql.replace('$', "?")
        });
        raw.prepare_cached(text).map_err(named)
    }

    pub(crate) fn execute<P: Param>(
        &mut self,
        sql: &'static str,
        params: impl IntoIterator<Item = P>,
    ) -> Result<u64> {
        let mut statement = self.prepare(sql)?;
        bind(&mut statement, params)?;
        statement.raw_execute().map(|n| n as u64).map_err(named)
    }

    pub(crate) fn optional<T: FromRow>(
        &mut self,
        sql: &'static str,
        params: &[&dyn Param],
    ) -> Result<Option<T>> {
        let mut statement = self.prepare(sql)?;
        bind(&mut statement, params)?;
        let mut rows = statement.raw_query();
        let Some(row) = rows.next().map_err(named)? else { return Ok(None) };
        let value = T::from_row(&Row(row))?;
        // An INSERT … RETURNING has done its work only when it has been stepped to its end.
        while rows.next().map_err(named)?.is_some() {}
        Ok(Some(value))
    }

    pub(crate) fn all<T: FromRow, P: Param>(
        &mut self,
        sql: &'static str,
        params: impl IntoIterator<Item = P>,
    ) -> Result<Vec<T>> {
        let mut statement = self.prepare(sql)?;
        bind(&mut statement, params)?;
        let mut rows = statement.raw_query();
        let mut all = Vec::new();
        while let Some(row) = rows.next().map_err(named)? {
            all.push(T::from_row(&Row(row))?);
        }
        Ok(all)
    }
}

fn bind<P: Param>(statement: &mut CachedStatement<'_>, params: impl IntoIterator<Item = P>) -> Result<()> {
    for (index, param) in params.into_iter().enumerate() {
        let value = match param.value() {
            Value::Null => rusqlite::types::Value::Null,
            Value::Int(v) => rusqlite::types::Value::Integer(v),
            Value::Bool(v) => rusqlite::types::Value::Integer(v.into()),
            Value::Real(v) => rusqlite::types::Value::Real(v),
            Value::Text(ref v) => {
                let text = ToSqlOutput::Borrowed(ValueRef::Text(v.as_bytes()));
                statement.raw_bind_parameter(index + 1, text).map_err(named)?;
                continue;
            }
        };
        statement.raw_bind_parameter(index + 1, value).map_err(named)?;
    }
    Ok(())
}

impl Param for Value<'_> {
    fn value(&self) -> Value<'_> {
        match self {
            Value::Text(text) => Value::Text(std::borrow::Cow::Borrowed(text)),
            other => other.clone(),
        }
    }
}

impl Cells for rusqlite::Row<'_> {
    fn cell(&self, index: usize) -> Result<Value<'_>> {
        Ok(match self.get_ref(index).map_err(named)? {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(v) => Value::Int(v),
            ValueRef::Real(v) => Value::Real(v),
            ValueRef::Text(v) => Value::Text(String::from_utf8_lossy(v)),
            ValueRef::Blob(_) => return Err(Error::internal("a column holds a blob")),
        })
    }
}

/// Names an engine's error in our words: what a full or broken disk causes may pass, the rest is a bug.
pub(super) fn named(error: rusqlite::Error) -> Error {
    let code = error.sqlite_error_code();
    let away = matches!(
        code,
        Some(
            ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::CannotOpen
                | ErrorCode::OutOfMemory
                | ErrorCode::ReadOnly
        )
    );
    let named = if away {
        Error::unavailable("the database is away")
    } else {
        Error::internal("the database refused")
    };
    named.because(error)
}
