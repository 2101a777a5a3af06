//! How people behave: one by one, and as a crowd.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::options::duration;

/// What a person does about the first message, or before it. Delays count from the delivery, or from the opt-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// Writes a text.
    Reply {
        /// From delivery to reply.
        after: Duration,
    },
    /// Taps the first quick reply or button, which returns its payload; writes a text where there is none.
    QuickReply {
        /// From delivery to tap.
        after: Duration,
    },
    /// Never answers.
    Silent,
    /// Cannot be written to: every message is answered with code 551.
    Block,
    /// Answers "stop".
    StopAfter {
        /// From delivery to the answer.
        after: Duration,
    },
    /// Turns messages off without having been written to: an opt-out webhook.
    StopBefore {
        /// From the acknowledged opt-in to the opt-out.
        after: Duration,
    },
}

/// The name of a [`Behaviour`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// See [`Behaviour::Reply`].
    Reply,
    /// See [`Behaviour::QuickReply`].
    QuickReply,
    /// See [`Behaviour::Silent`].
    #[default]
    Silent,
    /// See [`Behaviour::Block`].
    Block,
    /// See [`Behaviour::StopAfter`].
    StopAfter,
    /// See [`Behaviour::StopBefore`].
    StopBefore,
}

impl Behaviour {
    /// Its name.
    #[must_use]
    pub fn kind(self) -> Kind {
        match self {
            Self::Reply { .. } => Kind::Reply,
            Self::QuickReply { .. } => Kind::QuickReply,
            Self::Silent => Kind::Silent,
            Self::Block => Kind::Block,
            Self::StopAfter { .. } => Kind::StopAfter,
            Self::StopBefore { .. } => Kind::StopBefore,
        }
    }

    /// Its delay, zero where it has none.
    #[must_use]
    pub fn after(self) -> Duration {
        match self {
            Self::Reply { after }
            | Self::QuickReply { after }
            | Self::StopAfter { after }
            | Self::StopBefore { after } => after,
            Self::Silent | Self::Block => Duration::ZERO,
        }
    }

    /// A behaviour from its name and delay.
    #[must_use]
    pub fn from_kind(kind: Kind, after: Duration) -> Self {
        match kind {
            Kind::Reply => Self::Reply { after },
            Kind::QuickReply => Self::QuickReply { after },
            Kind::Silent => Self::Silent,
            Kind::Block => Self::Block,
            Kind::StopAfter => Self::StopAfter { after },
            Kind::StopBefore => Self::StopBefore { after },
        }
    }
}

/// People who opt in, spread evenly over a time and over the pages.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crowd {
    /// How many.
    pub people: u64,
    /// From the first opt-in to the last.
    #[serde(deserialize_with = "duration")]
    pub over: Duration,
    /// How they behave.
    #[serde(default)]
    pub mix: Mix,
}

/// Weights of the behaviours in a crowd; only their ratio counts. All zero means that everybody is silent.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mix {
    /// Weight of [`Behaviour::Reply`].
    pub reply: u32,
    /// Weight of [`Behaviour::QuickReply`].
    pub quick_reply: u32,
    /// Weight of [`Behaviour::Silent`].
    pub silent: u32,
    /// Weight of [`Behaviour::Block`].
    pub block: u32,
    /// Weight of [`Behaviour::StopAfter`].
    pub stop_after: u32,
    /// Weight of [`Behaviour::StopBefore`].
    pub stop_before: u32,
    /// The longest delay; each person's is drawn between half of it and all of it.
    #[serde(deserialize_with = "duration")]
    pub after: Duration,
}

impl Default for Mix {
    fn default() -> Self {
        Self {
            reply: 40,
            quick_reply: 20,
            silent: 25,
            block: 5,
            stop_after: 5,
            stop_before: 5,
            after: Duration::from_secs(2),
        }
    }
}

impl Mix {
    /// The weights by name.
    pub(super) fn weights(&self) -> [(Kind, u32); 6] {
        [
            (Kind::Reply, self.reply),
            (Kind::QuickReply, self.quick_reply),
            (Kind::Silent, self.silent),
            (Kind::Block, self.block),
            (Kind::StopAfter, self.stop_after),
            (Kind::StopBefore, self.stop_before),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_behaviour_is_its_kind_and_its_delay() {
        for (kind, _) in Mix::default().weights() {
            let behaviour = Behaviour::from_kind(kind, Duration::from_secs(3));
            assert_eq!(behaviour.kind(), kind);
            assert_eq!(Behaviour::from_kind(kind, behaviour.after()), behaviour);
        }
    }
}
