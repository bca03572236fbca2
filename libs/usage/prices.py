"""The one price table: versions with the time from which each holds. Pure, but for reading a file.

A use is priced as of its time. A version is whole: what it does not name has no known price from
then on. Amounts are exact decimals.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from libs.errors import AppError
from libs.errors import Kind as ErrorKind
from libs.usage import Kind

_MILLION, _GIGABYTE, _MONTH = 1_000_000, 10**9, 730  # tokens; bytes; hours
_FROZEN = ConfigDict(frozen=True, extra="forbid")


class ModelPrice(BaseModel):
    """Of a million tokens: those that the model reads (or embeds), and those that it writes."""

    model_config = _FROZEN

    input: Decimal = Field(ge=0)
    output: Decimal | None = Field(None, ge=0)


class Version(BaseModel):
    """What things cost from a time on, until the next version."""

    model_config = _FROZEN

    version: str = Field(min_length=1, max_length=64)
    effective: datetime
    models: Mapping[str, ModelPrice] = {}
    gigabyte_month: Decimal | None = Field(Decimal(0), ge=0)  # bytes stored
    million_vectors_month: Decimal | None = Field(Decimal(0), ge=0)
    million_requests: Decimal | None = Field(Decimal(0), ge=0)

    @field_validator("effective")
    @classmethod
    def _in_utc(cls, value: datetime) -> datetime:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)

    def price(self, kind: Kind, model: str) -> Decimal | None:
        """Of one unit; None when it is not known."""
        whole, units = self._of_many(kind, self.models.get(model))
        return None if whole is None else whole / units

    def _of_many(self, kind: Kind, model: ModelPrice | None) -> tuple[Decimal | None, int]:
        """As the table has it, and how many units that is for."""
        match kind:
            case Kind.EMBEDDING_TOKENS | Kind.INPUT_TOKENS:
                return model.input if model else None, _MILLION
            case Kind.OUTPUT_TOKENS:
                return model.output if model else None, _MILLION
            case Kind.REQUESTS:
                return self.million_requests, _MILLION
            case Kind.VECTOR_HOURS:
                return self.million_vectors_month, _MILLION * _MONTH
            case Kind.BYTE_HOURS:
                return self.gigabyte_month, _GIGABYTE * _MONTH
            case Kind.EXTERNAL:
                return None, 1  # whoever made them knows


class Charge(NamedTuple):
    """What something cost; `amount` is None when nobody knows, `prices` the version that says."""

    amount: Decimal | None
    currency: str
    prices: str


class PriceTable(BaseModel):
    """Versions by time, in one currency."""

    model_config = _FROZEN

    currency: str = Field(pattern="^[A-Z]{3}$")
    versions: tuple[Version, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        ordered = sorted(self.versions, key=lambda each: each.effective)
        if len({each.effective for each in ordered}) < len(ordered):
            raise ValueError("two versions hold from the same time")
        if len({each.version for each in ordered}) < len(ordered):
            raise ValueError("two versions have the same name")
        object.__setattr__(self, "versions", tuple(ordered))
        return self

    def at(self, moment: datetime) -> Version | None:
        """The version that holds then; None before the first."""
        held = [each for each in self.versions if each.effective <= moment]
        return held[-1] if held else None

    def charge(self, kind: Kind, model: str, quantity: Decimal | int, moment: datetime) -> Charge:
        """What so much of it cost then, exactly."""
        version = self.at(moment)
        price = version.price(kind, model) if version else None
        amount = None if price is None else price * quantity
        return Charge(amount, self.currency, version.version if version else "")


class PricesInvalid(AppError):
    """The file of prices cannot be used."""

    kind, reason = ErrorKind.PRECONDITION, "PRICES_INVALID"

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"Prices of {path}: {problem}.", path=str(path), problem=problem)


def parsed(text: str, path: Path) -> PriceTable:
    """The table of a YAML or JSON document; raises PricesInvalid naming `path`."""
    try:
        return PriceTable.model_validate(yaml.load(text, _Exact))
    except yaml.YAMLError as error:
        raise PricesInvalid(path, "it is neither YAML nor JSON") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the table"
        raise PricesInvalid(path, f"{place}: {first['msg']}") from error


class _Exact(yaml.SafeLoader):
    """Reads 0.02 as it is written, not as the nearest binary fraction."""


def _exact(loader: Any, node: Any) -> str:
    return str(loader.construct_scalar(node))


_Exact.add_constructor("tag:yaml.org,2002:float", _exact)


class PriceSettings(BaseModel):
    """Where prices come from."""

    model_config = ConfigDict(frozen=True)

    file: Path | None = None  # YAML or JSON
    table: PriceTable | None = None  # the built-in one when there is neither; the file counts first

    def open(self) -> PriceTable:
        """The table that holds; raises PricesInvalid."""
        if self.file is None:
            return self.table or BUILT_IN
        try:
            text = self.file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise PricesInvalid(self.file, "it cannot be read") from error
        return parsed(text, self.file)


def _model(read: str, written: str | None = None) -> ModelPrice:
    return ModelPrice(input=Decimal(read), output=Decimal(written) if written else None)


_EMBEDDINGS = {
    "text-embedding-3-small": _model("0.02"),
    "text-embedding-3-large": _model("0.13"),
    "text-embedding-ada-002": _model("0.10"),
}
# List prices of OpenAI in US dollars, without taxes and discounts.
BUILT_IN = PriceTable(
    currency="USD",
    versions=(
        Version(
            version="openai-2024-01",
            effective=datetime(2024, 1, 25, tzinfo=UTC),
            models=_EMBEDDINGS,
        ),
        Version(
            version="openai-2025-04",
            effective=datetime(2025, 4, 14, tzinfo=UTC),
            models={
                **_EMBEDDINGS,
                "gpt-4.1": _model("2.00", "8.00"),
                "gpt-4.1-mini": _model("0.40", "1.60"),
                "gpt-4.1-nano": _model("0.10", "0.40"),
                "gpt-4o": _model("2.50", "10.00"),
                "gpt-4o-mini": _model("0.15", "0.60"),
            },
        ),
    ),
)
