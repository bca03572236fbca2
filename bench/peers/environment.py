"""The peers' own virtual environment, made from their lock when it is not current."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench.corpus import ROOT

FOLDER = Path(__file__).parent


def python() -> Path:
    """The interpreter of the environment; the first time it is downloaded, about 100 MB."""
    command = [_uv(), "sync", "--frozen", "--quiet", "--no-python-downloads"]
    command += ["--project", str(FOLDER), "--python", sys.executable]
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    subprocess.run(command, env=environment, check=True)
    return FOLDER / ".venv" / "bin" / "python"


def _uv() -> str:
    """The one that setup installed or that is on the PATH, else a new one where setup keeps it."""
    own = ROOT / ".uv" / "bin"
    found = shutil.which("uv", path=f"{own}{os.pathsep}{os.environ['PATH']}")
    if found:
        return found
    subprocess.run([sys.executable, "-m", "venv", str(own.parent)], check=True)
    subprocess.run([str(own / "pip"), "install", "--quiet", "uv"], check=True)
    return str(own / "uv")
