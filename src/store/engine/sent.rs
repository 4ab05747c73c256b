//! How values go to a server, and come from there.

use super::many::Of;
use super::value::Value;
use postgres::types::private::BytesMut;
use postgres::types::{FromSql, IsNull, ToSql, Type as Kind, to_sql_checked};

/// A value on its way to a server, in the type that the statement wants there.
#[derive(Debug)]
pub(super) enum Owned {
    Null,
    Int(i64),
    Real(f64),
    Text(String),
    Blob(Vec<u8>),
}

impl Owned {
    pub(super) fn of(value: Value<'_>) -> Self {
        match value {
            Value::Null => Owned::Null,
            Value::Int(number) => Owned::Int(number),
            Value::Real(number) => Owned::Real(number),
            // PostgreSQL has no text with this character: it is another one in what is written and in what is looked for.
            Value::Text(text) if text.contains('\0') => Owned::Text(text.replace('\0', "\u{fffd}")),
            Value::Text(text) => Owned::Text(text.to_owned()),
            Value::Blob(bytes) => Owned::Blob(bytes.to_owned()),
        }
    }

    pub(super) fn all(values: &[Self]) -> Vec<&(dyn ToSql + Sync)> {
        values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
    }
}

/// A column of many rows on its way to a server.
#[derive(Debug)]
pub(super) enum Listed {
    Ints(Vec<Option<i64>>),
    Texts(Vec<Option<String>>),
    Blobs(Vec<Option<Vec<u8>>>),
}

impl Listed {
    /// Values of one kind, or nothing.
    pub(super) fn of<'v>(of: Of, values: impl Iterator<Item = Value<'v>>) -> Self {
        let owned = values.map(Owned::of);
        match of {
            Of::Int => {
                Listed::Ints(owned.map(|one| if let Owned::Int(one) = one { Some(one) } else { None }).collect())
            }
            Of::Text => {
                Listed::Texts(owned.map(|one| if let Owned::Text(one) = one { Some(one) } else { None }).collect())
            }
            Of::Blob => {
                Listed::Blobs(owned.map(|one| if let Owned::Blob(one) = one { Some(one) } else { None }).collect())
            }
        }
    }

    pub(super) fn all(lists: &[Self]) -> Vec<&(dyn ToSql + Sync)> {
        lists.iter().map(Self::list).collect()
    }

    fn list(&self) -> &(dyn ToSql + Sync) {
        match self {
            Listed::Ints(list) => list,
            Listed::Texts(list) => list,
            Listed::Blobs(list) => list,
        }
    }
}

type Sent = Result<IsNull, Box<dyn std::error::Error + Sync + Send>>;

impl ToSql for Owned {
    fn to_sql(&self, kind: &Kind, out: &mut BytesMut) -> Sent {
        match self {
            Owned::Null => Ok(IsNull::Yes),
            Owned::Int(number) if *kind == Kind::INT8 => number.to_sql(kind, out),
            Owned::Int(number) if *kind == Kind::INT4 => i32::try_from(*number)?.to_sql(kind, out),
            Owned::Int(number) if *kind == Kind::INT2 => i16::try_from(*number)?.to_sql(kind, out),
            Owned::Int(number) if *kind == Kind::BOOL => (*number != 0).to_sql(kind, out),
            Owned::Int(number) if *kind == Kind::FLOAT8 => (*number as f64).to_sql(kind, out),
            Owned::Int(number) if is_text(kind) => number.to_string().to_sql(kind, out),
            Owned::Real(number) if *kind == Kind::FLOAT8 => number.to_sql(kind, out),
            Owned::Text(text) if is_text(kind) => text.to_sql(kind, out),
            Owned::Text(text) if *kind == Kind::INT8 => text.parse::<i64>()?.to_sql(kind, out),
            Owned::Blob(bytes) if *kind == Kind::BYTEA => bytes.to_sql(kind, out),
            other => Err(format!("{} is wanted, {} was given", kind.name(), other.name()).into()),
        }
    }

    fn accepts(_: &Kind) -> bool {
        true
    }

    to_sql_checked!();
}

impl Owned {
    const fn name(&self) -> &'static str {
        match self {
            Owned::Null => "nothing",
            Owned::Int(_) => "a number",
            Owned::Real(_) => "a fraction",
            Owned::Text(_) => "a text",
            Owned::Blob(_) => "bytes",
        }
    }
}

fn is_text(kind: &Kind) -> bool {
    [Kind::TEXT, Kind::VARCHAR, Kind::UNKNOWN, Kind::NAME].contains(kind)
}

/// A column of a row from a server.
pub(super) struct Cell<'a>(pub Value<'a>);

impl<'a> FromSql<'a> for Cell<'a> {
    fn from_sql(kind: &Kind, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        let value = match *kind {
            Kind::INT8 => Value::Int(i64::from_sql(kind, raw)?),
            Kind::INT4 => Value::Int(i64::from(i32::from_sql(kind, raw)?)),
            Kind::INT2 => Value::Int(i64::from(i16::from_sql(kind, raw)?)),
            Kind::OID => Value::Int(i64::from(u32::from_sql(kind, raw)?)),
            Kind::BOOL => Value::Int(i64::from(bool::from_sql(kind, raw)?)),
            Kind::FLOAT8 => Value::Real(f64::from_sql(kind, raw)?),
            Kind::BYTEA => Value::Blob(raw),
            _ if is_text(kind) => Value::Text(std::str::from_utf8(raw)?),
            _ => return Err(format!("the type {} is not known", kind.name()).into()),
        };
        Ok(Self(value))
    }

    fn from_sql_null(_: &Kind) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(Value::Null))
    }

    fn accepts(_: &Kind) -> bool {
        true
    }
}
