//! Reads `multipart/byteranges` by the grammar (RFC 2046, section 5.1.1; RFC 9110, section 14.6), however the white
//! space and the heads are written.

/// A part: its fields with their names in lower case, and its bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Part<'a> {
    pub(super) fields: Vec<(String, &'a str)>,
    pub(super) bytes: &'a [u8],
}

impl Part<'_> {
    /// The value of a field that is there once.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(n, _)| n == name).map(|(_, value)| *value);
        values.next().filter(|_| values.next().is_none())
    }
}

/// The boundary that a `Content-Type` says, if that is `multipart/byteranges`.
pub(super) fn boundary(content_type: &str) -> Option<&str> {
    let (essence, parameters) = content_type.split_once(';')?;
    if !essence.trim().eq_ignore_ascii_case("multipart/byteranges") {
        return None;
    }
    let (name, value) = parameters.split(';').next()?.trim().split_once('=')?;
    let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
    let is_fit = !value.is_empty() && value.len() <= 70 && value.is_ascii();
    (name.eq_ignore_ascii_case("boundary") && is_fit).then_some(value)
}

/// The parts of `body`, or what is wrong with it.
pub(super) fn read<'a>(body: &'a [u8], boundary: &str) -> Result<Vec<Part<'a>>, String> {
    let delimiter = format!("\r\n--{boundary}");
    let delimiter = delimiter.as_bytes();
    // The first delimiter may be the very first that there is, without a line break before it.
    let first = if body.starts_with(&delimiter[2..]) { Some(delimiter.len() - 2) } else { None };
    let mut at = first
        .or_else(|| find(body, delimiter).map(|at| at + delimiter.len()))
        .ok_or("no delimiter stands in the body")?;
    let mut parts = Vec::new();
    loop {
        if body[at..].starts_with(b"--") {
            return Ok(parts);
        }
        let rest = &body[at..];
        let padding = rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        let rest = rest[padding..].strip_prefix(b"\r\n").ok_or("a delimiter does not end its line")?;
        let length = find(rest, delimiter).ok_or("no delimiter closes the last part")?;
        parts.push(part(&rest[..length])?);
        at += padding + 2 + length + delimiter.len();
    }
}

fn part(part: &[u8]) -> Result<Part<'_>, String> {
    // A part without fields begins with the empty line.
    let (head, bytes) = match part.strip_prefix(b"\r\n") {
        Some(bytes) => (&part[..0], bytes),
        None => {
            let end = find(part, b"\r\n\r\n").ok_or("no empty line ends the head of a part")?;
            (&part[..end], &part[end + 4..])
        }
    };
    let head = std::str::from_utf8(head).map_err(|_| "the head of a part is not text")?;
    let field = |line: &'_ str| -> Result<(String, usize), String> {
        let (name, _) = line.split_once(':').ok_or_else(|| format!("{line:?} is not a field"))?;
        Ok((name.to_ascii_lowercase(), name.len() + 1))
    };
    let mut fields = Vec::new();
    for line in head.split("\r\n").filter(|line| !line.is_empty()) {
        let (name, colon) = field(line)?;
        fields.push((name, line[colon..].trim()));
    }
    Ok(Part { fields, bytes })
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_boundary() {
        assert_eq!(boundary("multipart/byteranges; boundary=abc"), Some("abc"));
        assert_eq!(boundary("Multipart/ByteRanges;BOUNDARY=\"a c\""), Some("a c"));
        for other in
            ["multipart/byteranges", "multipart/mixed; boundary=a", "multipart/byteranges; boundary="]
        {
            assert_eq!(boundary(other), None, "{other}");
        }
    }

    #[test]
    fn reads_parts_with_anything_around_them() {
        let body = b"before\r\n--x \t\r\nContent-Range:bytes 0-1/9\r\n\r\n\r\n\r\n--x\r\n\r\n--y\n\r\n--x--\r\nafter";
        let parts = read(body, "x").unwrap();
        assert_eq!(parts.len(), 2);
        assert_eq!((parts[0].field("content-range"), parts[0].bytes), (Some("bytes 0-1/9"), &b"\r\n"[..]));
        assert_eq!((parts[1].fields.len(), parts[1].bytes), (0, &b"--y\n"[..]));
    }

    #[test]
    fn refuses_what_is_not_closed_or_not_separated() {
        for body in [
            "",
            "--x",
            "--x\r\n",
            "--x\r\na: b\r\n\r\nbytes",
            "--x\r\na: b\r\n--x--",
            "--x\r\n\r\nbytes--x--",
        ] {
            assert!(read(body.as_bytes(), "x").is_err(), "{body:?}");
        }
    }
}
