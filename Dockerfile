# syntax=docker/dockerfile:1
# weir as an image with nothing in it but the binary: no shell, no library, no
# package. `docker build -t weir .` makes it; with `docker run --read-only` it runs
# as well, since it writes to its volume alone.
#
#   docker run --read-only --cap-drop all -p 80:8080 \
#     -v ./node.yaml:/etc/weir/node.yaml:ro -v weir:/var/lib/weir weir
#
# The node file must listen on ports above 1023, on all addresses of the container,
# and keep its state in /var/lib/weir (state.embedded.dir, or state.cache). For the
# control API either set control.tokens and publish its port, or leave it on
# loopback and use `docker exec NAME /weir get services`.
ARG GO_VERSION=1.26
FROM golang:${GO_VERSION} AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath -ldflags="-s -w -buildid=" -o /out/weir ./cmd/weir && \
    mkdir -m 0700 /out/state

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/weir /weir
COPY --from=build --chown=65532:65532 /out/state /var/lib/weir
# Not root, and a number, so that `runAsNonRoot` can see it.
USER 65532:65532
WORKDIR /var/lib/weir
VOLUME /var/lib/weir
EXPOSE 8080
# Drains: give it `docker stop --time 60`.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --retries=3 CMD ["/weir", "healthz", "-c", "/etc/weir/node.yaml"]
ENTRYPOINT ["/weir"]
CMD ["serve", "-c", "/etc/weir/node.yaml"]
