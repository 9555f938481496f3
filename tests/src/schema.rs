//! JSON documents against the published schemas of `docs/schemas`.
//!
//! It knows the part of JSON Schema (2020-12) that those use and refuses a schema with anything else, so that nothing is
//! passed over. It is stricter in one thing: a field that the schema does not name is an error, since the point is that
//! what is printed is what is published.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value};

/// What says nothing about whether a document is right.
const REMARKS: [&str; 6] = ["$schema", "$defs", "title", "description", "format", "default"];

/// A published schema.
#[derive(Clone, Debug)]
pub struct Schema(Value);

impl Schema {
    /// The schema of this name.
    ///
    /// # Panics
    /// When it is not published.
    #[must_use]
    pub fn published(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../docs/schemas/{name}.json"));
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self(serde_json::from_str(&text).expect("a schema is JSON"))
    }

    /// Whether a document is as the schema says.
    ///
    /// # Errors
    /// Where it is not, and why.
    pub fn check(&self, document: &Value) -> Result<(), String> {
        self.whole(&self.0, document, "$")
    }

    /// A value to which one schema applies, and every field of it.
    fn whole(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        let known = self.applies(schema, value, at)?;
        let fields = value.as_object().into_iter().flat_map(Map::keys);
        match fields.into_iter().find(|field| !known.contains(*field)) {
            Some(field) => Err(format!("{at}.{field} is not in the schema")),
            None => Ok(()),
        }
    }

    /// One of the schemas that may apply to a value: the fields that it knows.
    fn applies(&self, schema: &Value, value: &Value, at: &str) -> Result<BTreeSet<String>, String> {
        let mut known = BTreeSet::new();
        let rules = match schema {
            Value::Bool(true) => return Ok(known),
            Value::Object(rules) => rules,
            other => return Err(format!("{at}: {other} is no schema")),
        };
        for (rule, wanted) in rules {
            match rule.as_str() {
                "type" if !is_of_type(wanted, value) => {
                    return Err(format!("{at} is {value}, not of type {wanted}"));
                }
                "const" if value != wanted => return Err(format!("{at} is {value}, not {wanted}")),
                "enum" if !list(wanted).contains(value) => {
                    return Err(format!("{at} is {value}, none of {wanted}"));
                }
                "minimum"
                    if value
                        .as_f64()
                        .is_some_and(|number| Some(number) < wanted.as_f64()) =>
                {
                    return Err(format!("{at} is {value}, less than {wanted}"));
                }
                "maximum"
                    if value
                        .as_f64()
                        .is_some_and(|number| Some(number) > wanted.as_f64()) =>
                {
                    return Err(format!("{at} is {value}, more than {wanted}"));
                }
                "minItems" | "maxItems" if is_too_long_or_short(rule, wanted, value) => {
                    return Err(format!("{at} has not {rule} {wanted}"));
                }
                "required" => {
                    // It says nothing about what is no object.
                    let lacks = |name: &&Value| value.get(name.as_str().unwrap_or_default()).is_none();
                    let missing = list(wanted).iter().find(lacks);
                    if let Some(missing) = missing.filter(|_| value.is_object()) {
                        return Err(format!("{at} has no {missing}"));
                    }
                }
                "properties" => {
                    for (name, inner) in wanted.as_object().into_iter().flatten() {
                        known.insert(name.clone());
                        if let Some(value) = value.get(name) {
                            self.whole(inner, value, &format!("{at}.{name}"))?;
                        }
                    }
                }
                "items" => {
                    for (number, value) in value.as_array().into_iter().flatten().enumerate() {
                        self.whole(wanted, value, &format!("{at}[{number}]"))?;
                    }
                }
                "$ref" => known.extend(self.applies(self.referred(wanted), value, at)?),
                "allOf" => {
                    for schema in list(wanted) {
                        known.extend(self.applies(schema, value, at)?);
                    }
                }
                "anyOf" | "oneOf" => known.extend(self.one_of(wanted, value, at)?),
                "type" | "const" | "enum" | "minimum" | "maximum" | "minItems" | "maxItems" => {}
                remark if REMARKS.contains(&remark) => {}
                other => return Err(format!("{at}: the schema has {other:?}, which is not known here")),
            }
        }
        Ok(known)
    }

    fn one_of(&self, schemas: &Value, value: &Value, at: &str) -> Result<BTreeSet<String>, String> {
        let mut complaints = Vec::new();
        for schema in list(schemas) {
            match self.applies(schema, value, at) {
                Ok(known) => return Ok(known),
                Err(complaint) => complaints.push(complaint),
            }
        }
        Err(complaints.join("; or "))
    }

    fn referred(&self, reference: &Value) -> &Value {
        let pointer = reference.as_str().unwrap_or_default().trim_start_matches('#');
        self.0.pointer(pointer).unwrap_or(&Value::Null)
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn is_of_type(wanted: &Value, value: &Value) -> bool {
    let is = |name: &Value| match name.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("number") => value.is_number(),
        Some("null") => value.is_null(),
        _ => false,
    };
    is(wanted) || list(wanted).iter().any(is)
}

fn is_too_long_or_short(rule: &str, wanted: &Value, value: &Value) -> bool {
    let (Some(length), Some(wanted)) = (value.as_array().map(Vec::len), wanted.as_u64()) else {
        return false;
    };
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    if rule == "minItems" {
        length < wanted
    } else {
        length > wanted
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Schema {
        Schema(json!({
            "title": "Some", "type": "object", "required": ["id", "event"],
            "properties": { "id": { "type": ["string", "null"] }, "parts": { "type": "array", "items": { "$ref": "#/$defs/Part" } } },
            "oneOf": [
                { "properties": { "event": { "const": "a" }, "count": { "type": "integer", "minimum": 0 } }, "required": ["count"] },
                { "properties": { "event": { "const": "b" } } },
            ],
            "$defs": { "Part": { "type": "object", "properties": { "n": { "type": "integer" } }, "required": ["n"] } },
        }))
    }

    #[test]
    fn a_document_is_right_or_it_is_told_where_it_is_not() {
        for right in [
            json!({"id": null, "event": "b"}),
            json!({"id": "x", "event": "a", "count": 3, "parts": [{"n": 1}]}),
        ] {
            assert_eq!(schema().check(&right), Ok(()), "{right}");
        }
        for (wrong, told) in [
            (json!({"event": "b"}), "$ has no \"id\""),
            (json!({"id": 3, "event": "b"}), "$.id is 3"),
            (json!({"id": null, "event": "a"}), "$ has no \"count\""),
            (json!({"id": null, "event": "a", "count": -1}), "$.count is -1"),
            (
                json!({"id": null, "event": "b", "count": 1}),
                "$.count is not in the schema",
            ),
            (json!({"id": null, "event": "c"}), "$.event is \"c\""),
            (
                json!({"id": null, "event": "b", "parts": [{"n": 1, "m": 2}]}),
                "$.parts[0].m is not in the schema",
            ),
            (json!([]), "$ is [], not of type"),
        ] {
            let complaint = schema().check(&wrong).expect_err("it is wrong");
            assert!(complaint.contains(told), "{wrong}: {complaint}");
        }
        let strange = Schema(json!({"pattern": "x"}));
        assert!(
            strange.check(&json!("x")).is_err(),
            "a rule that is not known is not passed over"
        );
    }
}
