# syntax=docker/dockerfile:1

# Both stages use Debian 12, so that the binary finds the C library that it was linked with. The slim image has the C
# compiler that aws-lc-sys needs; on x86-64 and arm64 it needs neither cmake nor clang.
FROM rust:1.91.0-slim-bookworm AS build
WORKDIR /build

# The dependencies, in a layer that only Cargo.toml and Cargo.lock invalidate: an empty program is built with them.
COPY Cargo.toml Cargo.lock ./
RUN mkdir src && echo 'fn main() {}' | tee build.rs > src/main.rs && touch src/lib.rs \
    && cargo build --release --locked

COPY build.rs askama.toml ./
COPY src src
# The build has no git: set the revision for avepoint_exporter_build_info here.
ARG AVEPOINT_EXPORTER_REVISION=unknown
# Cargo compares file times, and the real sources may be older than the empty program.
RUN touch build.rs src/main.rs src/lib.rs && cargo build --release --locked

# An empty folder for a state file, on a volume that the exporter's user can write to.
RUN mkdir /state

# Only a C library and CA certificates.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /build/target/release/avepoint-exporter /usr/local/bin/avepoint-exporter
COPY --from=build --chown=65532:65532 /state /var/lib/avepoint-exporter

# The folder of exporter.yaml.
WORKDIR /etc/avepoint-exporter
# As a number, since Kubernetes cannot tell from a name that it is not root.
USER 65532:65532
EXPOSE 10878
# No HEALTHCHECK: there is no shell or curl in the image to run it with. Probe GET /-/healthy from outside instead;
# deploy/kubernetes/deployment.yaml shows how.
ENTRYPOINT ["/usr/local/bin/avepoint-exporter"]

# Shown by registries and scanners. An argument is only known in its own stage, so it is repeated.
ARG AVEPOINT_EXPORTER_REVISION=unknown
LABEL org.opencontainers.image.title="avepoint-exporter" \
      org.opencontainers.image.description="Prometheus exporter for the user seats that AvePoint customers have purchased" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${AVEPOINT_EXPORTER_REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/avepoint-exporter/avepoint-exporter"
