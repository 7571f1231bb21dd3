"""Options of a service: every setting has one, and what does not fit ends in one sentence."""

from __future__ import annotations

import msgspec
import pytest

from core.options import settings_from_arguments
from core.settings import Settings


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("empty"))


def _read(*arguments: str) -> Settings:
    return settings_from_arguments("scorer", "Score.", arguments)


def test_without_options_the_defaults_hold() -> None:
    assert _read() == Settings()


def test_options_are_spelt_like_their_setting_with_hyphens_and_have_its_type() -> None:
    read = _read("--redis-url", "redis://h", "--http-port=0", "--takeover-idle-ms", "250", "--sample-share=0.5")
    assert read == Settings(redis_url="redis://h", http_port=0, takeover_idle_ms=250, sample_share=0.5)


def test_an_option_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMGAUGE_PIPELINE", "environment")
    assert _read().pipeline == "environment"
    assert _read("--pipeline", "option").pipeline == "option"


def test_help_lists_every_setting_with_its_words_and_choices(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        _read("--help")
    text = " ".join(capsys.readouterr().out.split())
    for field in msgspec.structs.fields(Settings):
        assert "--" + field.name.replace("_", "-") in text
    assert "how a model is fitted: newton, gradient_descent, sgd (default: newton)" in text
    assert "memory of the server that records, and predictions, may take each" in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--no-such", "1"), "--no-such"),
        (("--redis",), "--redis"),
        (("--http-port",), "--http-port"),
        (("--http-port", "x"), "'http_port'"),
        (("--partitions", "0"), "partitions is 0"),
    ],
)
def test_what_does_not_fit_ends_with_2_and_one_sentence(
    arguments: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        _read(*arguments)
    text = capsys.readouterr().err
    assert text.startswith("streamgauge: ")
    assert text.count("\n") == 1
    assert said in text
