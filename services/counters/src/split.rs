//! Cuts a body into its elements as it arrives: those of a JSON array (RFC 8259, section 5), or the lines of NDJSON
//! (github.com/ndjson/ndjson-spec; lines of white space are passed over). What an element is, and whether it is one at
//! all, is for whoever reads it.

/// The longest element, in bytes: a key of 256 characters, each escaped as a pair of surrogates, and a value.
pub(crate) const LONGEST: usize = 4_096;

/// How the elements follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Array,
    Lines,
}

/// An element, without the white space around it; or that it is longer than [`LONGEST`].
pub(crate) type Element = Result<Vec<u8>, TooLong>;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

/// The body is not of the form that was announced.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

pub(crate) struct Splitter {
    form: Form,
    place: Place,
    element: Vec<u8>,
    is_too_long: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the bracket.
    Start,
    /// After the bracket: an element or the end.
    First,
    /// After a comma: an element.
    Next,
    Within {
        depth: u32,
        text: Text,
    },
    End,
}

/// Where in a text a byte is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Text {
    Outside,
    Inside,
    Escaped,
}

impl Splitter {
    pub(crate) fn new(form: Form) -> Self {
        let place = match form {
            Form::Array => Place::Start,
            Form::Lines => Place::Within { depth: 0, text: Text::Outside },
        };
        Self { form, place, element: Vec::new(), is_too_long: false }
    }

    /// Takes more of the body, and adds the elements that it ends to `to`.
    pub(crate) fn feed(&mut self, bytes: &[u8], to: &mut Vec<Element>) -> Result<(), Malformed> {
        for byte in bytes {
            match self.form {
                Form::Lines if *byte == b'\n' => self.end_line(to),
                Form::Lines => self.push(*byte),
                Form::Array => self.step(*byte, to)?,
            }
        }
        Ok(())
    }

    /// The body has ended.
    pub(crate) fn finish(&mut self, to: &mut Vec<Element>) -> Result<(), Malformed> {
        match self.form {
            Form::Lines => {
                self.end_line(to);
                Ok(())
            }
            Form::Array if self.place == Place::End => Ok(()),
            Form::Array => Err(Malformed),
        }
    }

    fn step(&mut self, byte: u8, to: &mut Vec<Element>) -> Result<(), Malformed> {
        let is_blank = matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        match (self.place, byte) {
            (Place::Start | Place::First | Place::Next | Place::End, _) if is_blank => {}
            (Place::Start, b'[') => self.place = Place::First,
            (Place::First, b']') => self.place = Place::End,
            (Place::Start | Place::End, _) | (Place::First | Place::Next, b',' | b']' | b'}') => {
                return Err(Malformed);
            }
            (Place::First | Place::Next, _) => {
                self.place = Place::Within { depth: 0, text: Text::Outside };
                self.within(byte, 0, Text::Outside);
            }
            (Place::Within { depth: 0, text: Text::Outside }, b',') => self.end(Place::Next, to),
            (Place::Within { depth: 0, text: Text::Outside }, b']') => self.end(Place::End, to),
            (Place::Within { depth: 0, text: Text::Outside }, b'}') => return Err(Malformed),
            (Place::Within { depth, text }, _) => self.within(byte, depth, text),
        }
        Ok(())
    }

    fn within(&mut self, byte: u8, depth: u32, text: Text) {
        let (depth, text) = match (text, byte) {
            (Text::Escaped, _) => (depth, Text::Inside),
            (Text::Inside, b'\\') => (depth, Text::Escaped),
            (Text::Inside, b'"') => (depth, Text::Outside),
            (Text::Inside, _) => (depth, Text::Inside),
            (Text::Outside, b'"') => (depth, Text::Inside),
            (Text::Outside, b'{' | b'[') => (depth.saturating_add(1), text),
            (Text::Outside, b'}' | b']') => (depth.saturating_sub(1), text),
            (Text::Outside, _) => (depth, text),
        };
        self.place = Place::Within { depth, text };
        self.push(byte);
    }

