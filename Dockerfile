# The image of `upswell run`: one binary with TLS and SCRAM, and the certificates of trusted authorities.
#
#   docker build -t upswell:0.1.0 .
#   docker build -t upswell:0.1.0 --build-arg FEATURES=tls,s3 .    # snapshots in a bucket: s3, gcs or azure

FROM rust:1.95-bookworm AS build
ARG FEATURES=tls
WORKDIR /src
COPY .cargo .cargo
COPY Cargo.toml Cargo.lock ./
COPY proto proto
COPY benches benches
COPY src src
# The registry and the compiled dependencies are cached by the builder, so a change of source compiles only Upswell.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    cargo build --profile dist --locked --features "$FEATURES" \
    && cp target/dist/upswell /usr/local/bin/upswell

FROM debian:bookworm-slim
# The version of the certificates is not pinned, so that the image has the newest ones.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /usr/local/bin/upswell /usr/local/bin/upswell
# The process writes its snapshots here, and nothing else anywhere. Mount a volume to keep them.
RUN mkdir -p /var/lib/upswell && chown 65532:65532 /var/lib/upswell
WORKDIR /var/lib/upswell
# A numeric user, so that Kubernetes can check `runAsNonRoot`.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["upswell"]
CMD ["run", "--config", "/etc/upswell/upswell.yaml"]
