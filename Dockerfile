# The suite in one image: `serve memory|knowledge|governance|sync`, `migrate`, `release` and the client commands.
# Runs as 10001:10001 and writes nothing to its root file system; /tmp is the one folder it may need.

FROM debian:trixie-slim AS build
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*
# PEM certificates to trust while building, where a proxy opens TLS. They do not reach the image.
ARG BUILD_CA=""
RUN printf '%s\n' "$BUILD_CA" >/usr/local/share/ca-certificates/build.crt && update-ca-certificates
ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt PIP_CERT=/etc/ssl/certs/ca-certificates.crt
WORKDIR /src
# Tools, dependencies and compiled contracts change seldom: a change of code reuses these layers.
COPY pyproject.toml uv.lock README.md LICENSE ./
COPY scripts/setup scripts/protos scripts/
COPY protos protos
RUN scripts/setup && rm -rf .venv
ENV UV_PROJECT_ENVIRONMENT=/opt/aeterna UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_NO_CACHE=1 \
    PYC_INVALIDATION_MODE=UNCHECKED_HASH
ENV UV_FLAGS="--frozen --no-dev --no-editable --no-python-downloads --python /usr/bin/python3 \
    --extra memory --extra knowledge --extra governance --extra sync --extra cli --extra release"
RUN .uv/bin/uv sync $UV_FLAGS --no-install-project
COPY libs libs
COPY services services
COPY cli cli
RUN .uv/bin/uv sync $UV_FLAGS

FROM debian:trixie-slim
RUN groupadd --gid 10001 aeterna \
 && SOURCE_DATE_EPOCH=0 useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent \
    --shell /usr/sbin/nologin aeterna \
 && apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates python3 \
 && rm -rf /var/lib/apt/lists/* /var/log/* /var/cache/debconf/* /var/cache/ldconfig/*
COPY --from=build /opt/aeterna /opt/aeterna
ENV PATH=/opt/aeterna/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /
# gRPC of the four services, WebSocket of sync, metrics, health for probes when there is TLS.
EXPOSE 50051 50052 50053 50054 8080 9090 9091
ENTRYPOINT ["aeterna"]
CMD ["--help"]
LABEL org.opencontainers.image.title="Aeterna" \
      org.opencontainers.image.description="Memory and knowledge platform of a company's AI agents" \
      org.opencontainers.image.licenses="Apache-2.0"
