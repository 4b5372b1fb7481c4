//! Which services a process runs.

/// Which services a process runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Services {
    pub(crate) ingress: bool,
    pub(crate) router: bool,
    pub(crate) egress: bool,
    pub(crate) journal: bool,
    pub(crate) console: bool,
    pub(crate) simulator: bool,
}

impl Services {
    const NONE: Self =
        Self { ingress: false, router: false, egress: false, journal: false, console: false, simulator: false };
    pub(crate) const INGRESS: Self = Self { ingress: true, ..Self::NONE };
    pub(crate) const ROUTER: Self = Self { router: true, ..Self::NONE };
    pub(crate) const EGRESS: Self = Self { egress: true, ..Self::NONE };
    pub(crate) const JOURNAL: Self = Self { journal: true, ..Self::NONE };
    pub(crate) const CONSOLE: Self = Self { console: true, ..Self::NONE };
    pub(crate) const SIMULATOR: Self = Self { simulator: true, ..Self::NONE };
    /// The three of the mission, the journal that keeps account of them, and the console that shows it.
    pub(crate) const MISSION: Self =
        Self { ingress: true, router: true, egress: true, journal: true, console: true, simulator: false };
    pub(crate) const ALL: Self = Self { simulator: true, ..Self::MISSION };

    /// Whether the process only shows what there is: then it shows what is away, too, and depends on nothing.
    pub(super) fn only_looks(self) -> bool {
        self == Self::CONSOLE
    }

    /// The name of a process that runs these.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::INGRESS => "ingress",
            Self::ROUTER => "router",
            Self::EGRESS => "egress",
            Self::JOURNAL => "journal",
            Self::CONSOLE => "console",
            Self::SIMULATOR => "simulator",
            _ => "tropomq",
        }
    }
}
