//! What goes into a statement and what comes out of a row.

use super::trouble::SqlError;
use rusqlite::types::{ToSqlOutput, Type, ValueRef};
use rusqlite::{Error, Statement, ToSql};
use std::borrow::Cow;
use std::str::Utf8Error;
use std::sync::Arc;

/// A value, borrowed from whoever has it: nothing is copied on its way in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    Null,
    Int(i64),
    Real(f64),
    Text(&'a str),
    Blob(&'a [u8]),
}

impl<'a> Value<'a> {
    pub(super) fn of(found: ValueRef<'a>) -> Result<Self, Utf8Error> {
        Ok(match found {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => Value::Int(number),
            ValueRef::Real(number) => Value::Real(number),
            ValueRef::Text(text) => Value::Text(std::str::from_utf8(text)?),
            ValueRef::Blob(bytes) => Value::Blob(bytes),
        })
    }
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Value::Null => ValueRef::Null,
            Value::Int(number) => ValueRef::Integer(number),
            Value::Real(number) => ValueRef::Real(number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

/// What can be bound to a statement.
pub trait Bind {
    fn value(&self) -> Value<'_>;
}

impl Bind for Value<'_> {
    fn value(&self) -> Value<'_> {
        *self
    }
}

macro_rules! bind {
    ($($kind:ty: $name:ident => $value:expr),+ $(,)?) => {
        $(impl Bind for $kind {
            fn value(&self) -> Value<'_> {
                let $name = self;
                $value
            }
        })+
    };
}

bind! {
    i64: number => Value::Int(*number),
    i32: number => Value::Int(i64::from(*number)),
    u32: number => Value::Int(i64::from(*number)),
    u16: number => Value::Int(i64::from(*number)),
    u8: number => Value::Int(i64::from(*number)),
    bool: flag => Value::Int(i64::from(*flag)),
    str: text => Value::Text(text),
    String: text => Value::Text(text),
    Arc<str>: text => Value::Text(text),
    Cow<'_, str>: text => Value::Text(text),
    [u8]: bytes => Value::Blob(bytes),
    Vec<u8>: bytes => Value::Blob(bytes),
}

impl<const N: usize> Bind for [u8; N] {
    fn value(&self) -> Value<'_> {
        Value::Blob(self)
    }
}

impl<T: Bind + ?Sized> Bind for &T {
    fn value(&self) -> Value<'_> {
        (**self).value()
    }
}

impl<T: Bind + ?Sized> Bind for Box<T> {
    fn value(&self) -> Value<'_> {
        (**self).value()
    }
}

impl<T: Bind> Bind for Option<T> {
    fn value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, Bind::value)
    }
}

/// Why a column is not what was wanted.
#[derive(Debug)]
pub enum Misread {
    Kind,
    OutOfRange(i64),
}

impl Misread {
    pub(super) fn at(self, column: usize, row: &rusqlite::Row<'_>) -> Error {
        match self {
            Misread::OutOfRange(number) => Error::IntegralValueOutOfRange(column, number),
            Misread::Kind => {
                let kind = row.get_ref(column).map_or(Type::Null, |found| found.data_type());
                let name = row.as_ref().column_name(column).unwrap_or("?").to_owned();
                Error::InvalidColumnType(column, name, kind)
            }
        }
    }
}

