//! What goes into a statement and comes out of a row: five kinds of value that every engine has.

use std::borrow::Cow;

use contracts::{CancelReason, OrderStatus, PaymentStatus, Role, Visibility};
use kernel::{Error, Id, Instant, Money, Result, Trace};

/// A value in the dialect the engines share.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// `NULL`
    Null,
    /// `BIGINT`
    Int(i64),
    /// `BOOLEAN`
    Bool(bool),
    /// `DOUBLE PRECISION`
    Real(f64),
    /// `TEXT`
    Text(Cow<'a, str>),
}

impl Value<'_> {
    /// The same value, owned.
    pub fn into_owned(self) -> Value<'static> {
        match self {
            Self::Null => Value::Null,
            Self::Int(v) => Value::Int(v),
            Self::Bool(v) => Value::Bool(v),
            Self::Real(v) => Value::Real(v),
            Self::Text(v) => Value::Text(Cow::Owned(v.into_owned())),
        }
    }
}

/// What can be a parameter of a statement.
pub trait Param: Sync {
    /// The value to bind.
    fn value(&self) -> Value<'_>;
}

/// What can be read from a column.
pub trait Column: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// `Internal` if the column holds something else.
    fn from_value(value: Value<'_>) -> Result<Self>;
}

fn mismatch<T>(value: &Value<'_>) -> Error {
    Error::internal(format!("a column holds {value:?}, not a {}", std::any::type_name::<T>()))
}

impl Param for i64 {
    fn value(&self) -> Value<'_> {
        Value::Int(*self)
    }
}
impl Column for i64 {
    fn from_value(value: Value<'_>) -> Result<Self> {
        match value {
            Value::Int(v) => Ok(v),
            other => Err(mismatch::<Self>(&other)),
        }
    }
}
impl Param for bool {
    fn value(&self) -> Value<'_> {
        Value::Bool(*self)
    }
}
impl Column for bool {
    fn from_value(value: Value<'_>) -> Result<Self> {
        match value {
            Value::Bool(v) => Ok(v),
            Value::Int(v) => Ok(v != 0), // SQLite has no boolean of its own
            other => Err(mismatch::<Self>(&other)),
        }
    }
}
impl Param for f64 {
    fn value(&self) -> Value<'_> {
        Value::Real(*self)
    }
}
impl Column for f64 {
    fn from_value(value: Value<'_>) -> Result<Self> {
        match value {
            Value::Real(v) => Ok(v),
            other => Err(mismatch::<Self>(&other)),
        }
    }
}
impl Param for str {
    fn value(&self) -> Value<'_> {
        Value::Text(Cow::Borrowed(self))
    }
}
impl Param for String {
    fn value(&self) -> Value<'_> {
        Value::Text(Cow::Borrowed(self))
    }
}
impl Column for String {
    fn from_value(value: Value<'_>) -> Result<Self> {
        match value {
            Value::Text(v) => Ok(v.into_owned()),
            other => Err(mismatch::<Self>(&other)),
        }
    }
}
impl<P: Param + ?Sized> Param for &P {
    fn value(&self) -> Value<'_> {
        (**self).value()
    }
}
impl<P: Param> Param for Option<P> {
    fn value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, Param::value)
    }
}
impl<C: Column> Column for Option<C> {
    fn from_value(value: Value<'_>) -> Result<Self> {
        match value {
            Value::Null => Ok(None),
            some => C::from_value(some).map(Some),
        }
    }
}
impl<K> Param for Id<K> {
    fn value(&self) -> Value<'_> {
        Value::Text(Cow::Owned(self.to_string()))
    }
}
impl<K> Column for Id<K> {
    fn from_value(value: Value<'_>) -> Result<Self> {
        match &value {
            Value::Text(text) => text.parse().map_err(|_| mismatch::<Self>(&value)),
            _ => Err(mismatch::<Self>(&value)),
        }
    }
}
impl Param for Money {
    fn value(&self) -> Value<'_> {
        Value::Int(self.minor())
    }
}
impl Column for Money {
    fn from_value(value: Value<'_>) -> Result<Self> {
        i64::from_value(value).map(Self::from_minor)
    }
}
impl Param for Instant {
    fn value(&self) -> Value<'_> {
        Value::Int(self.as_millis())
    }
}
impl Column for Instant {
    fn from_value(value: Value<'_>) -> Result<Self> {
        i64::from_value(value).map(Self::from_millis)
    }
}
impl Param for Trace {
    fn value(&self) -> Value<'_> {
        let text = if self.is_none() { Cow::Borrowed("") } else { Cow::Owned(self.to_string()) };
        Value::Text(text)
    }
}
impl Column for Trace {
    /// What is none of ours is none: an event is not lost for it.
    fn from_value(value: Value<'_>) -> Result<Self> {
        match &value {
            Value::Text(text) => Ok(Self::parse(text)),
            _ => Err(mismatch::<Self>(&value)),
        }
    }
}

macro_rules! text_columns {
    ($($name:ty),+) => {$(
        impl Param for $name {
            fn value(&self) -> Value<'_> {
                Value::Text(Cow::Borrowed(self.as_str()))
            }
        }
        impl Column for $name {
            fn from_value(value: Value<'_>) -> Result<Self> {
                match &value {
                    Value::Text(text) => Self::parse(text).ok_or_else(|| mismatch::<Self>(&value)),
                    _ => Err(mismatch::<Self>(&value)),
                }
            }
        }
    )+};
}
text_columns!(OrderStatus, CancelReason, PaymentStatus, Role, Visibility);

/// One row of an answer; columns are read by their place in the `SELECT`.
pub struct Row<'r>(pub(crate) &'r dyn Cells);

/// What an engine's row can do.
pub(crate) trait Cells {
    fn cell(&self, index: usize) -> Result<Value<'_>>;
}

impl Row<'_> {
    /// The column at `index`, from 0.
    ///
    /// # Errors
    /// `Internal` if it is not there or holds something else.
    pub fn get<T: Column>(&self, index: usize) -> Result<T> {
        T::from_value(self.0.cell(index)?)
    }
}

/// What can be read from a row: tuples of columns, and structs declared with [`from_row!`](crate::from_row).
pub trait FromRow: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// `Internal` if a column is missing or holds something else.
    fn from_row(row: &Row<'_>) -> Result<Self>;
}

/// Implements [`FromRow`] for a struct whose fields are listed in the order of the `SELECT`.
#[macro_export]
macro_rules! from_row {
    ($name:ident { $($field:ident),+ $(,)? }) => {
        impl $crate::FromRow for $name {
            fn from_row(row: &$crate::Row<'_>) -> ::kernel::Result<Self> {
                let mut next = 0usize..;
                $(let $field = row.get(next.next().unwrap_or_default())?;)+
                Ok(Self { $($field),+ })
            }
        }
    };
}

macro_rules! tuples {
    ($($name:ident $index:tt),+) => {
        impl<$($name: Column),+> FromRow for ($($name,)+) {
            fn from_row(row: &Row<'_>) -> Result<Self> {
                Ok(($(row.get::<$name>($index)?,)+))
            }
        }
    };
}
tuples!(A 0);
tuples!(A 0, B 1);
tuples!(A 0, B 1, C 2);
tuples!(A 0, B 1, C 2, D 3);
tuples!(A 0, B 1, C 2, D 3, E 4);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5);
tuples!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
