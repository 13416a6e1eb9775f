//! Reads records in Avro, with the schema with which they were written, as JSON.
//! <https://avro.apache.org/docs/1.12.0/specification/>
//!
//! The crate `apache-avro` reads the schemas. Values are read here: straight into JSON, and however deep a record claims to
//! nest.

use std::collections::BTreeMap;

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, UuidSchema};

use super::literal::{self, MICROS, MILLIS, NANOS};

/// Records nest at most so deep. Deeper values could not be kept (semantics A30).
const DEPTH_MAX: usize = 100;
/// The longest JSON text of a record, in bytes: an array of a few bytes can claim to have any number of items.
const JSON_MAX: usize = 16 << 20;

/// An Avro schema with the named types that it refers to.
#[derive(Debug)]
pub struct Avro {
    schema: Schema,
    /// Records, enums and fixed types by their full names.
    names: BTreeMap<String, Schema>,
}

impl Avro {
    /// Reads a schema, with those that it refers to.
    ///
    /// # Errors
    /// One of them is no Avro schema.
    pub fn new(schema: &str, references: &[String]) -> Result<Avro, apache_avro::Error> {
        let (schema, others) = Schema::parse_str_with_list(schema, references)?;
        let mut names = BTreeMap::new();
        [&schema].into_iter().chain(&others).for_each(|schema| collect(schema, &mut names));
        Ok(Avro { schema, names })
    }

    /// A record as JSON.
    pub(super) fn to_json(&self, record: &[u8]) -> Result<String, String> {
        let mut reader = Reader { rest: record, json: String::new(), names: &self.names };
        reader.value(&self.schema, DEPTH_MAX)?;
        match reader.rest {
            [] => Ok(reader.json),
            rest => Err(format!("{} bytes are left after the record", rest.len())),
        }
    }
}

/// Notes the named types of a schema.
fn collect(schema: &Schema, names: &mut BTreeMap<String, Schema>) {
    if let Some(name) = schema.name().filter(|_| !matches!(schema, Schema::Ref { .. })) {
        names.insert(name.fullname(None), schema.clone());
    }
    match schema {
        Schema::Record(record) => record.fields.iter().for_each(|field| collect(&field.schema, names)),
        Schema::Array(array) => collect(&array.items, names),
        Schema::Map(map) => collect(&map.types, names),
        Schema::Union(union) => union.variants().iter().for_each(|variant| collect(variant, names)),
        _ => {}
    }
}

struct Reader<'a> {
    rest: &'a [u8],
    json: String,
    names: &'a BTreeMap<String, Schema>,
}

impl<'a> Reader<'a> {
    /// Reads a value, and writes it.
    fn value(&mut self, schema: &'a Schema, depth: usize) -> Result<(), String> {
        let depth = depth.checked_sub(1).ok_or("it nests too deep")?;
        if self.json.len() > JSON_MAX {
            return Err(format!("it has more than {} MiB as JSON", JSON_MAX >> 20));
        }
        match schema {
            Schema::Null => self.json.push_str("null"),
            Schema::Boolean => {
                let word = if self.take(1)? == [0] { "false" } else { "true" };
                self.json.push_str(word);
            }
            Schema::Int | Schema::Long => {
                let number = self.long()?;
                self.json.push_str(&number.to_string());
            }
            Schema::Float => {
                let number = f32::from_le_bytes(self.array()?);
                self.number(f64::from(number), number.to_string());
            }
            Schema::Double => {
                let number = f64::from_le_bytes(self.array()?);
                self.number(number, number.to_string());
            }
            Schema::String => {
                let text = self.text()?;
                self.quote(text);
            }
            Schema::Bytes => {
                let bytes = self.bytes()?;
                literal::bytes(&mut self.json, bytes);
            }
            Schema::Fixed(fixed) => {
                let bytes = self.take(fixed.size)?;
                literal::bytes(&mut self.json, bytes);
            }
            Schema::Enum(symbols) => {
                let index = self.index()?;
                let symbol = symbols.symbols.get(index).ok_or("an enum has no such symbol")?;
                self.quote(symbol);
            }
            Schema::Union(union) => {
                let index = self.index()?;
                let variant = union.variants().get(index).ok_or("a union has no such type")?;
                self.value(variant, depth)?;
            }
            Schema::Record(record) => {
                self.json.push('{');
                for (at, field) in record.fields.iter().enumerate() {
                    self.name(at, &field.name);
                    self.value(&field.schema, depth)?;
                }
                self.json.push('}');
            }
            Schema::Array(array) => self.blocks("[", "]", |reader, at| {
                if at > 0 {
                    reader.json.push(',');
                }
                reader.value(&array.items, depth)
            })?,
            Schema::Map(map) => self.blocks("{", "}", |reader, at| {
                let key = reader.text()?;
                reader.name(at, key);
                reader.value(&map.types, depth)
            })?,
            Schema::Ref { name } => {
                let named = self.names.get(&name.fullname(None)).ok_or_else(|| format!("no type {name}"))?;
                self.value(named, depth)?;
            }
            logical => self.logical(logical)?,
        }
        Ok(())
    }

