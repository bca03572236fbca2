"""Texts that people and programs write, and operations on them."""

from hypothesis import strategies as st

from libs.ot import Operation, normal

# Families and flags joined of several code points, marks that combine, halves of surrogate pairs (a
# text in memory can hold them), right-to-left, ends of lines.
PIECES = [
    *("a", "b", "c", " ", "\n", "\r\n", "\x00", "é", "e\u0301", "\u0301", "a\u0323\u0307", "ß"),
    *("ﬃ", "שָׁ", "عَ", "\u202e", "क्षि", "각", "\u1112\u1161\u11ab", "漢字", "😀", "👍🏽", "👨‍👩‍👧‍👦"),
    *("🏳️‍🌈", "🇨🇭", "🇩🇪", "1️⃣", "\u200d", "\ufe0f", "\ud83d", "\ude00", "\U0010ffff"),
]

texts = st.lists(st.sampled_from(PIECES), max_size=12).map("".join)
_inserts = st.lists(st.sampled_from(PIECES), min_size=1, max_size=3).map("".join)
_parts = st.one_of(
    st.integers(min_value=-4, max_value=6).filter(bool),
    _inserts,
)


@st.composite
def operations(draw: st.DrawFn, length: int) -> Operation:
    """Any that fits a text of so many code points."""
    parts: list[int | str] = []
    for part in draw(st.lists(_parts, max_size=8)):
        if isinstance(part, int):
            part = max(-length, min(part, length))
            length -= abs(part)
        parts.append(part)
    return normal(parts)
