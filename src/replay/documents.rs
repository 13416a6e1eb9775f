//! Finds the records of a file of JSON over several lines: its documents, or the items of a list that is the whole file.

/// How many bytes at the beginning of a file decide how it is divided.
pub(super) const HEAD: usize = 1 << 16;

/// How a text file is divided into records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Division {
    /// Every line is one.
    Lines,
    /// Every JSON document is one.
    Documents,
    /// The file is a list, and every item is one; whether its beginning was passed.
    Items(bool),
}

/// The next record in some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A record from one place to another.
    Record(usize, usize),
    /// A record that is not completely in the bytes.
    Unread,
    /// Nothing but space.
    End,
}

impl Division {
    /// The division of a file that begins with these bytes, of which at most [`HEAD`] count. It has lines if the first line
    /// is whole JSON, or no JSON at all, or an object that is longer than these bytes.
    pub(super) fn of(head: &[u8]) -> Division {
        let head = &head[..head.len().min(HEAD)];
        let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
        let mut lines = head.split_inclusive(|byte| *byte == b'\n');
        let Some(line) = lines.find(|line| !line.trim_ascii().is_empty()) else { return Division::Lines };
        let is_whole = line.ends_with(b"\n");
        let line = line.trim_ascii();
        let is_begun = matches!(line.first(), Some(b'{' | b'['))
            && serde_json::from_slice::<serde::de::IgnoredAny>(line).is_err_and(|error| error.is_eof());
        match line.first() {
            Some(b'[') if is_begun => Division::Items(false),
            _ if is_begun && is_whole => Division::Documents,
            _ => Division::Lines,
        }
    }

    /// The next document or item. `is_all` says that no bytes follow these.
    pub(super) fn next(&mut self, bytes: &[u8], is_all: bool) -> Found {
        let mut start = 0;
        loop {
            let rest = &bytes[start..];
            match rest.first() {
                None if is_all => return Found::End,
                None => return Found::Unread,
                Some(byte) if byte.is_ascii_whitespace() => start += 1,
                Some(b'[') if *self == Division::Items(false) => (*self, start) = (Division::Items(true), start + 1),
                Some(b',' | b']') if *self == Division::Items(true) => start += 1,
                Some(_) if rest.starts_with(b"\xef\xbb\xbf") => start += 3,
                Some(_) => {
                    return match length(rest) {
                        Some(length) => Found::Record(start, start + length),
                        None if is_all => Found::Record(start, bytes.len()),
                        None => Found::Unread,
                    };
                }
            }
        }
    }
}

/// The length of the object or list that some bytes begin with, or of other text to the end of its line. None if it does
/// not end in them.
fn length(bytes: &[u8]) -> Option<usize> {
    if !matches!(bytes.first(), Some(b'{' | b'[')) {
        return bytes.iter().position(|byte| *byte == b'\n').map(|end| end.max(1));
    }
    let (mut depth, mut in_text, mut escaped) = (0_u32, false, false);
    for (place, byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'{' | b'[' if !in_text => depth += 1,
            b'}' | b']' if !in_text => {
                depth -= 1;
                if depth == 0 {
                    return Some(place + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(text: &str) -> (Division, Vec<&str>) {
        let division = Division::of(text.as_bytes());
        let (mut moving, mut rest, mut found) = (division, text, Vec::new());
        while let Found::Record(start, end) = moving.next(rest.as_bytes(), true) {
            found.push(&rest[start..end]);
            rest = &rest[end..];
        }
        (division, found)
    }

    #[test]
    fn documents_over_several_lines_are_records() {
        for (text, division, expected) in [
            ("{\"a\":1}\n{\"a\":\n", Division::Lines, None),
            ("[{\"a\":1}]\n", Division::Lines, None),
            ("event,user\n", Division::Lines, None),
            ("{", Division::Lines, None),
            ("[{\"a\":1}]", Division::Lines, None),
            ("[{\"a\":1},{\"b", Division::Items(false), Some(vec!["{\"a\":1}", "{\"b"])),
            ("{\n \"a\": \"}\\\"\"\n}\n{}\n", Division::Documents, Some(vec!["{\n \"a\": \"}\\\"\"\n}", "{}"])),
            ("\u{feff}\n[\n {\"a\": [1]},\n {}\n]\n", Division::Items(false), Some(vec!["{\"a\": [1]}", "{}"])),
            ("{\n \"a\": 1\n", Division::Documents, Some(vec!["{\n \"a\": 1\n"])),
            ("{\n}\nno\n{\n}", Division::Documents, Some(vec!["{\n}", "no", "{\n}"])),
        ] {
            let (found, records) = records(text);
            assert_eq!(found, division, "{text}");
            if let Some(expected) = expected {
                assert_eq!(records, expected, "{text}");
            }
        }
        assert_eq!(Division::Documents.next(b"  {\"a\":", false), Found::Unread);
    }
}
