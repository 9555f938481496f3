//! JSON documents against the published schemas of `docs/schemas`.
//!
//! A field that the schema does not name is an error here, although JSON Schema would let it pass: commands
//! print what is published and nothing else.

use std::path::Path;

use jsonschema::Validator;
use serde_json::{Map, Value, json};

/// A published schema.
#[derive(Debug)]
pub(crate) struct Schema(Validator);

impl Schema {
    /// Returns the schema of a name.
    ///
    /// # Panics
    /// When it is not published, or is no schema.
    pub(crate) fn published(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../docs/schemas/{name}.json"));
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self::strict(serde_json::from_str(&text).expect("a schema is JSON"))
    }

    fn strict(mut schema: Value) -> Self {
        close(&mut schema);
        Self(jsonschema::draft202012::new(&schema).expect("a schema"))
    }

    /// Checks a document.
    ///
    /// # Errors
    /// Every place where the document is not as the schema says, and why.
    pub(crate) fn check(&self, document: &Value) -> Result<(), String> {
        let complaints: Vec<_> = self
            .0
            .iter_errors(document)
            .map(|error| format!("${}: {error}", error.instance_path()))
            .collect();
        if complaints.is_empty() {
            Ok(())
        } else {
            Err(complaints.join("; "))
        }
    }
}

/// Forbids fields that a schema does not name, in the value that it describes and in all values inside.
fn close(schema: &mut Value) {
    if let Value::Object(rules) = schema {
        close_inside(rules);
        rules.insert("unevaluatedProperties".to_owned(), Value::Bool(false));
    }
}

/// Closes the values inside one. Alternatives and parts of a schema stay open, since each names only some
/// fields.
fn close_inside(rules: &mut Map<String, Value>) {
    for (rule, value) in rules {
        match (rule.as_str(), value) {
            ("properties", Value::Object(fields)) => fields.values_mut().for_each(close),
            ("items", items) => close(items),
            ("allOf" | "anyOf" | "oneOf", Value::Array(parts)) => {
                parts
                    .iter_mut()
                    .filter_map(Value::as_object_mut)
                    .for_each(close_inside);
            }
            ("$defs", Value::Object(parts)) => {
                parts
                    .values_mut()
                    .filter_map(Value::as_object_mut)
                    .for_each(close_inside);
            }
            _ => {}
        }
    }
}

#[test]
fn a_wrong_document_is_refused_with_its_place() {
    let schema = Schema::strict(json!({
        "title": "Some", "type": "object", "required": ["id", "event"],
        "properties": { "id": { "type": ["string", "null"] }, "parts": { "type": "array", "items": { "$ref": "#/$defs/Part" } } },
        "oneOf": [
            { "properties": { "event": { "const": "a" }, "count": { "type": "integer", "minimum": 0 } }, "required": ["count"] },
            { "properties": { "event": { "const": "b" } } },
        ],
        "$defs": { "Part": { "type": "object", "properties": { "n": { "type": "integer" } }, "required": ["n"] } },
    }));
    for right in [
        json!({"id": null, "event": "b"}),
        json!({"id": "x", "event": "a", "count": 3, "parts": [{"n": 1}]}),
    ] {
        assert_eq!(schema.check(&right), Ok(()), "{right}");
    }
    for (wrong, place) in [
        (json!({"event": "b"}), "$: \"id\" is a required property"),
        (json!({"id": 3, "event": "b"}), "$/id: 3"),
        (json!({"id": null, "event": "a"}), "$: "),
        (json!({"id": null, "event": "a", "count": -1}), "$: "),
        (
            json!({"id": null, "event": "b", "count": 1}),
            "('count' was unexpected)",
        ),
        (json!({"id": null, "event": "c"}), "$: "),
        (
            json!({"id": null, "event": "b", "parts": [{"n": 1, "m": 2}]}),
            "$/parts/0: ",
        ),
        (json!([]), "$: [] is not of type"),
    ] {
        let complaint = schema.check(&wrong).expect_err("it is wrong");
        assert!(complaint.contains(place), "{wrong}: {complaint}");
    }
}
