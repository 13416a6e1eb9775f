//! What commands compute from a history besides folding it: what a sample holds, the life of one account, and how two
//! rules differ.

mod difference;
mod life;
mod needs;
mod never;
mod sample;

pub use difference::{Changes, Counts, Difference, Fired, Side};
pub use life::{AccountFold, Life, Time};
pub use needs::signal;
pub use never::{never_fires, never_on};
pub use sample::{Accounts, Sample};