/// What a column can be read as.
pub trait Column: Sized {
    fn read(value: Value<'_>) -> Result<Self, Misread>;
}

macro_rules! column {
    ($($kind:ty: $pattern:pat => $value:expr),+ $(,)?) => {
        $(impl Column for $kind {
            fn read(value: Value<'_>) -> Result<Self, Misread> {
                match value {
                    $pattern => Ok($value),
                    _ => Err(Misread::Kind),
                }
            }
        })+
    };
}

column! {
    i64: Value::Int(number) => number,
    bool: Value::Int(number) => number != 0,
    String: Value::Text(text) => text.to_owned(),
    Vec<u8>: Value::Blob(bytes) => bytes.to_owned(),
}

macro_rules! number {
    ($($kind:ty),+) => {
        $(impl Column for $kind {
            fn read(value: Value<'_>) -> Result<Self, Misread> {
                let number = i64::read(value)?;
                number.try_into().map_err(|_| Misread::OutOfRange(number))
            }
        })+
    };
}

number!(u8, u16, u32, u64, usize, i32);

impl Column for f64 {
    fn read(value: Value<'_>) -> Result<Self, Misread> {
        match value {
            Value::Real(number) => Ok(number),
            Value::Int(number) => Ok(number as f64),
            _ => Err(Misread::Kind),
        }
    }
}

impl<const N: usize> Column for [u8; N] {
    fn read(value: Value<'_>) -> Result<Self, Misread> {
        match value {
            Value::Blob(bytes) => bytes.try_into().map_err(|_| Misread::Kind),
            _ => Err(Misread::Kind),
        }
    }
}

impl<T: Column> Column for Option<T> {
    fn read(value: Value<'_>) -> Result<Self, Misread> {
        if value == Value::Null { Ok(None) } else { T::read(value).map(Some) }
    }
}

pub(super) mod sealed {
    pub trait Sealed {}
}

/// Takes one value after the other.
pub(super) type Take<'t> = &'t mut dyn FnMut(Value<'_>) -> Result<(), SqlError>;

/// What is bound to a statement as a whole: nothing (`[]`), an array of one kind, or `params![…]`.
pub trait Params: sealed::Sealed {
    #[doc(hidden)]
    fn each(self, take: Take<'_>) -> Result<(), SqlError>;
}

/// Binds them to a statement of SQLite.
pub(super) fn bind(statement: &mut Statement<'_>, params: impl Params) -> Result<(), SqlError> {
    let mut bound = 0;
    params.each(&mut |value| {
        bound += 1;
        Ok(statement.raw_bind_parameter(bound, value)?)
    })?;
    let wanted = statement.parameter_count();
    if bound == wanted { Ok(()) } else { Err(Error::InvalidParameterCount(bound, wanted).into()) }
}

impl sealed::Sealed for [&dyn Bind; 0] {}
impl Params for [&dyn Bind; 0] {
    fn each(self, _: Take<'_>) -> Result<(), SqlError> {
        Ok(())
    }
}

impl sealed::Sealed for &[&dyn Bind] {}
impl Params for &[&dyn Bind] {
    fn each(self, take: Take<'_>) -> Result<(), SqlError> {
        self.iter().try_for_each(|one| take(one.value()))
    }
}

// Not for every length: an empty array would have no kind.
macro_rules! array {
    ($($n:literal),+) => {
        $(impl<T: Bind> sealed::Sealed for [T; $n] {}
        impl<T: Bind> Params for [T; $n] {
            fn each(self, take: Take<'_>) -> Result<(), SqlError> {
                self.iter().try_for_each(|one| take(one.value()))
            }
        })+
    };
}

array!(1, 2, 3, 4, 5, 6, 7, 8);

/// As many values as there are.
pub struct Listed<I>(I);

/// Values that are counted only when they are bound.
pub fn params_from_iter<I: IntoIterator<Item: Bind>>(values: I) -> Listed<I> {
    Listed(values)
}

impl<I> sealed::Sealed for Listed<I> {}
impl<I: IntoIterator<Item: Bind>> Params for Listed<I> {
    fn each(self, take: Take<'_>) -> Result<(), SqlError> {
        self.0.into_iter().try_for_each(|one| take(one.value()))
    }
}

/// Values of several kinds, for one statement.
macro_rules! params {
    ($($value:expr),+ $(,)?) => {
        &[$(&$value as &dyn $crate::store::engine::Bind),+] as &[&dyn $crate::store::engine::Bind]
    };
}
pub(in crate::store) use params;
