"""Asks each service, over the network as a client would, whether it serves. Arguments: NAME=ADDRESS."""

import os
import sys
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

SECONDS = 60


def credentials() -> grpc.ChannelCredentials | None:
    folder = os.environ.get("TLS_FOLDER")
    if not folder:
        return None
    authority = Path(folder, "ca.crt")
    trusted = authority.read_bytes() if authority.exists() else None  # else the system's
    key, certificate = Path(folder, "tls.key"), Path(folder, "tls.crt")
    return grpc.ssl_channel_credentials(trusted, key.read_bytes(), certificate.read_bytes())


def status(service: str, address: str) -> str:
    secure = credentials()
    opened = grpc.secure_channel(address, secure) if secure else grpc.insecure_channel(address)
    with opened as channel:
        request = health_pb2.HealthCheckRequest(service=service)
        answer = health_pb2_grpc.HealthStub(channel).Check(
            request, timeout=SECONDS, wait_for_ready=True
        )
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


def main() -> int:
    statuses = {}
    for argument in sys.argv[1:]:
        service, _, address = argument.partition("=")
        statuses[argument] = status(service, address)
        print(f"{service} at {address}: {statuses[argument]}", flush=True)
    return int(set(statuses.values()) != {"SERVING"})


sys.exit(main())
