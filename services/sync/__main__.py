"""`python -m services.sync`: the sync service as a process."""

from libs.service.server import run
from services.sync.settings import Settings
from services.sync.wiring import wire

if __name__ == "__main__":
    run("sync", Settings(), wire)
