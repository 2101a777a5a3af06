//! A line of CSV, split into its fields.
//!
//! A record is a line: none of our fields may hold a line break, and a quote that somebody forgot to close must cost
//! its own line, not all that follow up to the next quote. Otherwise it is RFC 4180.

use std::borrow::Cow;

/// Splits a line.
///
/// # Errors
/// What is wrong with its quotes.
pub(super) fn split(line: &str, separator: char) -> Result<Vec<Cow<'_, str>>, &'static str> {
    let mut fields = Vec::with_capacity(8);
    let mut rest = line;
    loop {
        let (field, after) = match rest.trim_start_matches(' ').strip_prefix('"') {
            Some(inside) => quoted(inside, separator)?,
            None => match rest.split_once(separator) {
                Some((field, after)) => (Cow::Borrowed(field.trim()), Some(after)),
                None => (Cow::Borrowed(rest.trim()), None),
            },
        };
        fields.push(field);
        match after {
            Some(after) => rest = after,
            None => return Ok(fields),
        }
    }
}

/// A field after its opening quote, and what follows its separator.
fn quoted(inside: &str, separator: char) -> Result<(Cow<'_, str>, Option<&str>), &'static str> {
    let mut field = Cow::Borrowed("");
    let mut rest = inside;
    loop {
        let (text, after) = rest.split_once('"').ok_or("leaves a quote open")?;
        // Borrows, unless there is something before it.
        field += text;
        if let Some(more) = after.strip_prefix('"') {
            field.to_mut().push('"');
            rest = more;
            continue;
        }
        let after = after.trim_start_matches(' ');
        if after.is_empty() {
            return Ok((field, None));
        }
        let after = after.strip_prefix(separator).ok_or("has text after a closing quote")?;
        return Ok((field, Some(after)));
    }
}

/// What separates the fields of a header: a comma, or what spreadsheets write where the comma is a decimal point.
pub(super) fn separator(header: &str) -> char {
    [',', ';', '\t'].into_iter().find(|separator| header.contains(*separator)).unwrap_or(',')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_are_split() {
        let cases: [(&str, &[&str]); 8] = [
            ("", &[""]),
            ("a,b", &["a", "b"]),
            ("a,,", &["a", "", ""]),
            (" a , b ", &["a", "b"]),
            (r#""a,b",c"#, &["a,b", "c"]),
            (r#""say ""hi""", "" ,x"#, &[r#"say "hi""#, "", "x"]),
            (r#"a"b,c"#, &[r#"a"b"#, "c"]),
            (r#""""""#, &[r#"""#]),
        ];
        for (line, fields) in cases {
            assert_eq!(split(line, ',').unwrap(), fields, "{line}");
        }
        assert_eq!(split("a;b", ';').unwrap(), ["a", "b"]);
    }

    #[test]
    fn quotes_are_checked() {
        assert_eq!(split(r#"a,"b"#, ','), Err("leaves a quote open"));
        assert_eq!(split(r#""a"b,c"#, ','), Err("has text after a closing quote"));
    }

    #[test]
    fn separators_are_seen() {
        assert_eq!(separator("page_id,login_id"), ',');
        assert_eq!(separator("page_id;login_id"), ';');
        assert_eq!(separator("page_id\tlogin_id"), '\t');
        assert_eq!(separator("login_id"), ',');
    }

    proptest! {
        #[test]
        fn what_the_csv_crate_writes_is_read_back(fields in proptest::collection::vec("[a-z\", ]{0,8}", 1..6)) {
            let mut writer = csv::WriterBuilder::new().quote_style(csv::QuoteStyle::Always).from_writer(Vec::new());
            writer.write_record(&fields).unwrap();
            let line = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            prop_assert_eq!(split(line.trim_end_matches('\n'), ',').unwrap(), fields);
        }
    }
}
