import json
import os
import re
import subprocess
import sys

import pytest

from tests.integration.cli.conftest import Folder


def test_the_lines_in_the_readme_store_and_find_a_memory(
    served: Folder, pytestconfig: pytest.Config
) -> None:
    text = (pytestconfig.rootpath / "README.md").read_text()
    (code,) = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    addresses = json.loads((served.path / "endpoints.json").read_text())
    environment = {
        "PYTHONPATH": os.pathsep.join(sys.path),
        "AETERNA_SERVER": addresses["memory"],
        "AETERNA_TOKEN": served.run("token", "--role", "developer", "--subject", "ann").out.strip(),
    }

    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert done.returncode == 0, done.stderr
    stored, best = done.stdout.splitlines()[:2]
    assert re.fullmatch(r"stored memories/[0-9a-f-]{36}", stored)
    assert best.endswith("Ann wants invoices as PDF, in one mail, on the first of the month.")
    assert len([line for line in code.splitlines() if line]) <= 20
