"""What makes a term rare. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

# Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009.
SATURATION, BY_LENGTH = 1.2, 0.75  # k1 and b


@dataclass(frozen=True, slots=True)
class Statistics:
    """What makes a term rare: of the tenant's whole collection, whatever a search is limited to.

    `holding` are the documents with a term, by term; those that none has are not in it.
    """

    documents: int
    mean_length: float  # terms
    holding: Mapping[int, int]

    def rarity(self, term: int) -> float:
        """Inverse document frequency, as of BM25; above 0."""
        holding = self.holding.get(term, 0)
        without = max(self.documents - holding, 0)
        return math.log(1 + (without + 0.5) / (holding + 0.5))
