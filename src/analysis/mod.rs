//! What commands compute from a history: the contents of a sample, what happened in one account, and how the handoffs
//! of two rules files differ.

mod difference;
mod guess;
mod life;
mod needs;
mod never;
mod places;
mod sample;

pub use difference::{Changes, Counts, Difference, Fired, Side};
pub use guess::{Guess, mappings};
pub use life::{AccountFold, Life, Time};
pub use needs::signal;
pub use never::{never_fires, never_on, roles_missing};
pub use places::Places;
pub use sample::{Accounts, Named, Sample};
