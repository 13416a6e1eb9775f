//! The kinds of change that a step can make. Signals and figures state which of them they depend on, so that only these
//! are evaluated.

/// What a step can change of an account and its users, a bit each: the inputs of levels and figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes(u32);

impl Changes {
    /// Which users are running and active, or their traits; see [`Changes::CROWD`].
    pub const ACTIVE_USERS: Changes = Changes(1);
    /// Users ever active in this life.
    pub const USERS: Changes = Changes(1 << 1);
    /// The first meaningful event of this life.
    pub const FOUNDED: Changes = Changes(1 << 2);
    /// New users.
    pub const NEW_USERS: Changes = Changes(1 << 3);
    /// Figures of closed days.
    pub const CLOSED_DAYS: Changes = Changes(1 << 4);
    /// Figures of closed weeks.
    pub const CLOSED_WEEKS: Changes = Changes(1 << 5);
    /// Closed days since the last active one.
    pub const IDLE_DAYS: Changes = Changes(1 << 6);
    /// What is known of the company and its subscriptions.
    pub const TRAITS: Changes = Changes(1 << 7);
    /// Reports of how much of a quota is used.
    pub const QUOTAS: Changes = Changes(1 << 8);
    /// What meters count.
    pub const METERS: Changes = Changes(1 << 9);
    /// Whether a premium feature was used.
    pub const PREMIUM: Changes = Changes(1 << 10);
    /// Whether anybody was invited.
    pub const INVITED: Changes = Changes(1 << 11);
    /// An age is reached.
    pub const AGE: Changes = Changes(1 << 12);
    /// The PQA score.
    pub const SCORE: Changes = Changes(1 << 13);
    /// The tier.
    pub const TIER: Changes = Changes(1 << 14);
    /// Signals that time makes known may be known now.
    pub const KNOWN: Changes = Changes(1 << 15);
    /// Of a user: active on another day.
    pub const ACTIVE: Changes = Changes(1 << 16);
    /// Of a user: the sign-up, or the first event.
    pub const SIGNED_UP: Changes = Changes(1 << 17);
    /// Of a user: came, left, came back, or is forgotten.
    pub const EXISTS: Changes = Changes(1 << 18);
    /// Of a user: traits, and actions that are typical of buyers.
    pub const BUYS: Changes = Changes(1 << 19);
    /// Of a user: the score.
    pub const USER_SCORE: Changes = Changes(1 << 20);
    /// Of a user: the band.
    pub const BAND: Changes = Changes(1 << 21);
    /// Of a user: active for the first time in this life.
    pub const BEGAN: Changes = Changes(1 << 22);
    /// Whether the account has one user only.
    pub const ONLY_USER: Changes = Changes(1 << 23);
    /// The account begins another life.
    pub const REBORN: Changes = Changes(1 << 24);
    /// Levels of signals of the account.
    pub const LEVELS: Changes = Changes(1 << 25);
    /// It is known from now on how many new users are far more than usual.
    pub const SPIKE_KNOWN: Changes = Changes(1 << 26);

    /// From when on new users count.
    pub const COUNTING: Changes = Changes(1 << 27);
    /// The number of running active users, so far that a condition over it can change.
    pub const ACTIVE_NUMBER: Changes = Changes(1 << 28);
    /// Traits of the running active users, such as departments.
    pub const CROWD: Changes = Changes(1 << 29);
    /// The number of users ever active, so far that a condition over it can change.
    pub const USERS_NUMBER: Changes = Changes(1 << 30);

    /// Both together.
    #[must_use]
    pub const fn and(self, other: Changes) -> Changes {
        Changes(self.0 | other.0)
    }

    /// Adds what else changed.
    pub fn add(&mut self, other: Changes) {
        self.0 |= other.0;
    }

    /// Whether they have a change in common.
    pub const fn meet(self, other: Changes) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether nothing changed.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}
