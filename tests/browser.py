"""Headless Chromium as tests drive it, by its own DevTools protocol over a WebSocket."""

import asyncio
import base64
import itertools
import json
import os
import shutil
import signal
import tempfile
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from tests.eventually import eventually

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless=new",
    "--remote-debugging-port=0",
    "--no-first-run",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
    "--hide-scrollbars",
    "--lang=en-GB",
    "about:blank",
)
_PATIENCE = 30  # seconds
_PHONE = 600  # pixels that a wider window is of no phone
_LARGEST = 64 << 20  # bytes of a message, for screenshots
_CONTROL, _SHIFT = 2, 8  # modifiers of the protocol


def find_browser() -> str:
    """Where the browser is.

    Raises:
        FileNotFoundError: There is none; `scripts/setup --tests` installs one.
    """
    given = os.environ.get("AETERNA_TEST_BROWSER")
    found = given or next(filter(None, map(shutil.which, _NAMES)), None)
    if not found:
        raise FileNotFoundError("There is no Chromium here: run scripts/setup --tests.")
    return found


Size = tuple[int, int]  # width and height in pixels


class Refused(Exception):
    """The browser did not do what it was asked for, or a script failed."""


class Page:
    """A tab with storage of its own."""

    def __init__(self, browser: "Browser", session: str) -> None:
        self.troubles: list[str] = []  # errors of scripts, violations of the policy, failed loads
        self._browser, self._session = browser, session

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """A method of the protocol."""
        return await self._browser.call(method, parameters, self._session)

    async def open(self, url: str) -> None:
        """Goes there; what the page then does is to be waited for."""
        await self.call("Page.navigate", url=url)
        await self.until("document.readyState === 'complete'")

    async def run(self, script: str) -> Any:
        """The value of an expression; of a promise, what it comes to."""
        answer = await self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            raise Refused(answer["exceptionDetails"])
        return answer["result"].get("value")

    async def until(self, condition: str, seconds: float = _PATIENCE) -> None:
        """Waits for an expression to be true."""

        async def holds() -> bool:
            return bool(await self.run(condition))

        try:
            await eventually(holds, seconds)
        except TimeoutError as error:
            seen = await self.run("document.body.innerText")
            raise TimeoutError(f"Never true: {condition}\n{self.troubles}\n{seen}") from error

    async def text(self, selector: str) -> str:
        """What is to be read in an element, or the value of a field."""
        element = f"document.querySelector({json.dumps(selector)})"
        return str(await self.run(f"{element}.value ?? {element}.textContent"))

    async def click(self, selector: str) -> None:
        """Presses the mouse's button in the middle of an element."""
        place = await self.run(
            f"""(() => {{
                const found = document.querySelector({json.dumps(selector)});
                found.scrollIntoView({{ block: 'center' }});
                const {{ left, top, width, height }} = found.getBoundingClientRect();
                return {{ x: left + width / 2, y: top + height / 2 }};
            }})()"""
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.call(
                "Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **place
            )

    async def type(self, text: str) -> None:
        """Inserts a text where the focus is, as typing or an emoji picker does."""
        await self.call("Input.insertText", text=text)

    async def compose(self, *stages: str) -> None:
        """What an input method shows in turn, none of it final."""
        for stage in stages:
            end = len(stage.encode("utf-16-le")) // 2
            await self.call(
                "Input.imeSetComposition", text=stage, selectionStart=end, selectionEnd=end
            )

    async def press(self, key: str, *, control: bool = False, shift: bool = False) -> None:
        """Presses a key: a letter or a name such as Tab."""
        codes = {"Tab": 9, "Enter": 13, "Escape": 27, "End": 35, "Home": 36, "ArrowLeft": 37}
        modifiers = _CONTROL * control | _SHIFT * shift
        code = codes.get(key) or ord(key.upper())
        event = {"key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        if key == "Enter":
            event["text"] = "\r"
        for kind in ("keyDown", "keyUp"):
            await self.call("Input.dispatchKeyEvent", type=kind, **event)

    async def look(self, size: Size, *, dark: bool = False) -> None:
        """Changes the window and the colour scheme that the person prefers."""
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1}
        mobile = width < _PHONE
        await self.call("Emulation.setDeviceMetricsOverride", **metrics, mobile=mobile)
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        await self.call("Emulation.setEmulatedMedia", features=features)

    async def screenshot(self, path: Path) -> None:
        """Writes what is seen into a file."""
        shot = await self.call("Page.captureScreenshot", format="png")
        _keep(path, base64.b64decode(shot["data"]))

    def hear(self, method: str, parameters: dict[str, Any]) -> None:
        """Takes an event of the protocol."""
        if method == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.troubles.append(details.get("exception", details).get("description", "exception"))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            entry = parameters["entry"]
            self.troubles.append(f"{entry['text']} {entry.get('url', '')}")


class Browser:
    """A running browser."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._pages: dict[str, Page] = {}

    async def new_page(self) -> Page:
        """A tab in a context of its own, as of another person."""
        context = await self.call("Target.createBrowserContext", {})
        where = {"url": "about:blank", "browserContextId": context["browserContextId"]}
        target = await self.call("Target.createTarget", where)
        attached = {"targetId": target["targetId"], "flatten": True}
        session = (await self.call("Target.attachToTarget", attached))["sessionId"]
        page = self._pages[session] = Page(self, session)
        for domain in ("Page", "Runtime", "Log"):
            await page.call(f"{domain}.enable")
        await page.call("Emulation.setFocusEmulationEnabled", enabled=True)
        return page

    async def call(
        self, method: str, parameters: dict[str, Any], session: str | None = None
    ) -> dict[str, Any]:
        """Asks the browser, and waits for the answer."""
        number = next(self._ids)
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        await self._socket.send(json.dumps(message))
        async with asyncio.timeout(_PATIENCE):
            return await answer

    async def listen(self) -> None:
        """Takes what the browser says, until it is gone."""
        async for text in self._socket:
            message = json.loads(text)
            if "id" in message:
                self._answered(message)
            elif page := self._pages.get(message.get("sessionId", "")):
                page.hear(message["method"], message["params"])

    def _answered(self, message: dict[str, Any]) -> None:
        answer = self._waiting.pop(message["id"])
        if answer.done():
            return
        if "error" in message:
            answer.set_exception(Refused(message["error"]))
        else:
            answer.set_result(message["result"])


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """Runs a browser with an empty profile until the block ends."""
    with tempfile.TemporaryDirectory(prefix="aeterna-browser-") as folder:
        process = await _start(find_browser(), Path(folder))
        try:
            url = await _address(process, Path(folder))
            async with connect(url, max_size=_LARGEST, compression=None) as socket:
                browser = Browser(socket)
                listening = asyncio.create_task(browser.listen())
                try:
                    yield browser
                finally:
                    listening.cancel()
        finally:
            await _stop(process)


def _keep(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


async def _start(command: str, folder: Path) -> Process:
    flags: Sequence[str] = [f"--user-data-dir={folder}", *_FLAGS]
    if os.geteuid() == 0:
        flags = ["--no-sandbox", *flags]
    return await asyncio.create_subprocess_exec(
        command, *flags, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, start_new_session=True
    )


async def _address(process: Process, folder: Path) -> str:
    """The browser writes its port into its profile once it listens."""
    file = folder / "DevToolsActivePort"

    async def there() -> bool:
        if process.returncode is not None:
            raise Refused(f"The browser ended with {process.returncode}.")
        return file.exists() and len(file.read_text().splitlines()) > 1

    await eventually(there, _PATIENCE)
    port, path = file.read_text().splitlines()[:2]
    return f"ws://127.0.0.1:{port}{path}"


async def _stop(process: Process) -> None:
    """Ends the browser, and then what is left of the group of its children."""
    for ending in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, ending)
        with suppress(TimeoutError):
            async with asyncio.timeout(10):
                await process.wait()

    async def is_gone() -> bool:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
            return False
        return True

    await eventually(is_gone, 10)
