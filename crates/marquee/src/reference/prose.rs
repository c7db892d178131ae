//! The little of Markdown that descriptions use: paragraphs, `code` and **what matters**.

/// A piece of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Span {
    /// As it is.
    Text(String),
    /// Something to type.
    Code(String),
    /// What matters.
    Strong(String),
}

/// A paragraph.
pub(super) type Paragraph = Vec<Span>;

/// Reads a description. What is opened and not closed stands for itself.
pub(super) fn paragraphs(text: &str) -> Vec<Paragraph> {
    let lines =
        text.split("\n\n").map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty()).map(|line| spans(&line)).collect()
}

fn spans(mut line: &str) -> Paragraph {
    let mut spans = Vec::new();
    let mut plain = String::new();
    while let Some(start) = line.find(['`', '*']) {
        let mark = if line[start..].starts_with("**") { "**" } else { &line[start..=start] };
        let inner = &line[start + mark.len()..];
        plain.push_str(&line[..start]);
        match inner.find(mark).filter(|end| *end > 0 && mark != "*") {
            Some(end) => {
                if !plain.is_empty() {
                    spans.push(Span::Text(std::mem::take(&mut plain)));
                }
                let marked = inner[..end].to_owned();
                spans.push(if mark == "`" { Span::Code(marked) } else { Span::Strong(marked) });
                line = &inner[end + mark.len()..];
            }
            None => {
                plain.push_str(mark);
                line = inner;
            }
        }
    }
    plain.push_str(line);
    if !plain.is_empty() {
        spans.push(Span::Text(plain));
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_code_and_what_matters() {
        let text = |t: &str| Span::Text(t.to_owned());
        let read = paragraphs("A `Link` to\nthe **next**.\n\n\n* one ` two ** three");
        let first = vec![
            text("A "),
            Span::Code("Link".to_owned()),
            text(" to the "),
            Span::Strong("next".to_owned()),
            text("."),
        ];
        assert_eq!(read, [first, vec![text("* one ` two ** three")]]);
        assert!(paragraphs(" \n\n ").is_empty());
        assert_eq!(paragraphs("é`ü`"), [vec![text("é"), Span::Code("ü".to_owned())]]);
    }
}
