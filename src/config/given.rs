//! One value as it was given, and how values are written.

use toml::Value;

/// One value as it was given.
pub(super) enum Given<'a> {
    File(&'a Value),
    Env(String),
    /// One variable for each item.
    EnvList(Vec<String>),
}

impl Given<'_> {
    /// The text, trimmed, if it is one and not empty.
    pub(super) fn text(&self) -> Option<&str> {
        let text = match self {
            Self::File(value) => value.as_str()?,
            Self::Env(text) => text,
            Self::EnvList(_) => return None,
        };
        Some(text.trim()).filter(|text| !text.is_empty())
    }

    /// The texts of a list: of an array, of variables, or the lines of one variable. A single text is a list of one.
    pub(super) fn texts(&self) -> Option<Vec<String>> {
        match self {
            Self::File(Value::String(text)) => Some(vec![text.clone()]),
            Self::File(value) => value.as_array()?.iter().map(|item| item.as_str().map(str::to_owned)).collect(),
            Self::Env(text) => Some(text.lines().map(str::to_owned).collect()),
            Self::EnvList(items) => Some(items.clone()),
        }
    }

    pub(super) fn is_file_text(&self) -> bool {
        matches!(self, Self::File(Value::String(_)))
    }

    /// Says what is given. Never called for a secret.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::File(Value::String(text)) | Self::Env(text) if text.contains("://") && text.contains('@') => {
                "is an address with a user in it".to_owned()
            }
            Self::File(Value::String(text)) | Self::Env(text) => format!("is {:?}", short(text)),
            Self::File(value @ (Value::Integer(_) | Value::Float(_) | Value::Boolean(_))) => format!("is {value}"),
            Self::File(value) => format!("is of the type {}", value.type_str()),
            Self::EnvList(_) => "is a list".to_owned(),
        }
    }
}

/// A number of bytes, whole KiB at least, that can be read again.
pub(super) fn show_bytes(bytes: usize) -> String {
    if bytes.is_multiple_of(1 << 20) { format!("{}MiB", bytes >> 20) } else { format!("{}KiB", bytes >> 10) }
}

fn short(text: &str) -> String {
    let mut start: String = text.chars().take(60).collect();
    if start.len() < text.len() {
        start.push('…');
    }
    start
}

/// A number of bytes as people write it.
pub(super) fn bytes(text: &str) -> Option<usize> {
    let unit = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(unit)?;
    let scale = match unit.trim() {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "kB" | "KB" => 1000,
        "MB" => 1_000_000,
        _ => return None,
    };
    number.parse::<usize>().ok()?.checked_mul(scale)
}
