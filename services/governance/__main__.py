"""`python -m services.governance`: the governance service as a process."""

from libs.service.server import run
from services.governance.settings import Settings
from services.governance.wiring import wire

if __name__ == "__main__":
    run("governance", Settings(), wire)
