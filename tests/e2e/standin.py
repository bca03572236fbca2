"""Runs in a pod of test_release.py in place of a service: health, metrics and calls, but no store.

Every tenth of a second a call ends; once /tmp/sick exists each is joined by one that failed.
"""

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from prometheus_client import Counter, start_http_server


def main() -> None:
    """Until SIGTERM."""
    calls = Counter("aeterna_requests", "Calls that ended.", ["service", "method", "code"])
    start_http_server(9090)
    server: Any = grpc.server(ThreadPoolExecutor(4))
    servicer: Any = health.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    server.add_insecure_port("0.0.0.0:50051")
    server.start()
    stop = Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    while not stop.wait(0.1):
        calls.labels("memory", "GetMemory", "OK").inc()
        if Path("/tmp/sick").exists():
            calls.labels("memory", "GetMemory", "INTERNAL").inc()
    server.stop(1).wait()


if __name__ == "__main__":
    main()
