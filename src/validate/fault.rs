//! What is wrong with a resource: rules with stable codes, and the collection of everything found; never stops at the first.

use std::fmt;

use crate::model::cluster::Advice;

/// Something in a resource that keeps the operator from acting on it: which field, which rule, and the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldFault {
    /// Stable code, `SR-3nnn`.
    pub code: &'static str,
    /// Path of the field, for example `spec.starRocksBeSpec.storageVolumes[0].storageSize`.
    pub field: String,
    /// What the rule is and what was found.
    pub rule: String,
    /// What to do.
    pub way_out: String,
}

impl fmt::Display for FieldFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}: {}. {}.", self.code, self.field, self.rule, self.way_out)
    }
}

macro_rules! rules {
    ($($(#[$doc:meta])* $rule:ident = $code:literal, $title:literal;)+) => {
        /// The rules that a resource can break or come near to. Codes are never given to another rule.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Rule { $($(#[$doc])* #[doc = $title] $rule,)+ }

        impl Rule {
            /// Every rule, by code.
            pub const ALL: &'static [Self] = &[$(Self::$rule,)+];

            /// Stable code: `SR-30nn` for faults, `SR-35nn` for advice.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$rule => $code,)+ }
            }

            /// The rule in a few words.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$rule => $title,)+ }
            }
        }
    };
}

rules! {
    FrontendsMissing = "SR-3001", "every other component needs frontends";
    NothingDeclared = "SR-3002", "a cluster needs at least its frontends";
    ClusterName = "SR-3003", "the cluster's name must leave room for the names derived from it";
    Replicas = "SR-3004", "replicas are zero or more, and at most 10000";
    ResourceAmount = "SR-3005", "resources are quantities, and a request is not above its limit";
    StorageSize = "SR-3006", "a claim has a size above zero";
    VolumeKind = "SR-3007", "a volume says what it is made of";
    VolumeName = "SR-3008", "volume names are DNS labels, mount paths are absolute";
    Duplicate = "SR-3009", "names and mount paths are unique in a pod";
    VersionFormat = "SR-3010", "the version is a full release number";
    VersionConflict = "SR-3011", "the declared version and an image agree";
    ImageMissing = "SR-3012", "an image is given or follows from the version";
    ConfigurationMissing = "SR-3013", "the ConfigMap of a configuration exists";
    ConfigurationPort = "SR-3014", "ports in a configuration are numbers from 1 to 65535";
    PortConflict = "SR-3015", "ports of one process differ";
    RunMode = "SR-3016", "the run mode is shared_nothing or shared_data";
    Autoscaling = "SR-3017", "autoscaling bounds are in order";
    UpdateStrategy = "SR-3018", "the update strategy lets pods be replaced";
    ServiceShape = "SR-3019", "a Service is one that Kubernetes accepts";
    ReservedLabel = "SR-3020", "labels that select pods belong to the operator";
    PolicyRange = "SR-3021", "the upgrade policy is in range";
    CredentialsSecret = "SR-3022", "credentials name a Secret";
    Container = "SR-3023", "containers have names and mount what exists";
    Word = "SR-3024", "a word is one that Kubernetes knows";
    Environment = "SR-3025", "environment variables have names";
    Seconds = "SR-3026", "durations are zero or more";
    InstallationRoot = "SR-3027", "STARROCKS_ROOT is an absolute path written out";
    WarehouseName = "SR-3028", "the warehouse's name is a name in StarRocks and leaves room for the names derived from it";
    WarehouseParts = "SR-3029", "a warehouse names its cluster and describes its compute nodes";
    VersionOrChannel = "SR-3040", "a release is asked for by its number or by a channel, not by both";
    ChannelUnknown = "SR-3041", "the channel of a new cluster exists";
    ChannelHead = "SR-3042", "the head of a new cluster's channel can be gone to";
    FewFrontends = "SR-3501", "an odd number of frontends, three or more, survives the loss of one";
    MetadataNotLasting = "SR-3502", "metadata of frontends outlives their pods";
    DataNotLasting = "SR-3503", "data of backends outlives their pods";
    FrontendMemory = "SR-3504", "a frontend needs memory for its heap";
    UnprovenImage = "SR-3505", "the release of an image can be read from its tag";
    ConfigurationUnread = "SR-3506", "the configuration was read";
    IgnoredField = "SR-3507", "a field has an effect";
    SmallSize = "SR-3508", "a volume whose size begins with 0 was dropped by the Go operator";
    NoComputation = "SR-3509", "a cluster needs backends or compute nodes to answer queries";
}

/// Everything found so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    faults: Vec<FieldFault>,
    advice: Vec<Advice>,
}

impl Findings {
    pub(super) fn fault(&mut self, rule: Rule, field: impl Into<String>, found: impl Into<String>, way_out: impl Into<String>) {
        self.faults.push(FieldFault { code: rule.code(), field: field.into(), rule: found.into(), way_out: way_out.into() });
    }

    pub(super) fn advise(&mut self, rule: Rule, field: impl Into<String>, message: impl Into<String>) {
        self.advice.push(Advice { code: rule.code(), field: field.into(), message: message.into() });
    }

    /// The advice if nothing is wrong, else all that is wrong.
    pub(super) fn verdict(self) -> Result<Vec<Advice>, Vec<FieldFault>> {
        if self.faults.is_empty() { Ok(self.advice) } else { Err(self.faults) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_a_code_of_its_own_in_order() {
        let codes: Vec<_> = Rule::ALL.iter().map(|rule| rule.code()).collect();
        let mut sorted = codes.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(codes, sorted);
        assert!(codes.iter().all(|code| code.len() == 7 && code.starts_with("SR-3")));
    }
}
