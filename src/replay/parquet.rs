//! Reads Parquet files as lines of JSON: a row is an object with its columns.
//!
//! Parquet is read from its end, so a file in an archive, and one that is compressed as a whole, is held in memory.

use std::fs::File;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::{Context as _, Result};
use indicatif::ProgressBar;
use parquet::basic::{LogicalType, TimeUnit};
use parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};
use parquet::record::reader::{ReaderIter, TreeBuilder};
use parquet::record::{Field, Row};
use parquet::schema::types::Type;
use prost::bytes::Bytes;

use crate::wire::literal::{self, MICROS, MILLIS, NANOS};

/// Objects and lists nest at most so deep.
const DEPTH_MAX: usize = 100;

/// The rows of a file.
///
/// # Errors
/// It cannot be read, or is no Parquet.
pub(super) fn of_file(file: File, progress: &ProgressBar) -> Result<Box<dyn Read>> {
    rows(file, progress)
}

/// The rows of a file that can only be read from its beginning.
///
/// # Errors
/// As for `of_file`.
pub(super) fn of_stream(mut stream: Box<dyn Read>) -> Result<Box<dyn Read>> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    // Its progress is that of what it is read from.
    rows(Bytes::from(bytes), &ProgressBar::hidden())
}

fn rows<R: ChunkReader + 'static>(source: R, progress: &ProgressBar) -> Result<Box<dyn Read>> {
    let file = guarded(|| SerializedFileReader::new(source))?.context("reading it as Parquet")?;
    Ok(Box::new(Rows {
        file: Box::new(file),
        progress: progress.clone(),
        next_group: 0,
        group: None,
        line: String::new(),
        at: 0,
    }))
}

/// The crate panics on some damaged files.
fn guarded<T>(read: impl FnOnce() -> T) -> io::Result<T> {
    catch_unwind(AssertUnwindSafe(read)).map_err(|_| invalid("it is damaged, or has a type that is not read"))
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// A Parquet file that is being read.
struct Rows {
    file: Box<dyn FileReader>,
    progress: ProgressBar,
    next_group: usize,
    /// The rows of the present row group.
    group: Option<ReaderIter>,
    /// The present row as a line, of which the bytes before `at` were read.
    line: String,
    at: usize,
}

impl Rows {
    /// The next row.
    fn next(&mut self) -> io::Result<Option<Row>> {
        loop {
            if let Some(group) = &mut self.group {
                match guarded(|| group.next())? {
                    Some(row) => return row.map(Some).map_err(invalid),
                    None => self.group = None,
                }
            }
            if self.next_group == self.file.num_row_groups() {
                return Ok(None);
            }
            let file = &self.file;
            let open = || {
                let group = file.get_row_group(self.next_group)?;
                let bytes = group.metadata().compressed_size();
                let schema = file.metadata().file_metadata().schema_descr_ptr();
                Ok::<_, parquet::errors::ParquetError>((TreeBuilder::new().as_iter(schema, &*group)?, bytes))
            };
            let (group, bytes) = guarded(open)?.map_err(invalid)?;
            self.progress.inc(u64::try_from(bytes).unwrap_or(0));
            (self.group, self.next_group) = (Some(group), self.next_group + 1);
        }
    }
}

impl Read for Rows {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.line.len() {
            self.line.clear();
            self.at = 0;
            let Some(row) = self.next()? else { return Ok(0) };
            let file = self.file.metadata().file_metadata();
            object(&mut self.line, &row, Some(file.schema()), DEPTH_MAX).map_err(invalid)?;
            self.line.push('\n');
        }
        let rest = &self.line.as_bytes()[self.at..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.at += count;
        Ok(count)
    }
}

fn object(json: &mut String, row: &Row, of: Option<&Type>, depth: usize) -> Result<(), String> {
    json.push('{');
    for (index, (name, field)) in row.get_column_iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        literal::quote(json, name);
        json.push(':');
        let own = of.filter(|of| of.is_group()).and_then(|of| of.get_fields().iter().find(|it| it.name() == name));
        value(json, field, own.map(|own| &**own), depth)?;
    }
    json.push('}');
    Ok(())
}

