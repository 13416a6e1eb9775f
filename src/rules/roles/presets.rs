//! The presets: mappings that ship with Upswell for the event names of other tools.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_saphyr::Spanned;

use super::mapping::Mapping;
use crate::rules::yaml::read_yaml;

/// Mappings that ship with Upswell. They come after the mappings of the file, in the order in which the file names the
/// presets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::rules) enum Preset {
    /// The events of Segment's spec for B2B SaaS.
    Segment,
    /// The events that PostHog captures automatically, and common names.
    Posthog,
    /// The events that Amplitude captures automatically, and common names.
    Amplitude,
    /// The events that Mixpanel captures automatically, and common names.
    Mixpanel,
    /// Stripe's webhook events.
    Stripe,
    /// The events that Snowplow captures automatically, and common names.
    Snowplow,
}

impl Preset {
    pub(in crate::rules) const ALL: [Preset; 6] =
        [Preset::Segment, Preset::Posthog, Preset::Amplitude, Preset::Mixpanel, Preset::Stripe, Preset::Snowplow];

    pub(in crate::rules) fn word(self) -> &'static str {
        match self {
            Preset::Segment => "segment",
            Preset::Posthog => "posthog",
            Preset::Amplitude => "amplitude",
            Preset::Mixpanel => "mixpanel",
            Preset::Stripe => "stripe",
            Preset::Snowplow => "snowplow",
        }
    }

    pub(in crate::rules) fn text(self) -> &'static str {
        match self {
            Preset::Segment => include_str!("../presets/segment.yaml"),
            Preset::Posthog => include_str!("../presets/posthog.yaml"),
            Preset::Amplitude => include_str!("../presets/amplitude.yaml"),
            Preset::Mixpanel => include_str!("../presets/mixpanel.yaml"),
            Preset::Stripe => include_str!("../presets/stripe.yaml"),
            Preset::Snowplow => include_str!("../presets/snowplow.yaml"),
        }
    }

    pub(in crate::rules) fn mappings(self) -> Vec<Spanned<Mapping>> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            roles: Vec<Spanned<Mapping>>,
        }
        read_yaml::<File>(self.word(), self.text()).expect("the embedded presets are tested").roles
    }
}
