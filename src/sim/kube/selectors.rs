//! Label and field selectors, from query text or from objects; parses and matches, never lists.

use serde_json::Value;

use super::error::ApiError;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Operator {
    In,
    NotIn,
    Exists,
    Absent,
    Greater,
    Less,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

/// A conjunction of requirements on labels; the empty one matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector(Vec<Requirement>);

impl LabelSelector {
    /// Reads query text: `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>3`.
    pub fn parse(text: &str) -> Result<Self, ApiError> {
        let mut requirements = Vec::new();
        for part in split_outside_parentheses(text) {
            let part = part.trim();
            if !part.is_empty() {
                requirements.push(parse_requirement(part)?);
            }
        }
        Ok(Self(requirements))
    }

    /// Reads a `metav1.LabelSelector`.
    pub fn from_object(selector: &Value) -> Result<Self, ApiError> {
        let mut requirements = Vec::new();
        for (key, value) in selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten() {
            let values = vec![value.as_str().unwrap_or_default().to_string()];
            requirements.push(Requirement { key: key.clone(), operator: Operator::In, values });
        }
        for expression in selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
            let operator = match expression["operator"].as_str() {
                Some("In") => Operator::In,
                Some("NotIn") => Operator::NotIn,
                Some("Exists") => Operator::Exists,
                Some("DoesNotExist") => Operator::Absent,
                other => return Err(ApiError::bad_request(format!("{:?} is not a valid label selector operator", other.unwrap_or("")))),
            };
            let values = expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_string).collect();
            requirements.push(Requirement { key: expression["key"].as_str().unwrap_or_default().to_string(), operator, values });
        }
        Ok(Self(requirements))
    }

    /// Whether nothing is required.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a `labels` map satisfies every requirement; anything but a map has no labels.
    pub fn matches(&self, labels: &Value) -> bool {
        self.0.iter().all(|requirement| requirement.matches(labels.get(&requirement.key).and_then(Value::as_str)))
    }
}

impl Requirement {
    fn matches(&self, value: Option<&str>) -> bool {
        let number = |text: Option<&str>| text.and_then(|text| text.parse::<i64>().ok());
        let bound = number(self.values.first().map(String::as_str));
        match self.operator {
            Operator::In => value.is_some_and(|value| self.values.iter().any(|wanted| wanted == value)),
            Operator::NotIn => value.is_none_or(|value| !self.values.iter().any(|wanted| wanted == value)),
            Operator::Exists => value.is_some(),
            Operator::Absent => value.is_none(),
            Operator::Greater => number(value).zip(bound).is_some_and(|(value, bound)| value > bound),
            Operator::Less => number(value).zip(bound).is_some_and(|(value, bound)| value < bound),
        }
    }
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_i32, 0);
    for (index, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn parse_requirement(part: &str) -> Result<Requirement, ApiError> {
    let requirement = |key: &str, operator, values: Vec<String>| Requirement { key: key.trim().to_string(), operator, values };
    let one = |value: &str| vec![value.trim().to_string()];
    let parsed = if let Some(key) = part.strip_prefix('!') {
        requirement(key, Operator::Absent, Vec::new())
    } else if let Some((head, set)) = part.strip_suffix(')').and_then(|rest| rest.split_once('(')) {
        let values = set.split(',').map(|value| value.trim().to_string()).collect();
        match head.trim().rsplit_once(char::is_whitespace) {
            Some((key, "in")) => requirement(key, Operator::In, values),
            Some((key, "notin")) => requirement(key, Operator::NotIn, values),
            _ => return Err(unreadable(part)),
        }
    } else if let Some((key, value)) = part.split_once("!=") {
        requirement(key, Operator::NotIn, one(value))
    } else if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        requirement(key, Operator::In, one(value))
    } else if let Some((key, value)) = part.split_once('>') {
        requirement(key, Operator::Greater, one(value))
    } else if let Some((key, value)) = part.split_once('<') {
        requirement(key, Operator::Less, one(value))
    } else {
        requirement(part, Operator::Exists, Vec::new())
    };
    if parsed.key.is_empty() || parsed.key.contains(char::is_whitespace) { Err(unreadable(part)) } else { Ok(parsed) }
}

fn unreadable(part: &str) -> ApiError {
    ApiError::bad_request(format!("unable to parse requirement: found '{part}', expected a label requirement"))
}

/// A conjunction of `field=value` and `field!=value`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector(Vec<(String, bool, String)>);

/// Fields that may be selected: kind (`*` for every kind) and path.
const SELECTABLE: &[(&str, &str)] = &[
    ("*", "metadata.name"),
    ("*", "metadata.namespace"),
    ("Pod", "spec.nodeName"),
    ("Pod", "spec.restartPolicy"),
    ("Pod", "spec.schedulerName"),
    ("Pod", "spec.serviceAccountName"),
    ("Pod", "status.phase"),
    ("Pod", "status.podIP"),
    ("Node", "spec.unschedulable"),
    ("Namespace", "status.phase"),
    ("Secret", "type"),
    ("Event", "involvedObject.kind"),
    ("Event", "involvedObject.namespace"),
    ("Event", "involvedObject.name"),
    ("Event", "involvedObject.uid"),
    ("Event", "involvedObject.apiVersion"),
    ("Event", "involvedObject.resourceVersion"),
    ("Event", "involvedObject.fieldPath"),
    ("Event", "reason"),
    ("Event", "reportingComponent"),
    ("Event", "source"),
    ("Event", "type"),
];

impl FieldSelector {
    /// Reads query text for a kind; 400 for fields that the kind cannot be selected by.
    pub fn parse(kind: &str, text: &str) -> Result<Self, ApiError> {
        let mut terms = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (field, equal, value) = if let Some((field, value)) = part.split_once("!=") {
                (field, false, value)
            } else if let Some((field, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
                (field, true, value)
            } else {
                return Err(ApiError::bad_request(format!("invalid selector: '{text}'; can't understand '{part}'")));
            };
            let field = field.trim();
            if !SELECTABLE.iter().any(|(of, path)| (*of == "*" || *of == kind) && *path == field) {
                return Err(ApiError::bad_request(format!("field label not supported: {field}")));
            }
            terms.push((field.to_string(), equal, value.trim().to_string()));
        }
        Ok(Self(terms))
    }

    /// Whether an object satisfies every term; a missing field is the empty text.
    pub fn matches(&self, object: &Value) -> bool {
        self.0.iter().all(|(field, equal, wanted)| {
            let mut value = object;
            for step in field.split('.') {
                value = value.get(step).unwrap_or(&Value::Null);
            }
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Null => String::new(),
                other => other.to_string(),
            };
            (text == *wanted) == *equal
        })
    }

    /// The name that alone is asked for, if there is one.
    pub fn exact_name(&self) -> Option<&str> {
        self.0.iter().find(|(field, equal, _)| field == "metadata.name" && *equal).map(|(_, _, name)| name.as_str())
    }
}
