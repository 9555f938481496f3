//! Compiles the `.proto` files without a system `protoc`.

use std::error::Error;
use std::path::PathBuf;

const FILES: [&str; 9] = [
    "types",
    "directory",
    "feed",
    "catalog",
    "session",
    "transfer",
    "upkeep",
    "control",
    "security",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let files = FILES.map(|name| format!("enjambre/v1/{name}.proto"));
    let descriptors = protox::Compiler::new(["proto"])?
        .include_source_info(true)
        .include_imports(true)
        .open_files(files)?
        .file_descriptor_set();

    // Descriptors as bytes, for the reflection service.
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(
        out.join("enjambre.v1.bin"),
        protox::prost::Message::encode_to_vec(&descriptors),
    )?;

    // No generated dialling: connections are made in `dial`. Payloads as `Bytes`, so that decoding a chunk
    // does not copy it.
    tonic_prost_build::configure()
        .build_transport(false)
        .bytes(".")
        .compile_fds(descriptors)?;
    Ok(())
}
