"""Blocks of constraints in Markdown."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.constraints import Merge, Mode, Operator, PatternKind, Severity, Target
from libs.constraints.markdown import parse
from libs.errors import InvalidRequest
from tests.unit.constraints.factories import rule

GOOD = """# HTTP clients

We use httpx.

```constraints
key = "http-clients"
mode = "mandatory"

[[rule]]
id = "no-requests"
operator = "must_not_use"
target = "import"
pattern = "requests"
severity = "block"
applies_to = ["src/**"]
```

Because of timeouts.
"""


def test_a_block_is_read() -> None:
    block = parse(GOOD, "content")

    assert block is not None
    assert (block.key, block.mode, block.merge) == ("http-clients", Mode.MANDATORY, Merge.MERGE)
    assert block.rules == (
        rule(
            id="no-requests",
            operator=Operator.MUST_NOT_USE,
            target=Target.IMPORT,
            kind=PatternKind.EXACT,
            severity=Severity.BLOCK,
            applies_to=("src/**",),
        ),
    )


@pytest.mark.parametrize("text", ["", "# Title", "```toml\nkey = 1\n```", "``constraints``"])
def test_a_text_may_have_none(text: str) -> None:
    assert parse(text, "content") is None


@pytest.mark.parametrize(
    ("before", "after", "field"),
    [
        ('key = "http-clients"', 'key = "HTTP"', "key"),
        ('key = "http-clients"', "", "key"),
        ('key = "http-clients"', "key = ", "no block"),
        ('mode = "mandatory"', 'mode = "firm"', "mode"),
        ('mode = "mandatory"', "mode = []", "mode"),
        ('mode = "mandatory"', 'colour = "red"', ""),
        (
            'target = "import"',
            'target = "code"\npattern_kind = "glob"',
            "rule[0].pattern_kind",
        ),
        ('pattern = "requests"', "pattern = 7", "rule[0].pattern"),
        (
            'pattern = "requests"',
            'pattern = "("\npattern_kind = "regex"',
            "rule[0].pattern",
        ),
        (
            'pattern = "requests"',
            'pattern = "x"\nversions = ">=1"',
            "rule[0].versions",
        ),
        ('severity = "block"', "", "rule[0].severity"),
        (
            'applies_to = ["src/**"]',
            'applies_to = ["[a"]',
            "rule[0].applies_to[0]",
        ),
        ('applies_to = ["src/**"]', 'applies_to = "src"', "rule[0].applies_to"),
        ("[[rule]]", "[rule]", "rule"),
        ("```\n\nBecause", "\nBecause", "no block"),
        ("Because", "```constraints\nkey = 'b'\n```\nBecause", "no block"),
    ],
)
def test_a_wrong_block_is_refused_with_the_field(before: str, after: str, field: str) -> None:
    assert before in GOOD

    with pytest.raises(InvalidRequest) as raised:
        parse(GOOD.replace(before, after), "content")

    path = "content" if field == "no block" else f"content.constraints.{field}".rstrip(".")
    assert [each.field for each in raised.value.violations] == [path]


@given(st.text(max_size=200))
def test_any_block_is_read_or_refused(text: str) -> None:
    with suppress(InvalidRequest):
        parse(f"```constraints\n{text}\n```", "content")