    fn push(&mut self, byte: u8) {
        if self.element.len() < LONGEST {
            self.element.push(byte);
        } else {
            self.is_too_long = true;
        }
    }

    fn end(&mut self, then: Place, to: &mut Vec<Element>) {
        self.place = then;
        let element = std::mem::take(&mut self.element);
        to.push(if std::mem::take(&mut self.is_too_long) { Err(TooLong) } else { Ok(element) });
    }

    fn end_line(&mut self, to: &mut Vec<Element>) {
        if self.is_too_long || !self.element.trim_ascii().is_empty() {
            self.end(self.place, to);
        }
        self.element.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(form: Form, body: &[u8], piece: usize) -> (Vec<Element>, Result<(), Malformed>) {
        let (mut splitter, mut elements) = (Splitter::new(form), Vec::new());
        let fed = body.chunks(piece.max(1)).try_for_each(|piece| splitter.feed(piece, &mut elements));
        let whole = fed.and_then(|()| splitter.finish(&mut elements));
        (elements, whole)
    }

    fn texts(elements: Vec<Element>) -> Vec<String> {
        elements.into_iter().map(|e| String::from_utf8(e.unwrap()).unwrap().trim().to_owned()).collect()
    }

    #[test]
    fn an_array_is_cut_at_its_own_commas() {
        for (body, elements) in [
            ("[]", &[][..]),
            (" [ ] ", &[]),
            ("[1]", &["1"]),
            (r#"[{"a":[1,2],"b":"],["}, 2 ,"\",\\"]"#, &[r#"{"a":[1,2],"b":"],["}"#, "2", r#""\",\\""#]),
        ] {
            let (found, whole) = split(Form::Array, body.as_bytes(), 3);
            assert_eq!(
                (texts(found), whole),
                (elements.iter().map(ToString::to_string).collect(), Ok(())),
                "{body}"
            );
        }
    }

    #[test]
    fn what_is_no_array_is_malformed() {
        for body in [
            "", " ", "{}", "1", "[", "[1", "[1,", "[1,]", "[,1]", "[1,,2]", "[1]]", "[1]x", "[}]", "[1}]",
            "[{]",
        ] {
            assert_eq!(split(Form::Array, body.as_bytes(), 1).1, Err(Malformed), "{body}");
        }
    }

    #[test]
    fn lines_are_cut_at_their_ends() {
        let (found, whole) = split(Form::Lines, b"{}\n\r\n  \n1\r\n[,\n2", 2);
        assert_eq!((texts(found), whole), (["{}", "1", "[,", "2"].map(str::to_owned).to_vec(), Ok(())));
        assert_eq!(split(Form::Lines, b"", 1), (vec![], Ok(())));
    }

    #[test]
    fn what_is_too_long_is_held_no_further() {
        let long = "x".repeat(LONGEST + 1);
        for (form, body) in [(Form::Array, format!("[{long},1]")), (Form::Lines, format!("{long}\n1"))] {
            let (found, whole) = split(form, body.as_bytes(), 1000);
            assert_eq!((found, whole), (vec![Err(TooLong), Ok(b"1".to_vec())], Ok(())));
        }
    }

    proptest! {
        #[test]
        fn pieces_change_nothing(values in prop::collection::vec("[ -~]{0,9}", 0..9), piece in 1usize..9) {
            let body = serde_json::to_string(&values).unwrap();
            let (found, whole) = split(Form::Array, body.as_bytes(), piece);
            prop_assert_eq!(whole, Ok(()));
            let read: Vec<String> = texts(found).iter().map(|text| serde_json::from_str(text).unwrap()).collect();
            prop_assert_eq!(read, values);
        }

        #[test]
        fn no_bytes_are_a_surprise(bytes: Vec<u8>, piece in 1usize..9) {
            let _ = split(Form::Array, &bytes, piece);
            prop_assert!(split(Form::Lines, &bytes, piece).1.is_ok());
        }
    }
}
