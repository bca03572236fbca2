"""`python -m services.knowledge`: the knowledge service as a process."""

from libs.service.server import run
from services.knowledge.settings import Settings
from services.knowledge.wiring import wire

if __name__ == "__main__":
    run("knowledge", Settings(), wire)
