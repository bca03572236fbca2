"""The TypeScript client does again what was recorded of writers in Python.

It is the compiled one that the console page has; tests/architecture see that it is current.
"""

import json
import subprocess
from pathlib import Path

import pytest

from tests.convergence.record import algebra, episode

_CLIENT = "services/sync/console/client"
_EPISODES, _OPERATIONS, _CASES = 20, 200, 5_000


def test_it_sees_the_same_texts(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    episodes = [episode(seed, _OPERATIONS) for seed in range(_EPISODES)]
    recorded = tmp_path / "recorded.json"
    recorded.write_text(json.dumps({"algebra": list(algebra(1, _CASES)), "episodes": episodes}))
    done = _replay(pytestconfig.rootpath, recorded)

    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout) == {
        "cases": _CASES,
        "episodes": _EPISODES,
        "events": sum(len(events) for each in episodes for events in each["writers"]),
    }


def test_a_difference_is_noticed(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    recorded = tmp_path / "recorded.json"
    wrong = episode(1, 50)
    wrong["writers"][0][-1]["text"] += "\N{ZERO WIDTH JOINER}"
    recorded.write_text(json.dumps({"algebra": [], "episodes": [wrong]}))

    assert "AssertionError" in _replay(pytestconfig.rootpath, recorded).stderr


def _replay(root: Path, recorded: Path) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [
        "node",
        Path(__file__).with_name("replay.mjs"),
        root / _CLIENT,
        recorded,
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False)
