"""Which colour a command is about, and what an image is called."""

from datetime import UTC, datetime, timedelta

import pytest

from cli.release.plan import Color, Deployed, Observed
from cli.release.run import Terms, release_goal, rollback_goal, with_tag

_BLUE, _GREEN = Deployed("aeterna:1", 2, 2), Deployed("aeterna:2", 0, 0)


def seen(switched: datetime | None = None) -> Observed:
    return Observed(Color.BLUE, {Color.BLUE: _BLUE, Color.GREEN: _GREEN}, (), switched)


@pytest.mark.parametrize(
    ("image", "wanted", "expected"),
    [
        ("aeterna:1", "2", "aeterna:2"),
        ("aeterna", "2", "aeterna:2"),
        ("registry:5000/team/aeterna:1", "2", "registry:5000/team/aeterna:2"),
        ("registry:5000/aeterna", "2", "registry:5000/aeterna:2"),
        ("aeterna@sha256:abc", "2", "aeterna:2"),
        ("aeterna:1", "other:2", "other:2"),
        ("aeterna:1", "registry/other", "registry/other"),
    ],
)
def test_a_tag_is_put_on_the_repository(image: str, wanted: str, expected: str) -> None:
    assert with_tag(image, wanted) == expected


@pytest.mark.parametrize(("image", "expected"), [(None, "aeterna:2"), ("3", "aeterna:3")])
def test_a_release_goes_to_the_idle_colour(image: str | None, expected: str) -> None:
    goal = release_goal(seen(), image, Terms())

    assert (goal.to, goal.image) == (Color.GREEN, expected)


@pytest.mark.parametrize(
    ("image", "to"), [(None, Color.BLUE), ("1", Color.BLUE), ("3", Color.GREEN)]
)
def test_an_unfinished_release_is_finished_unless_another_image_is_wanted(
    image: str | None, to: Color
) -> None:
    assert release_goal(seen(datetime.now(UTC)), image, Terms()).to is to


def test_a_rollback_goes_to_the_other_colour_as_it_is() -> None:
    goal = rollback_goal(seen(), Terms(drain=timedelta(seconds=5)))

    assert (goal.to, goal.image) == (Color.GREEN, "aeterna:2")
    assert (goal.watch, goal.drain) == (timedelta(0), timedelta(seconds=5))