/// Appends a value. Its type is needed where the crate does not tell what a value means.
fn value(json: &mut String, field: &Field, of: Option<&Type>, depth: usize) -> Result<(), String> {
    let depth = depth.checked_sub(1).ok_or("it nests too deep")?;
    let logical = of.and_then(|of| of.get_basic_info().logical_type_ref());
    let text = match field {
        Field::Null => "null".to_owned(),
        Field::Bool(value) => value.to_string(),
        Field::Byte(value) => value.to_string(),
        Field::Short(value) => value.to_string(),
        Field::Int(value) => value.to_string(),
        Field::Long(value) => match logical {
            Some(LogicalType::Timestamp(it)) if it.unit == TimeUnit::NANOS => {
                time(*value, NANOS, it.is_adjusted_to_u_t_c)?
            }
            Some(LogicalType::Time(it)) if it.unit == TimeUnit::NANOS => quoted(&of_day(*value, NANOS)?),
            _ => value.to_string(),
        },
        Field::UByte(value) => value.to_string(),
        Field::UShort(value) => value.to_string(),
        Field::UInt(value) => value.to_string(),
        Field::ULong(value) => value.to_string(),
        Field::Float16(value) => number(value.to_f64(), value.to_string()),
        Field::Float(value) => number(f64::from(*value), value.to_string()),
        Field::Double(value) => number(*value, value.to_string()),
        Field::Decimal(value) => literal::decimal(value.data(), i64::from(value.scale()))?,
        Field::Str(value) => quoted(value),
        Field::Bytes(value) if logical == Some(&LogicalType::Uuid) => quoted(&literal::uuid(value.data())),
        // Some writers do not say that a text is one.
        Field::Bytes(value) => match std::str::from_utf8(value.data()) {
            Ok(text) => quoted(text),
            Err(_) => {
                literal::bytes(json, value.data());
                return Ok(());
            }
        },
        Field::Date(days) => quoted(&literal::date(i64::from(*days))?),
        Field::TimeMillis(value) => quoted(&of_day(i64::from(*value), MILLIS)?),
        Field::TimeMicros(value) => quoted(&of_day(*value, MICROS)?),
        Field::TimestampMillis(value) => time(*value, MILLIS, is_utc(logical))?,
        Field::TimestampMicros(value) => time(*value, MICROS, is_utc(logical))?,
        Field::Group(row) => return object(json, row, of, depth),
        Field::ListInternal(list) => {
            json.push('[');
            for (index, item) in list.elements().iter().enumerate() {
                if index > 0 {
                    json.push(',');
                }
                value(json, item, of.and_then(item_of), depth)?;
            }
            json.push(']');
            return Ok(());
        }
        Field::MapInternal(map) => {
            let own = of.and_then(|of| Some(&**first(of)?.get_fields().get(1)?));
            json.push('{');
            for (index, (key, item)) in map.entries().iter().enumerate() {
                if index > 0 {
                    json.push(',');
                }
                match key {
                    Field::Str(key) => literal::quote(json, key),
                    Field::Bytes(key) => literal::quote(json, &String::from_utf8_lossy(key.data())),
                    other => literal::quote(json, &other.to_string()),
                }
                json.push(':');
                value(json, item, own, depth)?;
            }
            json.push('}');
            return Ok(());
        }
    };
    json.push_str(&text);
    Ok(())
}

fn first(of: &Type) -> Option<&Type> {
    of.is_group().then(|| of.get_fields().first().map(|it| &**it))?.filter(|it| it.is_group())
}

/// The type of the items of a list: a group within a group in the usual form, or the repeated field itself.
fn item_of(of: &Type) -> Option<&Type> {
    match first(of).map(Type::get_fields) {
        Some([only]) => Some(only),
        _ => of.is_group().then(|| of.get_fields().first().map(|it| &**it))?,
    }
}

fn is_utc(logical: Option<&LogicalType>) -> bool {
    // Without one, it is of an old writer, whose times are in UTC.
    !matches!(logical, Some(LogicalType::Timestamp(it)) if !it.is_adjusted_to_u_t_c)
}

fn time(since: i64, units: i64, is_utc: bool) -> Result<String, String> {
    let text = if is_utc { literal::instant(since, units)? } else { literal::local(since, units)?.to_string() };
    Ok(quoted(&text))
}

fn of_day(since: i64, units: i64) -> Result<String, String> {
    Ok(literal::local(since, units)?.time().to_string())
}

fn quoted(text: &str) -> String {
    let mut json = String::new();
    literal::quote(&mut json, text);
    json
}

