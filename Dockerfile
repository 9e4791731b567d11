# The operator's image: one static binary and the licence. `make image` builds it with docker buildx, both processors on the machine's own, without emulation.
ARG RUST_VERSION=1.95

FROM --platform=$BUILDPLATFORM docker.io/library/rust:${RUST_VERSION}-slim-bookworm AS build
ARG TARGETARCH
# The C compiler of the other processor, where there is one to build for.
RUN set -eu; \
    case "$TARGETARCH" in \
      amd64) triple=x86_64 compiler=gcc-x86-64-linux-gnu ;; \
      arm64) triple=aarch64 compiler=gcc-aarch64-linux-gnu ;; \
      *) echo "no image is made for $TARGETARCH" >&2; exit 1 ;; \
    esac; \
    if [ "$(dpkg --print-architecture)" != "$TARGETARCH" ]; then \
      apt-get update; \
      apt-get install --yes --no-install-recommends "$compiler" "libc6-dev-$TARGETARCH-cross"; \
      rm -rf /var/lib/apt/lists/*; \
    fi; \
    rustup target add "$triple-unknown-linux-gnu"
WORKDIR /src
COPY . .
RUN tests/image/rootfs /rootfs "$TARGETARCH"

# No certificates of authorities are needed: the API server's comes with the pod's ServiceAccount, and the operator talks to nobody else by TLS.
FROM scratch
ARG VERSION
ARG REVISION
ARG CREATED
LABEL org.opencontainers.image.title="StarRocks Operator" \
      org.opencontainers.image.description="Creates StarRocks clusters on Kubernetes and walks them safely from release to release" \
      org.opencontainers.image.source="https://github.com/starrocks-operator/starrocks-operator" \
      org.opencontainers.image.documentation="https://github.com/starrocks-operator/starrocks-operator/blob/main/docs/README.md" \
      org.opencontainers.image.vendor="StarRocks Operator authors" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED" \
      name="starrocks-operator" \
      vendor="StarRocks Operator authors" \
      maintainer="StarRocks Operator authors" \
      version="$VERSION" \
      release="$REVISION" \
      summary="Kubernetes operator for StarRocks" \
      description="Creates StarRocks clusters on Kubernetes and walks them safely from release to release"
COPY --from=build /rootfs /
ENV PATH=/
# A number, so that Kubernetes can see that it is not root; any other number does as well, as on OpenShift.
USER 65532:65532
EXPOSE 8080 8081 9443
ENTRYPOINT ["/starrocks-operator"]
CMD ["run"]
