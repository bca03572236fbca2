"""How key operations go about their work."""

from datetime import timedelta

from pydantic import BaseModel, Field


class KeySettings(BaseModel, frozen=True):
    """Of re-encryption, and of retiring keys."""

    rows_per_second: int = Field(2_000, gt=0)  # that re-encryption looks at, unless a request says
    retire_grace: timedelta = timedelta(seconds=60)  # from marking keys to destroying them
