//! The kind `ladder`: a figure of the account reaches a threshold.

use super::about::{ACCOUNT, AT_DAY_CLOSE, AT_ONCE, About, Closes, NONE, Properties};
use super::parameters::Parameters;
use super::words::or_more;
use crate::model::Field;
use crate::rules::changes::Changes;
use crate::rules::meters::{self, MeterRef};
use crate::rules::needs::{Is, Needs};

pub(super) const ABOUT: About = About {
    written: "kind: ladder",
    scopes: ACCOUNT,
    measures: "`active_users`, `users_of_a_domain` (of the company e-mail domain with the most), `departments`, or \
              a meter over 28 days, at least as large as a rung",
    parameters: &["of", "rungs"],
    on: AT_ONCE,
    off: AT_DAY_CLOSE,
    state: "nothing of its own: the figures are kept anyway; for a meter, the same as spike",
    timer: NONE,
    example: "{ id: my.size, kind: ladder, scopes: [account], points: [5, 10, 15], in: [pqa], of: active_users, \
              rungs: [5, 20, 100] }",
};

/// Parameters of a ladder over a figure.
#[derive(Debug, PartialEq)]
pub struct Ladder {
    /// The figure.
    pub of: Of,
    /// The rungs: the figure must be at least this.
    pub rungs: Vec<f64>,
}

/// The figures that a ladder can measure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Of {
    /// Running active users.
    ActiveUsers,
    /// The most running active users with one company's e-mail host.
    UsersOfADomain,
    /// Distinct departments of running active users.
    Departments,
    /// A meter over 28 days.
    Volume(MeterRef),
}

impl Ladder {
    pub(super) fn compile(take: &mut Parameters<'_>) -> Result<Ladder, String> {
        let of = match take.need("of", &take.signal.of)?.as_str() {
            "active_users" => Of::ActiveUsers,
            "users_of_a_domain" => Of::UsersOfADomain,
            "departments" => Of::Departments,
            other => Of::Volume(meters::find(other, take.meters)?),
        };
        Ok(Ladder { of, rungs: take.ladder()? })
    }
}

impl Properties for Ladder {
    fn about(&self) -> About {
        ABOUT
    }

    fn measures(&self, _: bool) -> String {
        match &self.of {
            Of::ActiveUsers => "users active in the last 28 days".into(),
            Of::UsersOfADomain => "active users of the company e-mail domain with the most active users".into(),
            Of::Departments => "distinct departments of active users".into(),
            Of::Volume(meter) => format!("meter {} over 28 days", meter.meter.id),
        }
    }

    fn steps(&self) -> Vec<String> {
        or_more(&self.rungs)
    }

    fn needs(&self, _: bool) -> Needs {
        match &self.of {
            Of::ActiveUsers => Needs::activity(),
            Of::UsersOfADomain => Needs::profile(&[(Field::Email, Is::CompanyMail)]),
            Of::Departments => Needs::profile(&[(Field::Department, Is::Text)]),
            Of::Volume(meter) => Needs::meter(&meter.meter),
        }
    }

    fn is_measured_without_close(&self) -> bool {
        true
    }

    fn rungs(&self) -> u8 {
        self.rungs.len() as u8
    }

    fn changes(&self) -> Changes {
        match self.of {
            Of::Volume(_) => Changes::METERS,
            Of::ActiveUsers => Changes::ACTIVE_USERS,
            Of::UsersOfADomain | Of::Departments => Changes::CROWD,
        }
    }

    fn only_falls_at_closes(&self) -> bool {
        !matches!(self.of, Of::Volume(_))
    }

    fn closes(&self) -> Option<Closes> {
        Some(Closes::Day)
    }
}
