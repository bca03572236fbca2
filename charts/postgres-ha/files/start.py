"""Starts Patroni on etcd with addresses that are looked up anew after seconds.

Its etcd client remembers them for ten minutes, for every connection of the process: for so long a
member that had been restarted elsewhere was out of reach of the others, and so no candidate for a
failover at once, and no answer that keeps a primary going without etcd.
"""

import sys

from patroni.__main__ import main
from patroni.dcs.etcd import DnsCachingResolver

_REMEMBERED = 5.0  # seconds; the same for a name that was not found

if __name__ == "__main__":
    DnsCachingResolver.__init__.__defaults__ = (_REMEMBERED, _REMEMBERED)
    sys.exit(main())
