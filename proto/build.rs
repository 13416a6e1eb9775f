//! Compiles the contract in `proto/` to Rust types with canonical proto3 JSON, without a system `protoc`.

use prost::Message as _;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    const FILES: [&str; 6] = [
        "upswell/v1/dead_letter.proto",
        "upswell/v1/event.proto",
        "upswell/v1/handoff.proto",
        "upswell/v1/metrics.proto",
        "upswell/v1/signal.proto",
        "upswell/v1/profile.proto",
    ];
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(FILES, ["proto"])?;
    prost_build::Config::new().compile_fds(descriptors.clone())?;
    pbjson_build::Builder::new()
        .register_descriptors(&descriptors.encode_to_vec())?
        // What goes in is read by `src/wire`, where it stands.
        .exclude([".upswell.v1.ProductEvent"])
        // Fields are added: what a newer version published is read all the same.
        .ignore_unknown_fields()
        .build(&[".upswell.v1"])?;
    Ok(())
}
