//! A macro for enums that are written as words and may meet a word from another operator version. Never fails to read.

/// Declares an enum of words: known words are variants, any other text is kept in `Other`.
///
/// `closed` puts the words into the schema as an enum, so that the API server refuses others at admission; `open`
/// leaves the schema a plain string, for status fields that an older or newer CRD must accept as well.
macro_rules! words {
    (@schema closed $name:ident) => { schemars::json_schema!({ "type": "string", "enum": $name::KNOWN }) };
    (@schema open $name:ident) => { schemars::json_schema!({ "type": "string" }) };
    ($(#[$meta:meta])* $openness:ident $name:ident { $($(#[$variant_meta:meta])* $variant:ident,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(from = "String", into = "String")]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
            /// A word that this version of the operator does not know.
            Other(String),
        }

        impl $name {
            /// The words that this version knows, in order of declaration.
            pub const KNOWN: &'static [&'static str] = &[$(stringify!($variant)),+];

            /// The word as it stands in the resource.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => stringify!($variant),)+
                    Self::Other(word) => word,
                }
            }
        }

        impl From<String> for $name {
            fn from(word: String) -> Self {
                match word.as_str() {
                    $(stringify!($variant) => Self::$variant,)+
                    _ => Self::Other(word),
                }
            }
        }

        impl From<$name> for String {
            fn from(word: $name) -> Self {
                word.as_str().to_owned()
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                words!(@schema $openness $name)
            }
        }
    };
}

pub(super) use words;