    /// Reads a value of a logical type.
    fn logical(&mut self, schema: &Schema) -> Result<(), String> {
        let text = match schema {
            Schema::Date => literal::date(self.long()?)?,
            Schema::TimeMillis => literal::local(self.long()?, MILLIS)?.time().to_string(),
            Schema::TimeMicros => literal::local(self.long()?, MICROS)?.time().to_string(),
            Schema::TimestampMillis => literal::instant(self.long()?, MILLIS)?,
            Schema::TimestampMicros => literal::instant(self.long()?, MICROS)?,
            Schema::TimestampNanos => literal::instant(self.long()?, NANOS)?,
            Schema::LocalTimestampMillis => literal::local(self.long()?, MILLIS)?.to_string(),
            Schema::LocalTimestampMicros => literal::local(self.long()?, MICROS)?.to_string(),
            Schema::LocalTimestampNanos => literal::local(self.long()?, NANOS)?.to_string(),
            Schema::Uuid(UuidSchema::String) => self.text()?.to_owned(),
            Schema::Uuid(UuidSchema::Bytes) => literal::uuid(self.bytes()?),
            Schema::Uuid(UuidSchema::Fixed(fixed)) => literal::uuid(self.take(fixed.size)?),
            Schema::Decimal(decimal) => {
                let bytes = match &decimal.inner {
                    InnerDecimalSchema::Bytes => self.bytes()?,
                    InnerDecimalSchema::Fixed(fixed) => self.take(fixed.size)?,
                };
                self.json.push_str(&literal::decimal(bytes, decimal.scale as i64)?);
                return Ok(());
            }
            Schema::BigDecimal => {
                let mut inner = Reader { rest: self.bytes()?, json: String::new(), names: self.names };
                let (bytes, scale) = (inner.bytes()?, inner.long()?);
                self.json.push_str(&literal::decimal(bytes, scale)?);
                return Ok(());
            }
            Schema::Duration(_) => {
                let [months, days, millis] = [self.array()?, self.array()?, self.array()?].map(u32::from_le_bytes);
                self.json.push_str(&format!(r#"{{"months":{months},"days":{days},"millis":{millis}}}"#));
                return Ok(());
            }
            other => return Err(format!("the type {:?} is not read", apache_avro::schema::SchemaKind::from(other))),
        };
        self.quote(&text);
        Ok(())
    }

    /// Reads the items of an array or a map.
    fn blocks(
        &mut self,
        open: &str,
        close: &str,
        mut item: impl FnMut(&mut Self, usize) -> Result<(), String>,
    ) -> Result<(), String> {
        self.json.push_str(open);
        let mut read = 0;
        loop {
            let count = self.long()?;
            if count < 0 {
                // The size of the block in bytes.
                self.long()?;
            }
            for _ in 0..count.unsigned_abs() {
                item(self, read)?;
                read += 1;
            }
            if count == 0 {
                self.json.push_str(close);
                return Ok(());
            }
        }
    }

    fn name(&mut self, at: usize, name: &str) {
        if at > 0 {
            self.json.push(',');
        }
        self.quote(name);
        self.json.push(':');
    }

    fn quote(&mut self, text: &str) {
        literal::quote(&mut self.json, text);
    }

    /// JSON has no number for what is not finite.
    fn number(&mut self, number: f64, written: String) {
        self.json.push_str(if number.is_finite() { &written } else { "null" });
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], String> {
        let (bytes, rest) = self.rest.split_at_checked(count).ok_or("it is cut off")?;
        self.rest = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.take(N)?.try_into().map_err(|_| "it is cut off".to_owned())
    }

    /// A number: a varint in zigzag order.
    fn long(&mut self) -> Result<i64, String> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok((number >> 1) as i64 ^ -((number & 1) as i64));
            }
        }
        Err("a number has more than ten bytes".to_owned())
    }

    fn index(&mut self) -> Result<usize, String> {
        usize::try_from(self.long()?).map_err(|_| "an index is negative".to_owned())
    }

    fn bytes(&mut self) -> Result<&'a [u8], String> {
        let length = self.index()?;
        self.take(length)
    }

    fn text(&mut self) -> Result<&'a str, String> {
        std::str::from_utf8(self.bytes()?).map_err(|_| "a text is not UTF-8".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use apache_avro::Decimal;
    use apache_avro::types::Value;
    use apache_avro::writer::datum::GenericDatumWriter;

    use super::*;

    /// Bytes in Avro, written by the crate.
    fn written(schema: &str, value: Value) -> Vec<u8> {
        let schema = Schema::parse_str(schema).unwrap();
        let mut bytes = Vec::new();
        GenericDatumWriter::builder(&schema).build().unwrap().write_value(&mut bytes, value).unwrap();
        bytes
    }

    fn optional(index: u32, value: Value) -> Value {
        Value::Union(index, Box::new(value))
    }

    #[test]
    fn a_record_becomes_the_json_object_of_its_values() {
        let schema = r#"{"type":"record","name":"Event","namespace":"acme","fields":[
            {"name":"id","type":{"type":"string","logicalType":"uuid"}},
            {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
            {"name":"micros","type":{"type":"long","logicalType":"timestamp-micros"}},
            {"name":"local","type":{"type":"long","logicalType":"local-timestamp-millis"}},
            {"name":"day","type":{"type":"int","logicalType":"date"}},
            {"name":"time","type":{"type":"int","logicalType":"time-millis"}},
            {"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}},
            {"name":"kind","type":{"type":"enum","name":"Kind","symbols":["A","B"]}},
            {"name":"again","type":"Kind"},
            {"name":"user","type":["null","string"]},
            {"name":"none","type":["null","long"]},
            {"name":"parent","type":["null","Event"]},
            {"name":"tags","type":{"type":"array","items":"string"}},
            {"name":"traits","type":{"type":"map","values":"double"}},
            {"name":"raw","type":"bytes"},
            {"name":"ok","type":"boolean"},
            {"name":"n","type":"float"}]}"#;
        let text = |text: &str| Value::String(text.into());
        let record = [
            ("id", text("a\"\u{1}\u{f6}")),
            ("at", Value::TimestampMillis(1_791_280_860_123)),
            ("micros", Value::TimestampMicros(-1)),
            ("local", Value::LocalTimestampMillis(1_791_280_860_000)),
            ("day", Value::Date(-1)),
            ("time", Value::TimeMillis(1_500)),
            ("price", Value::Decimal(Decimal::from((-105_i16).to_be_bytes()))),
            ("kind", Value::Enum(1, "B".into())),
            ("again", Value::Enum(0, "A".into())),
            ("user", optional(1, text("ann"))),
            ("none", optional(0, Value::Null)),
            ("parent", optional(0, Value::Null)),
            ("tags", Value::Array(vec![text("x"), text("y")])),
            ("traits", Value::Map([("seats".to_owned(), Value::Double(1.5))].into())),
            ("raw", Value::Bytes(vec![0xff, 0])),
            ("ok", Value::Boolean(true)),
            ("n", Value::Float(f32::NAN)),
        ];
        let record = Value::Record(record.map(|(name, value)| (name.to_owned(), value)).to_vec());
        let schema_with_text = schema.replace(r#"{"type":"string","logicalType":"uuid"}"#, r#""string""#);
        let bytes = written(&schema_with_text, record);
        let avro = Avro::new(schema, &[]).unwrap();
        let expected = concat!(
            r#"{"id":"a\"\u0001ö","at":"2026-10-06T10:01:00.123Z","micros":"1969-12-31T23:59:59.999999Z","#,
            r#""local":"2026-10-06T10:01:00","day":"1969-12-31","time":"00:00:01.5","price":-1.05,"kind":"B","#,
            r#""again":"A","user":"ann","none":null,"parent":null,"tags":["x","y"],"traits":{"seats":1.5},"#,
            r#""raw":"/wA=","ok":true,"n":null}"#
        );
        assert_eq!(avro.to_json(&bytes).as_deref(), Ok(expected));
        for end in 0..bytes.len() {
            assert!(avro.to_json(&bytes[..end]).is_err(), "{end}");
        }
        assert!(avro.to_json(&[&bytes[..], b"x"].concat()).unwrap_err().contains("1 bytes are left"));
    }

    #[test]
    fn schemas_refer_to_others_and_records_cannot_exhaust_anything() {
        let company = r#"{"type":"record","name":"Company","namespace":"acme","fields":[{"name":"id","type":"long"}]}"#;
        let event = r#"{"type":"record","name":"E","fields":[{"name":"company","type":"acme.Company"}]}"#;
        let avro = Avro::new(event, &[company.to_owned()]).unwrap();
        assert_eq!(avro.to_json(b"\x0e").as_deref(), Ok(r#"{"company":{"id":7}}"#));
        assert!(Avro::new(event, &[]).is_err());

        let list = r#"{"type":"record","name":"List","fields":[{"name":"next","type":["null","List"]}]}"#;
        let list = Avro::new(list, &[]).unwrap();
        assert_eq!(list.to_json(b"\x02\0").as_deref(), Ok(r#"{"next":{"next":null}}"#));
        assert!(list.to_json(&[2; 1_000_000]).unwrap_err().contains("nests too deep"));
        let nulls = Avro::new(r#"{"type":"array","items":"null"}"#, &[]).unwrap();
        assert!(nulls.to_json(b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01").unwrap_err().contains("MiB"));
        // A block with its size: 2 items in 2 bytes.
        let longs = Avro::new(r#"{"type":"array","items":"long"}"#, &[]).unwrap();
        assert_eq!(longs.to_json(b"\x03\x04\x02\x04\0").as_deref(), Ok("[1,2]"));
    }
}
