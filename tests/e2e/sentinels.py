"""The Redis of an installation, as its Sentinels and its servers describe it."""

import subprocess

from tests.e2e.cluster import Cluster, wait_until

PODS = ("redis-0", "redis-1", "redis-2")
_VIEW = """
redis-cli info replication
echo "quorum:$(redis-cli -p 26379 sentinel ckquorum mymaster)"
echo "named:$(redis-cli -p 26379 sentinel get-master-addr-by-name mymaster | head -n 1)"
"""


class Redis:
    """The pods of redis-sentinel in one namespace."""

    def __init__(self, namespace: Cluster) -> None:
        self._namespace = namespace

    def command(self, pod: str, *arguments: str) -> str:
        """What `redis-cli` says in the pod; errors of Redis are an answer, too."""
        return self.shell(pod, 'timeout 5 redis-cli "$@"', *arguments).strip()

    def shell(self, pod: str, script: str, *arguments: str) -> str:
        return self._namespace(
            "exec", pod, "--container=redis", "--", "sh", "-c", script, "sh", *arguments
        )

    def view(self, pod: str) -> dict[str, str]:
        """Its `INFO replication`, and its Sentinel's word: `quorum`, and the pod `named` master."""
        lines = self.shell(pod, _VIEW).splitlines()
        view = dict(line.split(":", 1) for line in lines if ":" in line)
        return {**view, "named": view["named"].split(".")[0]}

    def says(self, pod: str, text: str = "") -> bool:
        """Whether Redis, or what starts it, has said this there; or anything at all."""
        try:
            log = self._namespace("logs", pod, "--container=redis")
        except subprocess.CalledProcessError:
            return False  # not there yet
        return text in log and bool(log)

    def master(self) -> str:
        """The pod that the Sentinels name, once they agree."""
        found: set[str] = set()

        def agreed() -> bool:
            found.clear()
            found.update(self.view(pod)["named"] for pod in PODS)
            return len(found) == 1

        wait_until(agreed, "the Sentinels name one master", 60)
        return found.pop()

    def wait_until_another_than(self, master: str, seconds: float = 60) -> None:
        """Until one of the other pods is master, and the Sentinel beside it says so."""
        others = [pod for pod in PODS if pod != master]
        wait_until(lambda: any(map(self._is_master, others)), f"another than {master}", seconds)

    def wait_until_whole(self) -> None:
        """Until there is one master, which all name, with all replicas connected, and a quorum."""
        wait_until(self._is_whole, "one master with two replicas and a quorum", 120)

    def _is_master(self, pod: str) -> bool:
        try:
            view = self.view(pod)
        except subprocess.CalledProcessError:
            return False
        return (view.get("role"), view["named"]) == ("master", pod)

    def _is_whole(self) -> bool:
        try:
            views = {pod: self.view(pod) for pod in PODS}
        except subprocess.CalledProcessError:
            return False
        masters = [pod for pod, view in views.items() if view.get("role") == "master"]
        return (
            {view["named"] for view in views.values()} == set(masters)
            and len(masters) == 1
            and views[masters[0]]["connected_slaves"] == "2"
            and all(view["quorum"].startswith("OK 3 ") for view in views.values())
            and sum(view.get("master_link_status") == "up" for view in views.values()) == 2
        )
