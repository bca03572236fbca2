"""`aeterna release`: blue-green releases of the services in Kubernetes; see docs/release.md."""
