//! How the world answers requests.

/// How an effect is answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Accepted, and begun.
    #[default]
    Accepted,
    /// Accepted, but nothing happens.
    Ignored,
    /// Refused for good.
    Refused(String),
    /// No answer comes back, and nothing happens.
    Silent,
    /// No answer comes back, and it happens all the same.
    SilentlyDone,
    /// Drey ends before it hears anything, and nothing happens.
    Lost,
}

/// How effects are answered from now on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answers {
    pub(crate) ensure: Answer,
    pub(crate) remove: Answer,
    pub(crate) cancel: Answer,
    pub(crate) snapshot: Answer,
    pub(crate) submit: Answer,
}
