"""The console page in a real browser, on the real suite."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from time import monotonic
from uuid import uuid4

import pytest

from aeterna.governance.v1 import tenants_pb2
from aeterna.memory.v1 import memory_pb2
from aeterna.sync.v1 import documents_pb2 as pb
from libs.auth import Role
from libs.tenancy import TenantId
from tests.browser import Browser, Page, Size
from tests.eventually import eventually
from tests.gate import Gate, gate_to
from tests.integration.console.conftest import LIVE, people, problems, sign_in, value
from tests.suite import Suite

OPEN = "!document.querySelector('#text').disabled && !document.querySelector('#editor-open').hidden"
SAVED = "document.querySelector('#sending').textContent === 'Everything is saved.'"
STATE = "document.querySelector('#connection')"
PHONE = (360, 740)
DESKTOP = (1440, 900)


@pytest.fixture
async def gate(suite: Suite) -> AsyncIterator[Gate]:
    """A way to the console that can be cut."""
    await suite.create_tenant("acme")
    async with gate_to(f"http://{suite.addresses.web}/") as gate:
        yield gate


@pytest.fixture
def url(suite: Suite) -> str:
    return f"http://{suite.addresses.web}/"


async def new_note(page: Page, title: str) -> None:
    await page.click("#new-document")
    await page.until(OPEN)
    await page.click("#title")
    await page.type(title)
    await page.click("#text")
    await page.until(SAVED)


async def choose_note(page: Page, title: str) -> None:
    entry = f"[...document.querySelectorAll('#documents b')].find(e => e.textContent === '{title}')"
    await page.until(f"!!{entry}")
    await page.run(f"{entry}.closest('button').click()")


async def open_note(page: Page, title: str) -> None:
    await choose_note(page, title)
    await page.until(OPEN)
    await page.click("#text")


async def write(page: Page, who: str, count: int, begin: int = 0) -> list[str]:
    """Types marks that are told apart, one by one."""
    marks = [f"[{who} {number} 🙂]" for number in range(begin, begin + count)]
    for mark in marks:
        await page.type(mark)
    return marks


async def write_both(ann: Page, ben: Page, count: int, begin: int = 0) -> list[str]:
    """Both type at the same time."""
    own, others = await asyncio.gather(
        write(ann, "ann", count, begin), write(ben, "ben", count, begin)
    )
    return own + others


async def same_text(*pages: Page) -> str:
    """The text of the note once everybody has all of it and the same one."""
    texts: list[str] = []

    async def same() -> bool:
        for page in pages:
            await page.until(f"{LIVE} && {SAVED}")
        texts[:] = [await value(page, "#text") for page in pages]
        return len(set(texts)) == 1

    await eventually(same)
    return texts[0]


async def stored(suite: Suite, text_of: str = "acme") -> str:
    """The text of the only note, as the server has it."""
    auth = suite.auth(text_of)
    listed = await suite.documents.ListDocuments(pb.ListDocumentsRequest(), metadata=auth)
    [note] = listed.documents
    document = await suite.documents.GetDocument(
        pb.GetDocumentRequest(name=note.name), metadata=auth
    )
    return document.text


async def test_two_people_write_one_note_and_one_is_cut_off_meanwhile(
    suite: Suite, gate: Gate, url: str, browser: Browser, artefacts: Path
) -> None:
    [ben] = await people(browser, suite, url, "ben")
    [ann] = await people(browser, suite, gate.url, "ann")
    await new_note(ann, "Launch plan")
    await open_note(ben, "Launch plan")

    marks = await write_both(ann, ben, 15)
    assert Counter(await same_text(ann, ben)) == Counter("".join(marks))

    await gate.stop()
    await ann.until(f"{STATE}.dataset.state === 'offline'")
    marks += await write_both(ann, ben, 10, begin=15)
    await ann.until(f"{STATE}.textContent === 'Offline · 10 unsent edits'")
    assert "[ben 24 🙂]" not in await value(ann, "#text")
    await look(ann, artefacts / "offline.png")
    await ann.look(PHONE, dark=True)
    await look(ann, artefacts / "offline-phone.png")

    await gate.start()
    text = await same_text(ann, ben)
    assert text == await stored(suite)
    assert Counter(text) == Counter("".join(marks))
    assert [mark for mark in marks[30:] if mark not in text] == []  # each was typed on its own
    assert ben.troubles == []


async def test_a_note_that_is_left_before_it_is_sent(
    suite: Suite, gate: Gate, url: str, browser: Browser
) -> None:
    [ben] = await people(browser, suite, url, "ben")
    [ann] = await people(browser, suite, gate.url, "ann")
    await new_note(ann, "Other")
    await ann.type("Nothing of the first.")
    await ann.until(SAVED)
    await ann.click("#close-document")
    await new_note(ann, "First")
    await open_note(ben, "First")
    await gate.stop()
    await ann.until(f"{STATE}.dataset.state === 'offline'")
    await ann.type("ann")
    await ben.type("ben")
    await ben.until(SAVED)
    await choose_note(ann, "Other")
    await ann.until(f"{STATE}.textContent === 'Offline · 1 unsent edit'")
    await choose_note(ann, "First")
    await choose_note(ann, "Other")

    await gate.start()
    await ann.until(f"{LIVE} && {SAVED}")
    await ben.until("document.querySelector('#text').value.length === 6")
    assert await value(ann, "#text") == "Nothing of the first."
    await choose_note(ann, "First")
    await ann.until("document.querySelector('#text').value.length === 6")
    assert sorted(await same_text(ann, ben)) == sorted("annben")

    await ann.click("#text")
    await ann.type("!")
    await choose_note(ann, "Other")
    await choose_note(ann, "First")  # before the answer
    await ann.until(f"{OPEN} && document.querySelector('#text').value.includes('!')")


async def test_others_are_seen_where_they_write(
    suite: Suite, gate: Gate, url: str, browser: Browser, artefacts: Path
) -> None:
    ann, ben = await people(browser, suite, url, "ann", "ben")
    await new_note(ann, "Where we are")
    await ann.type("First line.\nSecond line 🌍 of the note.\nThird line.")
    await open_note(ben, "Where we are")
    await ben.until("document.querySelector('#text').value.includes('Third')")

    await ben.run("document.querySelector('#text').setSelectionRange(12, 26)")
    await ann.until("document.querySelector('#mirror .chosen')?.textContent === 'Second line 🌍'")
    await ann.until("document.querySelector('#mirror .flag')?.textContent === 'ben'")
    await ann.until("document.querySelector('#writers').textContent.includes('ben, line 2')")

    await ann.run("document.querySelector('#text').setSelectionRange(0, 0)")
    await ann.type("🙂 ")  # before the selection: it moves along
    await ann.until("document.querySelector('#mirror .chosen').textContent === 'Second line 🌍'")
    await ben.until("document.querySelector('#text').selectionStart === 15")
    await ann.until("document.querySelector('#people').textContent.includes('ben')")
    await ann.screenshot(artefacts / "selection.png")
    assert ann.troubles == ben.troubles == []


async def test_an_input_method_composes_while_somebody_else_types(
    suite: Suite, gate: Gate, url: str, browser: Browser
) -> None:
    ann, ben = await people(browser, suite, url, "ann", "ben")
    await new_note(ann, "Kana")
    await open_note(ben, "Kana")
    await ben.compose("に", "にほ", "にほん")
    await ann.type("before ")
    await ann.until(SAVED)
    assert await value(ben, "#text") == "にほん"  # nothing gets into the composition
    await ben.type("日本")
    text = await same_text(ann, ben)
    assert sorted(text) == sorted("before 日本")
    assert "日本" in text


async def test_undo_takes_back_ones_own_and_history_restores(
    suite: Suite, gate: Gate, url: str, browser: Browser
) -> None:
    ann, ben = await people(browser, suite, url, "ann", "ben")
    await new_note(ann, "Undone")
    await ann.type("ann wrote this")
    await ann.until(SAVED)
    await open_note(ben, "Undone")
    await ben.press("Home", control=True)
    await ben.type("ben too, ")
    await ben.until(SAVED)
    await ann.until("document.querySelector('#text').value.startsWith('ben')")

    await ann.press("z", control=True)
    await ben.until("document.querySelector('#text').value === 'ben too, '")
    await ann.press("z", control=True, shift=True)
    await ben.until("document.querySelector('#text').value === 'ben too, ann wrote this'")
    await ben.click("#undo")
    await ann.until("document.querySelector('#text').value === 'ann wrote this'")

    await ann.click("#history")
    await ann.until("document.querySelectorAll('#revisions button').length > 1")
    await ann.run("[...document.querySelectorAll('#revisions button')].at(-1).click()")
    await ann.until("document.querySelector('#version-text').textContent === 'ann wrote this'")
    await ann.run("document.querySelectorAll('#revisions button')[0].click()")
    await ann.until("document.activeElement.id === 'version-title'")
    await ann.click("#restore")
    await ann.until("document.querySelector('#history-panel').hidden")
    assert await same_text(ann, ben) == await stored(suite)


async def test_a_note_is_saved_to_knowledge_and_deleted(
    suite: Suite, gate: Gate, url: str, browser: Browser
) -> None:
    ann, ben = await people(browser, suite, url, "ann", "ben")
    await new_note(ann, "To be kept")
    await ann.type("We deploy on Tuesdays.")
    await open_note(ben, "To be kept")
    await ann.click("#save")
    await ann.until("document.querySelector('#sending').textContent.includes('knowledgeItems/')")
    await ann.until("document.querySelector('#feed').textContent.includes('Knowledge added')")

    await ann.click("#delete")
    await ann.until("document.querySelector('#question').open")
    assert await problems(ann) == []
    await ann.click("#question-yes")
    message = "This note was deleted."
    await ben.until(f"document.querySelector('#editor-error').textContent === '{message}'")
    await ben.until("document.querySelectorAll('#documents li').length === 0")


async def test_the_feed_tells_what_happens_by_room(
    suite: Suite, gate: Gate, url: str, browser: Browser
) -> None:
    [ann] = await people(browser, suite, url, "ann")
    await remember(suite)
    await ann.until("document.querySelector('#feed').textContent.includes('Memory added')")
    choose = "(room) => { const select = document.querySelector('#room'); select.value = room;"
    choose += " select.dispatchEvent(new Event('change')); }"
    await ann.run(f"({choose})('knowledgeItems')")
    await remember(suite)
    await new_note(ann, "Another room")
    await ann.run(f"({choose})('memories')")
    await ann.until("document.querySelectorAll('#feed li').length === 2")
    await ann.click("#pause")
    await remember(suite)
    await ann.until("document.querySelector('#pause').textContent === 'Go on (1 new one)'")
    await ann.click("#pause")
    await ann.until("document.querySelectorAll('#feed li').length === 3")
    assert ann.troubles == []


async def remember(suite: Suite) -> None:
    content = "The office is in Lisbon."
    memory = memory_pb2.Memory(content=content, layer=memory_pb2.LAYER_COMPANY)
    request = memory_pb2.CreateMemoryRequest(memory=memory, request_id=str(uuid4()))
    await suite.memory.CreateMemory(request, metadata=suite.auth("acme"))


async def test_a_token_that_is_refused_is_asked_for_again(
    suite: Suite, gate: Gate, url: str, browser: Browser
) -> None:
    page = await browser.new_page()
    await page.look(DESKTOP)
    await page.open(url)
    assert await problems(page) == []
    await page.click("#token")
    await page.type("nonsense")
    await page.click("#sign-in button")
    await page.until("document.querySelector('#sign-in-error').textContent.includes('not valid')")
    assert await problems(page) == []
    await page.click("#token")
    await page.type(suite.token("acme"))
    await page.click("#sign-in button")
    await page.until(LIVE)
    await page.run("window.isOld = true")
    await page.call("Page.reload")
    await page.until(f"!window.isOld && {LIVE}")  # the tab still has it
    assert await page.run("localStorage.length") == 0
    await page.click("#sign-out")
    await page.until("!document.querySelector('#welcome').hidden")
    assert await page.run("sessionStorage.length") == 0


async def test_what_was_written_outlives_the_token(
    suite: Suite, gate: Gate, browser: Browser
) -> None:
    begun = monotonic()
    await people(browser, suite, gate.url, "ann")
    lifetime = timedelta(seconds=5 + 3 * (monotonic() - begun))  # for the same and a note
    token = suite.issuer.mint(TenantId("acme"), "ann", [Role.TENANT_ADMIN], lifetime=lifetime)
    expiry = monotonic() + lifetime.total_seconds()
    page = await browser.new_page()
    await page.look(DESKTOP)
    await sign_in(page, gate.url, token)
    await new_note(page, "Kept")
    await gate.stop()
    await page.type("written without a connection")
    await eventually(lambda: answer(monotonic() > expiry))
    await gate.start()
    await page.click("#try-now")
    message = "Paste another one."
    await page.until(f"document.querySelector('#sign-in-error').textContent.includes('{message}')")
    await page.click("#token")
    await page.type(suite.token("acme", "ann"))
    await page.click("#sign-in button")
    await page.until(f"{LIVE} && {SAVED}")
    assert await stored(suite) == "written without a connection"


async def answer(value: bool) -> bool:
    return value


async def test_what_can_never_be_sent_is_shown(
    suite: Suite, gate: Gate, browser: Browser, artefacts: Path
) -> None:
    [ann] = await people(browser, suite, gate.url, "ann")
    await new_note(ann, "Lost")
    await gate.stop()
    await ann.type("for nobody else")
    request = tenants_pb2.SuspendTenantRequest(name="tenants/acme", request_id=str(uuid4()))
    await suite.tenants.SuspendTenant(request, metadata=suite.platform_admin)
    await gate.start()
    await ann.until("document.querySelector('#rescued').value === 'for nobody else'")
    await look(ann, artefacts / "rescued.png")
    error = await ann.text("#sign-in-error")
    assert error == "The server ended the connection: TENANT_SUSPENDED."


async def test_who_may_only_read_goes_on_reading(
    suite: Suite, gate: Gate, url: str, browser: Browser
) -> None:
    [ann] = await people(browser, suite, url, "ann")
    await new_note(ann, "Read this")
    await ann.type("Please")
    await ann.until(SAVED)
    page = await browser.new_page()
    await page.look(DESKTOP)
    await sign_in(page, url, suite.token("acme", "vic", [Role.VIEWER]))
    await open_note(page, "Read this")
    await page.type("No ")
    await page.until("document.querySelector('#text').readOnly")
    assert "not write in it" in await page.text("#editor-error")
    assert await value(page, "#text") == "Please"
    await ann.type(" go on")
    await page.until("document.querySelector('#text').value === 'Please go on'")
    assert await stored(suite) == "Please go on"


async def test_everything_is_reached_with_the_keyboard(
    suite: Suite, gate: Gate, url: str, browser: Browser
) -> None:
    [ann] = await people(browser, suite, url, "ann")
    await new_note(ann, "Keys")
    reached = []
    await ann.run("document.activeElement.blur()")
    for _ in range(30):
        await ann.press("Tab")
        reached.append(await ann.run("document.activeElement.id || document.activeElement.tagName"))
    visible = await ann.run(
        "[...document.querySelectorAll('button, input, select, textarea')]"
        ".filter((each) => each.checkVisibility() && !each.disabled).map((each) => each.id)"
    )
    assert [name for name in visible if name and name not in reached] == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
async def test_it_can_be_read_and_used(
    suite: Suite,
    gate: Gate,
    url: str,
    browser: Browser,
    artefacts: Path,
    size: Size,
    dark: bool,
) -> None:
    """Checks and screenshots of each view."""
    name = f"{'phone' if size == PHONE else 'desktop'}-{'dark' if dark else 'light'}"
    ann, ben = await people(browser, suite, url, "ann", "ben")
    await remember(suite)
    await new_note(ann, "Moving to Lisbon in spring")
    await ann.type(NOTE)
    await open_note(ben, "Moving to Lisbon in spring")
    await ben.until("document.querySelector('#text').value.length > 100")
    await ben.run("document.querySelector('#text').setSelectionRange(60, 96)")

    page = await browser.new_page()
    await page.look(size, dark=dark)
    await page.open(url)
    await look(page, artefacts / f"{name}-sign-in.png")
    await sign_in(page, url, suite.token("acme", "carla"))
    await page.until("document.querySelectorAll('#feed li').length > 2")
    await look(page, artefacts / f"{name}-notes.png")
    await open_note(page, "Moving to Lisbon in spring")
    await page.until("document.querySelectorAll('#mirror .chosen').length > 0")
    await look(page, artefacts / f"{name}-note.png")
    if size == PHONE:
        for view in ("activity", "people"):
            await page.click(f"[data-show={view}]")
            await look(page, artefacts / f"{name}-{view}.png")
        await page.click("[data-show=documents]")
    await page.click("#history")
    await page.until("document.querySelectorAll('#revisions button').length > 0")
    await page.run("document.querySelector('#revisions button').click()")
    await page.until("!document.querySelector('#version').hidden")
    await look(page, artefacts / f"{name}-history.png")
    assert page.troubles == []


async def look(page: Page, path: Path) -> None:
    """Keeps what is seen, and finds nothing wrong with it."""
    await page.screenshot(path)
    assert await problems(page) == []


NOTE = """Why we move
The lease of the office ends in March. Lisbon is where most of the team is 🌍.

What has to happen
- Ann asks for three offers, by Friday.
- Ben tells the landlord.
- Everybody says which week suits them.

Café opens at eight; bring your own cup.
"""
