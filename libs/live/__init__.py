"""What happens in a tenant, as it happens: the client of live connections over WebSocket.

`Live` connects, resumes and renews tokens by itself; `Live.enter` gives a `Room` to iterate,
`Live.open` a `SharedDocument` that several people write, `Live.ask` sends single requests.
docs/clients.md shows how it is used.
"""

from libs.live.client import Live
from libs.live.document import SharedDocument
from libs.live.pauses import Pauses
from libs.live.room import Event, Room, Snapshot

__all__ = ["Event", "Live", "Pauses", "Room", "SharedDocument", "Snapshot"]
