# The suite in one image: `serve memory|knowledge|governance|sync`, `migrate` and the client commands.
# Runs as 10001:10001 and writes nothing to its root file system; /tmp is the one folder it may need.

FROM debian:trixie-slim AS build
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates python3 python3-venv \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# Tools, dependencies and compiled contracts change seldom: a change of code reuses this layer.
COPY pyproject.toml uv.lock README.md LICENSE ./
COPY scripts scripts
COPY protos protos
RUN scripts/setup
COPY libs libs
COPY services services
COPY cli cli
ENV UV_PROJECT_ENVIRONMENT=/opt/aeterna UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy
RUN .uv/bin/uv sync --frozen --no-dev --no-editable --no-python-downloads --python /usr/bin/python3 \
    --extra memory --extra knowledge --extra governance --extra sync --extra cli

FROM debian:trixie-slim
LABEL org.opencontainers.image.title="Aeterna" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates python3 \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 10001 aeterna \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent \
    --shell /usr/sbin/nologin aeterna
COPY --from=build /opt/aeterna /opt/aeterna
ENV PATH=/opt/aeterna/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /
# gRPC of the four services, WebSocket of sync, metrics.
EXPOSE 50051 50052 50053 50054 8080 9090
ENTRYPOINT ["aeterna"]
CMD ["--help"]
