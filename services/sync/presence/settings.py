"""Settings of presence: SYNC_PRESENCE__LEASE and so on."""

from datetime import timedelta
from typing import Self

from pydantic import BaseModel, Field, model_validator


class PresenceSettings(BaseModel, frozen=True):
    """Who is present; shared by the replicas through the Redis of the wake-ups, if there is one."""

    idle: timedelta = Field(timedelta(seconds=60), gt=timedelta(0))  # after so long without doing
    offline: timedelta = timedelta(seconds=90)  # after so long without a sign of life
    lease: timedelta = timedelta(seconds=15)  # a replica that is silent for so long is dead
    renewal: timedelta = Field(timedelta(seconds=5), gt=timedelta(0))  # of the lease, so often

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.offline <= self.idle:
            raise ValueError("offline must be longer than idle")
        if self.lease < 2 * self.renewal:
            raise ValueError("a lease must be twice as long as its renewal at least")
        return self
