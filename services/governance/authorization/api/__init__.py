"""gRPC servicers: translate, nothing else."""
