"""`python -m services.memory`: the memory service as a process."""

from libs.service.server import run
from services.memory.settings import Settings
from services.memory.wiring import wire

if __name__ == "__main__":
    run("memory", Settings(), wire)
