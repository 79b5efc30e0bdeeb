# syntax=docker/dockerfile:1

# Both stages are of Debian 12, so that the binary finds the C library that it was linked with. The slim image has the
# C compiler that aws-lc-sys needs; it needs neither cmake nor clang on x86-64 and arm64.
FROM rust:1.91.0-slim-bookworm AS build
WORKDIR /build

# The dependencies, in a layer that only Cargo.lock and the manifests can spoil: an empty program is built with them, of
# empty crates. COPY would put the manifests of all crates into one place, so that each has a line of its own.
COPY Cargo.toml Cargo.lock ./
COPY crates/bounded-file/Cargo.toml crates/bounded-file/
COPY crates/checked-yaml/Cargo.toml crates/checked-yaml/
COPY crates/elements-api/Cargo.toml crates/elements-api/
COPY crates/elements-sim/Cargo.toml crates/elements-sim/
COPY crates/exporter-web/Cargo.toml crates/exporter-web/
COPY tests/fuzz/Cargo.toml tests/fuzz/
RUN for folder in . crates/* tests/fuzz; do mkdir $folder/src && touch $folder/src/lib.rs || exit; done \
    && echo 'fn main() {}' | tee build.rs > src/main.rs && cargo build --release --locked

COPY build.rs askama.toml ./
COPY crates crates
COPY src src
# The build has no git: who wants the revision in avepoint_exporter_build_info says it here.
ARG AVEPOINT_EXPORTER_REVISION=unknown
# Cargo goes by the time of a file, and the true sources may be older than the empty ones.
RUN touch build.rs src/main.rs src/lib.rs crates/*/src/lib.rs && cargo build --release --locked

# An empty folder, for a state file on a volume that the exporter's user may write to.
RUN mkdir /state

# A C library and CA certificates, and nothing else.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /build/target/release/avepoint-exporter /usr/local/bin/avepoint-exporter
COPY --from=build --chown=65532:65532 /state /var/lib/avepoint-exporter

# Where exporter.yaml is looked for.
WORKDIR /etc/avepoint-exporter
# With more heaps than one, memory that one of them has free is of no use to the others.
ENV MALLOC_ARENA_MAX=1
# As a number, since Kubernetes cannot tell from a name that it is not root.
USER 65532:65532
EXPOSE 10878
# No instruction checks its health: there is no shell or curl in here to ask with. Whoever runs the container asks
# GET /-/healthy instead; deploy/README.md leads to the probes.
ENTRYPOINT ["/usr/local/bin/avepoint-exporter"]

# What registries and scanners show of an image. An argument is known to its stage alone, hence once more.
ARG AVEPOINT_EXPORTER_REVISION=unknown
LABEL org.opencontainers.image.title="avepoint-exporter" \
      org.opencontainers.image.description="Prometheus exporter for the user seats that AvePoint customers have purchased" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${AVEPOINT_EXPORTER_REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/avepoint-exporter/avepoint-exporter"
