//! The published schemas of the documents that `--json` prints, made from their types.
//!
//! They are in `docs/schemas`; `ENJAMBRE_WRITE_SCHEMAS=1 cargo test -p shared schemas` writes them again
//! after a change, which the diff then shows. The scenario `shapes` validates the program's output against
//! them.

use std::path::Path;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};

use super::*;

fn schema<T: JsonSchema>() -> Schema {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    settings.into_generator().into_root_schema_for::<T>()
}

#[test]
fn the_published_schemas_are_those_of_the_types() {
    let all = [
        ("add", schema::<AddLine>()),
        ("audit", schema::<AuditLine>()),
        ("audit-verify", schema::<AuditChain>()),
        ("ca-rotate", schema::<RotatedAuthority>()),
        ("init", schema::<Secured>()),
        ("member-list", schema::<Members>()),
        ("revoke", schema::<Revoked>()),
        ("token-create", schema::<NewToken>()),
        ("token-list", schema::<Tokens>()),
        ("add-plan", schema::<AddPlan>()),
        ("adopt-network", schema::<AdoptedNetwork>()),
        ("drain", schema::<Drained>()),
        ("drain-wait", schema::<DrainLine>()),
        ("durability", schema::<Surveyed>()),
        ("durability-of", schema::<Durable>()),
        ("error", schema::<ErrorLine>()),
        ("forget", schema::<Forgotten>()),
        ("get", schema::<GetLine>()),
        ("get-plan", schema::<GetPlan>()),
        ("history", schema::<History>()),
        ("limit", schema::<Limits>()),
        ("list", schema::<Names>()),
        ("list-entries", schema::<EntryLine<'_>>()),
        ("list-local", schema::<Contents>()),
        ("locate", schema::<Located>()),
        ("maintenance", schema::<ModeReport>()),
        ("network", schema::<Network>()),
        ("new-id", schema::<NewId>()),
        ("pin", schema::<Pinned>()),
        ("rebuild-index", schema::<RebuiltIndex>()),
        ("remove", schema::<Removed>()),
        ("rename", schema::<Renamed>()),
        ("replicas", schema::<Targeted>()),
        ("send", schema::<SendLine>()),
        ("serve", schema::<ServeLine>()),
        ("status", schema::<NodeStatus>()),
        ("value", schema::<Value>()),
        ("verify", schema::<VerifyLine>()),
        ("watch", schema::<WatchLine>()),
        ("why", schema::<Explained>()),
    ];
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schemas");
    for (name, schema) in all {
        let path = directory.join(format!("{name}.json"));
        let text = serde_json::to_string_pretty(&schema).expect("JSON") + "\n";
        if std::env::var_os("ENJAMBRE_WRITE_SCHEMAS").is_some() {
            std::fs::create_dir_all(&directory).expect("made");
            std::fs::write(&path, text).expect("written");
        } else {
            let published = std::fs::read_to_string(&path).unwrap_or_default();
            assert_eq!(published, text, "{name}: see this file's first lines");
        }
    }
}