/// JSON has no number for what is not finite.
fn number(number: f64, written: String) -> String {
    if number.is_finite() { written } else { "null".to_owned() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parquet::basic::{Compression, ZstdLevel};
    use parquet::data_type::{
        BoolType, ByteArray, ByteArrayType, DoubleType, FixedLenByteArrayType, Int32Type, Int64Type,
    };
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
    use parquet::schema::parser::parse_message_type;

    use super::*;

    fn lines(bytes: &[u8]) -> Result<String> {
        let stream: Box<dyn Read> = Box::new(io::Cursor::new(bytes.to_vec()));
        let mut text = String::new();
        of_stream(stream)?.read_to_string(&mut text)?;
        Ok(text)
    }

    /// Writes the next column; levels are those of definition and of repetition.
    fn write<T: parquet::data_type::DataType>(
        group: &mut SerializedRowGroupWriter<'_, Vec<u8>>,
        values: &[T::T],
        levels: Option<(&[i16], &[i16])>,
    ) {
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<T>().write_batch(values, levels.map(|it| it.0), levels.map(|it| it.1)).unwrap();
        column.close().unwrap();
    }

    #[test]
    fn rows_are_lines_of_json_whatever_their_types_and_compression() {
        let schema = r#"message row {
            required binary event (UTF8);
            optional binary properties (UTF8);
            required int64 at (TIMESTAMP(MICROS,true));
            required int64 nanos (TIMESTAMP(NANOS,true));
            required int64 local (TIMESTAMP(MILLIS,false));
            required int32 day (DATE);
            required int64 price (DECIMAL(9,2));
            required fixed_len_byte_array(16) id (UUID);
            required double number;
            required boolean ok;
            required binary raw;
            optional group tags (LIST) { repeated group list { optional binary element (UTF8); } }
            required group inner { required int32 n; }
        }"#;
        let schema = Arc::new(parse_message_type(schema).unwrap());
        for compression in [
            Compression::UNCOMPRESSED,
            Compression::SNAPPY,
            Compression::ZSTD(ZstdLevel::default()),
            Compression::GZIP(Default::default()),
            Compression::LZ4_RAW,
            Compression::BROTLI(Default::default()),
        ] {
            let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
            let mut writer = SerializedFileWriter::new(Vec::new(), Arc::clone(&schema), properties).unwrap();
            for _ in 0..2 {
                let mut group = writer.next_row_group().unwrap();
                let text = |text: &str| ByteArray::from(text);
                write::<ByteArrayType>(&mut group, &[text("a\""), text("b")], None);
                write::<ByteArrayType>(&mut group, &[text("{}")], Some((&[1, 0], &[0, 0])));
                write::<Int64Type>(&mut group, &[1_791_280_860_123_456, -1], None);
                write::<Int64Type>(&mut group, &[1_791_280_860_123_456_789, 0], None);
                write::<Int64Type>(&mut group, &[1_791_280_860_000, 0], None);
                write::<Int32Type>(&mut group, &[20_000, -1], None);
                write::<Int64Type>(&mut group, &[1_050, -5], None);
                let id: Vec<u8> = (0..16).collect();
                write::<FixedLenByteArrayType>(&mut group, &[id.clone().into(), id.into()], None);
                write::<DoubleType>(&mut group, &[1.5, f64::NAN], None);
                write::<BoolType>(&mut group, &[true, false], None);
                write::<ByteArrayType>(&mut group, &[text("x"), ByteArray::from(vec![0xff])], None);
                write::<ByteArrayType>(&mut group, &[text("x")], Some((&[3, 2, 0], &[0, 1, 0])));
                write::<Int32Type>(&mut group, &[7, 8], None);
                group.close().unwrap();
            }
            let bytes = writer.into_inner().unwrap();
            let expected = concat!(
                r#"{"event":"a\"","properties":"{}","at":"2026-10-06T10:01:00.123456Z","#,
                r#""nanos":"2026-10-06T10:01:00.123456789Z","local":"2026-10-06T10:01:00","day":"2024-10-04","#,
                r#""price":10.50,"id":"00010203-0405-0607-0809-0a0b0c0d0e0f","number":1.5,"ok":true,"raw":"x","#,
                r#""tags":["x",null],"inner":{"n":7}}"#,
                "\n",
                r#"{"event":"b","properties":null,"at":"1969-12-31T23:59:59.999999Z","#,
                r#""nanos":"1970-01-01T00:00:00Z","local":"1970-01-01T00:00:00","day":"1969-12-31","#,
                r#""price":-0.05,"id":"00010203-0405-0607-0809-0a0b0c0d0e0f","number":null,"ok":false,"raw":"/w==","#,
                r#""tags":null,"inner":{"n":8}}"#,
                "\n"
            );
            assert_eq!(lines(&bytes).unwrap(), [expected, expected].concat(), "{compression:?}");
            assert!(lines(&bytes[..bytes.len() - 1]).is_err() && lines(&bytes[..12]).is_err());
            // Damage is an error, or changes a value; it is no panic that reaches the reader.
            for at in (4..bytes.len()).step_by(7) {
                let mut damaged = bytes.clone();
                damaged[at] ^= 0x55;
                drop(lines(&damaged));
            }
        }
    }
}
