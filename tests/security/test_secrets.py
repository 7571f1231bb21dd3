"""A password in redis_url shows nowhere: output, logs, metrics, answers, errors, the list of processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import quote

import pytest

from core.connection import Connection, without_password
from core.errors import StreamgaugeError
from core.keys import PipelineKeys
from core.model_file import ModelFile
from core.redis_registry import RedisRegistry
from producer.client import Producer
from streamgauge.predictions import Predictions
from tests.scorer.scorer_process import CHECKOUT, get
from tests.security.story import until
from tests.servers import PATIENCE_S, running_server, server_program

PIPELINE = "wine"
#: With every character that URLs, shells or regular expressions take for something else.
SECRET = "hush/Hush@h0rse:battery&staple?#100%"  # noqa: S105  (it opens nothing)
WRONG = "guess/Guess@g0at:battery&staple?#100%"
#: A run of so many characters of it is a leak.
TELLING = 6

Form = Callable[[int, str], str]
FORMS: dict[str, Form] = {
    "user:password@": lambda port, password: f"redis://clerk:{quote(password, safe='')}@127.0.0.1:{port}/0",
    "?password=": lambda port, password: (
        f"redis://127.0.0.1:{port}/0?username=clerk&password={quote(password, safe='')}"
    ),
    "?password=, half encoded": lambda port, password: (
        f"redis://127.0.0.1:{port}/0?username=clerk&password={quote(password, safe='@:/')}"
    ),
}


@pytest.fixture
def port(tmp_path: Path, model_file: ModelFile) -> Iterator[int]:
    """A server with one user, and a model in production."""
    users = tmp_path / "users.acl"
    users.write_text(f"user default off\nuser clerk on >{SECRET} ~* &* +@all\n")
    with running_server(server_program("valkey"), tmp_path, "--aclfile", str(users)) as port:
        with Connection(FORMS["?password="](port, SECRET)) as connection:
            RedisRegistry(connection, PipelineKeys(PIPELINE)).promote("0123456789ab", model_file, 0, "first")
        yield port


class Spied:
    """A process whose every byte of output is kept; it ends with ``stack``, a service also where this one dies."""

    def __init__(self, stack: ExitStack, folder: Path, module: str, *arguments: str, url: str) -> None:
        self.name = module
        self._out, self._err = folder / f"{module}.out", folder / f"{module}.err"
        plain = {name: value for name, value in os.environ.items() if not name.startswith("STREAMGAUGE_")}
        ours = {
            "STREAMGAUGE_REDIS_URL": url,
            "STREAMGAUGE_PIPELINE": PIPELINE,
            "STREAMGAUGE_LOG_LEVEL": "debug",
            "STREAMGAUGE_MINIFLOW": str(folder / "miniflow"),
            "STREAMGAUGE_HTTP_PORT": "0",
            "STREAMGAUGE_STOP_WITH_STDIN": "true",
            "PYTHONPATH": str(CHECKOUT),
        }
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                cwd=folder,
                env=plain | ours,
            )
        stack.callback(self.end)

    @property
    def said(self) -> str:
        return self._out.read_text() + self._err.read_text()

    def title(self) -> str:
        return Path(f"/proc/{self.process.pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()

    def answers(self) -> str:
        """What its HTTP routes say."""
        found = re.search(r"http://[\d.:]+", self.said)
        assert found is not None
        paths = ("/healthz", "/readyz", "/metrics", "/nothing")
        return "\n".join(get(found.group() + path)[1].decode() for path in paths)

    def end(self) -> None:
        """Ask it to end, and insist after a while."""
        assert self.process.stdin is not None
        self.process.terminate()
        try:
            self.process.wait(PATIENCE_S)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()


def check_hidden(text: str, *secrets: str) -> None:
    """No telling part of a secret, as it is or percent-encoded, is in a text."""
    assert text
    for secret in secrets:
        for form in {secret, quote(secret, safe=""), quote(secret, safe="@:/")}:
            for start in range(len(form) - TELLING + 1):
                part = form[start : start + TELLING]
                assert part not in text, f"{part!r} is in {text}"


@pytest.mark.parametrize("form", ["user:password@", "?password=, half encoded"])
@pytest.mark.parametrize(
    ("password", "event"), [(SECRET, '"ready"'), (WRONG, '"waiting"')], ids=["right", "wrong"]
)
def test_services_never_show_the_password(port: int, tmp_path: Path, form: str, password: str, event: str) -> None:
    url = FORMS[form](port, password)
    with ExitStack() as stack:
        services = [Spied(stack, tmp_path, module, url=url) for module in ("scorer", "monitor", "trainer")]
        until(lambda: all(event in service.said for service in services))
        shown = [f"{service.title()} {service.answers()}" for service in services]
    for service, text in zip(services, shown, strict=True):
        check_hidden(service.said + text, password)
        assert service.process.returncode == 0
    if password == WRONG:
        assert all("correct user and password in redis_url" in service.said for service in services)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_commands_never_show_a_wrong_password(port: int, tmp_path: Path, form: Form) -> None:
    csv = tmp_path / "rows.csv"
    csv.write_text("a,b\n1,2\n")
    url = form(port, WRONG)
    with ExitStack() as stack:
        commands = {
            "streamgauge": Spied(stack, tmp_path, "streamgauge", "status", url=url),
            "producer": Spied(stack, tmp_path, "producer", str(csv), url=url),
        }
        for command in commands.values():
            assert command.process.wait(PATIENCE_S) == 2
    for command in commands.values():
        assert "correct user and password" in command.said
        check_hidden(command.said, WRONG)


def test_a_mistyped_option_is_repeated_without_the_password(tmp_path: Path) -> None:
    url = FORMS["user:password@"](1, SECRET)
    for arguments in (("--redis-urll", url), (f"--redis-urll={url}",)):
        with ExitStack() as stack:
            service = Spied(stack, tmp_path, "scorer", *arguments, url=url)
            assert service.process.wait(PATIENCE_S) == 2
        assert "127.0.0.1" in service.said
        check_hidden(service.said, SECRET)


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("what", [Producer, Predictions, lambda url: Connection(url).require()])
def test_errors_of_the_library_never_show_a_wrong_password(
    port: int, form: Form, what: Callable[[str], object]
) -> None:
    with pytest.raises(StreamgaugeError) as caught:
        what(form(port, WRONG))
    error: BaseException | None = caught.value
    while error is not None:  # a traceback shows each of them
        check_hidden(f"{error!r} {error}", WRONG)
        error = error.__cause__


@pytest.mark.parametrize(
    "url",
    [
        "redis://clerk:{}@host:no-port/0",
        "redis://host/0?password={}&no_such_option=1",
        "http://clerk:{}@host",
        "clerk:{}@host",
        "rediss://host/0?ssl_password={}&no_such_option=1",
        "redis://host/0?no_such_option=1&password={}",
    ],
)  # fmt: skip  (the URLs are easier to compare so)
@pytest.mark.parametrize("encode", [str, lambda text: quote(text, safe=""), lambda text: quote(text, safe="@:/")])
def test_a_url_that_cannot_be_read_is_shown_without_its_password(url: str, encode: Callable[[str], str]) -> None:
    whole = url.format(encode(SECRET))
    check_hidden(without_password(whole) + " ", SECRET)
    with pytest.raises(StreamgaugeError) as caught:
        Connection(whole).require()
    check_hidden(str(caught.value), SECRET)
