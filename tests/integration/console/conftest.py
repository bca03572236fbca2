"""A browser for the tests of the console page, and what they look at."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.browser import Browser, Page, open_browser
from tests.suite import Suite

CHECKS = (Path(__file__).parent / "checks.js").read_text()
LIVE = "document.querySelector('#connection')?.dataset.state === 'live'"


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with open_browser() as browser:
        yield browser


@pytest.fixture
def artefacts(pytestconfig: pytest.Config) -> Path:
    """Where screenshots are kept for people to look at."""
    return pytestconfig.rootpath / "test-artefacts" / "console"


async def problems(page: Page) -> list[str]:
    """What is wrong with the page as it is seen now."""
    found: list[str] = await page.run(CHECKS)
    return found


async def sign_in(page: Page, url: str, token: str) -> None:
    """Opens the console and pastes a token."""
    await page.open(url)
    await page.click("#token")
    await page.type(token)
    await page.press("Tab")
    await page.click("#sign-in button")
    await page.until(LIVE)


async def people(browser: Browser, suite: Suite, url: str, *names: str) -> list[Page]:
    """Each of them signed in, in a window of their own."""
    pages = []
    for name in names:
        page = await browser.new_page()
        await page.look((1440, 900))
        await sign_in(page, url, suite.token("acme", name))
        pages.append(page)
    return pages


async def value(page: Page, selector: str) -> str:
    """What is in a field."""
    return str(await page.run(f"document.querySelector({json.dumps(selector)}).value"))
