//! The headers of a record that is read.

/// The headers of a record, names and values in their order, as bytes that can be kept beside its value: each name and each
/// value has its length before it.
#[derive(Clone, Copy, Default)]
pub struct Headers<'a>(&'a [u8]);

impl<'a> Headers<'a> {
    /// None: of a record of a file, or of one whose format reads no headers.
    pub const NONE: Headers<'static> = Headers(b"");

    /// Appends headers to a buffer, from which `of` reads them.
    pub fn append<'h>(buffer: &mut Vec<u8>, headers: impl Iterator<Item = (&'h str, &'h [u8])>) {
        for (name, value) in headers {
            for part in [name.as_bytes(), value] {
                // A record with its headers is smaller than 2 GiB.
                buffer.extend_from_slice(&(part.len() as u32).to_le_bytes());
                buffer.extend_from_slice(part);
            }
        }
    }

    /// The headers that `append` wrote.
    pub fn of(bytes: &'a [u8]) -> Headers<'a> {
        Headers(bytes)
    }

    /// Whether there are none.
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// Names and values.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let name = take(&mut rest)?;
            Some((std::str::from_utf8(name).ok()?, take(&mut rest)?))
        })
    }
}

impl std::fmt::Debug for Headers<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter().map(|(name, value)| (name, String::from_utf8_lossy(value)))).finish()
    }
}

fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, tail) = rest.split_first_chunk()?;
    let (part, tail) = tail.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    *rest = tail;
    Some(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_come_back_in_their_order() {
        let all = [("ce_id", &b"7"[..]), ("", b""), ("ce_id", b"\xff\0")];
        let mut buffer = Vec::new();
        Headers::append(&mut buffer, all.into_iter());
        assert_eq!(Headers::of(&buffer).iter().collect::<Vec<_>>(), all);
        assert_eq!(Headers::of(&buffer[..buffer.len() - 1]).iter().count(), 2, "what is cut off ends them");
        assert!(Headers::NONE.is_empty() && Headers::NONE.iter().next().is_none());
    }
}
