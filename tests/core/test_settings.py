"""Settings: option, then environment, then file, then default; an error names key and place."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from core.errors import SettingsError
from core.settings import Settings, load_settings


def write(directory: Path, text: str) -> Path:
    (directory / "streamgauge.toml").write_text(text, encoding="utf-8")
    return directory


def test_without_anything_the_defaults_hold(tmp_path: Path) -> None:
    assert load_settings({}, {}, tmp_path) == Settings()
    assert Settings().redis_url is None
    assert Settings().slide == Settings().window_records


def test_option_goes_before_environment_before_file_before_default(tmp_path: Path) -> None:
    write(tmp_path, 'pipeline = "file"\nseed = 1\nminiflow = "file"\nlog_level = "error"')
    environment = {"STREAMGAUGE_PIPELINE": "env", "STREAMGAUGE_SEED": "2", "OTHER": "x"}
    settings = load_settings({"pipeline": "option", "seed": None}, environment, tmp_path)
    assert (settings.pipeline, settings.seed, settings.miniflow, settings.log_level) == (
        "option",
        2,
        "file",
        "error",
    )
    assert settings.http_host == "127.0.0.1"
    assert settings.miniflow_path == Path("file")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("partitions", "3", 3),
        ("window_limit_s", "2.5", 2.5),
        ("window_limit_s", "3", 3.0),
        ("inverse_l2", "inf", float("inf")),
        ("inverse_l2", ".001", 0.001),
        ("inverse_l2", "+5.", 5.0),
        ("window_limit_s", "1E2", 100.0),
        ("window_records", "1e3", 1000),
        ("seed", "007", 7),
        ("seed", "9007199254740993", 9007199254740993),
        ("pipeline", "123", "123"),
        ("redis_url", "redis://h", "redis://h"),
        ("http_port", "0", 0),
        ("retrain_every_s", "60", 60.0),
    ],
)
def test_text_of_the_environment_becomes_the_settings_type(
    tmp_path: Path, name: str, text: str, value: object
) -> None:
    settings = load_settings({}, {f"STREAMGAUGE_{name.upper()}": text}, tmp_path)
    assert getattr(settings, name) == value
    assert type(getattr(settings, name)) is type(value)


def test_a_number_of_the_file_may_be_text(tmp_path: Path) -> None:
    settings = load_settings({}, {}, write(tmp_path, 'inverse_l2 = ".5"\nseed = "+3"'))
    assert (settings.inverse_l2, settings.seed) == (0.5, 3)


def test_numbers_of_the_file_are_taken_as_they_are(tmp_path: Path) -> None:
    settings = load_settings({}, {}, write(tmp_path, "partitions = 2\nwindow_limit_s = 30\nsample_share = 0.5"))
    assert (settings.partitions, settings.window_limit_s, settings.sample_share) == (2, 30.0, 0.5)


@pytest.mark.parametrize(
    ("options", "environment", "file", "place"),
    [
        ({"windw_records": 1}, {}, "", "as an option"),
        ({}, {"STREAMGAUGE_WINDW_RECORDS": "1"}, "", "in the environment"),
        ({}, {}, "windw_records = 1", "in streamgauge.toml"),
    ],
)
def test_an_unknown_key_is_named_with_its_place_and_the_near_one(
    tmp_path: Path, options: dict[str, object], environment: dict[str, str], file: str, place: str
) -> None:
    with pytest.raises(SettingsError, match=rf"'windw_records' {place}; did you mean 'window_records'"):
        load_settings(options, environment, write(tmp_path, file))


def test_an_unknown_key_like_no_other_is_named_too(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="'xyzzy' in the environment; see"):
        load_settings({}, {"STREAMGAUGE_XYZZY": ""}, tmp_path)


@pytest.mark.parametrize(
    ("options", "environment", "file", "place"),
    [
        ({"seed": "one"}, {}, "", "as an option"),
        ({}, {"STREAMGAUGE_SEED": "1.5"}, "", "in the environment"),
        ({}, {"STREAMGAUGE_SEED": ""}, "", "in the environment"),
        ({}, {"STREAMGAUGE_SEED": "."}, "", "in the environment"),
        ({}, {"STREAMGAUGE_SEED": "1 "}, "", "in the environment"),
        ({}, {"STREAMGAUGE_SEED": "1e400"}, "", "in the environment"),
        ({}, {}, "seed = true", "in streamgauge.toml"),
        ({}, {}, "[seed]\na = 1", "in streamgauge.toml"),
        ({"seed": -1}, {}, "", "as an option"),
        ({}, {"STREAMGAUGE_SEED": "-1"}, "", "in the environment"),
        ({}, {}, "seed = -1", "in streamgauge.toml"),
        ({"seed": -1}, {"STREAMGAUGE_SEED": "3"}, "seed = 4", "as an option"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_its_place(
    tmp_path: Path, options: dict[str, object], environment: dict[str, str], file: str, place: str
) -> None:
    with pytest.raises(SettingsError, match=rf"seed.* {place}"):
        load_settings(options, environment, write(tmp_path, file))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *((name, 0) for name in (
            "partitions", "max_entry_bytes", "read_bytes", "takeover_idle_ms", "poison_deliveries",
            "poison_lone_deaths", "max_backlog_entries", "max_backlog_bytes",
            "records_keep_ms", "records_keep_bytes", "trim_every_ms",
            "window_records", "slide_records", "window_limit_s", "window_min_records", "recovery_windows",
            "retrain_every_s", "min_labelled_rows", "inverse_l2", "learning_rate", "max_steps",
            "early_stopping_steps",
        )),
        ("window_limit_s", float("nan")),
        ("http_port", -1),
        ("http_port", 65_536),
        ("sample_share", 1.1),
        ("sample_share", float("nan")),
        ("false_alarm_records", 999),
        ("false_alarm_records", -1),
        ("label_false_alarm_records", 999),
        ("tolerated_unusable_share", 0.0),
        ("tolerated_unusable_share", 1.0),
        ("tolerated_unusable_share", float("nan")),
        ("retrain_cooldown_s", -1.0),
        ("retrain_cooldown_s", float("nan")),
        ("seed", -1),
        ("log_level", "loud"),
        ("solver", "magic"),
        ("class_weight", "heavy"),
        ("pipeline", "a b"),
        ("slide_records", 300),
        ("slide_records", 1_000),
        ("window_min_records", 501),
    ],
)  # fmt: skip
def test_a_value_out_of_range_is_refused_by_name_and_place(tmp_path: Path, name: str, value: object) -> None:
    with pytest.raises(SettingsError, match=rf"{name} .*{name} is set as an option|pipeline"):
        load_settings({name: value}, {}, tmp_path)


def test_a_learning_rate_that_no_step_would_heed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"solver newton, which has none; unset it.*is set as an option"):
        load_settings({"learning_rate": 0.1}, {}, tmp_path)
    assert load_settings({"learning_rate": 0.1, "solver": "sgd"}, {}, tmp_path).learning_rate == 0.1


def test_both_sides_of_a_contradiction_are_placed(tmp_path: Path) -> None:
    write(tmp_path, "window_records = 100")
    with pytest.raises(SettingsError) as caught:
        load_settings({"slide_records": 30}, {}, tmp_path)
    assert "window_records is set in streamgauge.toml" in str(caught.value)
    assert "slide_records is set as an option" in str(caught.value)


@pytest.mark.parametrize("content", [b"seed = ", b"\xff\xfe", b"seed = 1\nseed = 2"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "streamgauge.toml").write_bytes(content)
    with pytest.raises(SettingsError, match=r"streamgauge\.toml cannot be read"):
        load_settings({}, {}, tmp_path)


def test_a_directory_in_the_files_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "streamgauge.toml").mkdir()
    with pytest.raises(SettingsError, match=r"streamgauge\.toml cannot be read"):
        load_settings({}, {}, tmp_path)


def test_the_environment_of_the_process_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMGAUGE_SEED", "77")
    monkeypatch.chdir(tmp_path)
    assert load_settings().seed == 77


def test_settings_do_not_change() -> None:
    with pytest.raises(AttributeError):
        Settings().seed = 1  # type: ignore[misc]  # that is the point


@pytest.mark.parametrize(
    ("name", "successor"),
    [
        ("window_false_alarm_rate", "false_alarm_records"),
        ("confirm_windows", "false_alarm_records"),
        ("confirm_of_windows", "recovery_windows"),
    ],
)
def test_a_setting_that_is_gone_names_what_took_its_place(tmp_path: Path, name: str, successor: str) -> None:
    sentence = rf"'{name}' {{}} is gone; remove it and set {successor} "
    with pytest.raises(SettingsError, match=sentence.format("in the environment")):
        load_settings({}, {f"STREAMGAUGE_{name.upper()}": "1"}, tmp_path)
    with pytest.raises(SettingsError, match=sentence.format(r"in streamgauge\.toml")):
        load_settings({}, {}, write(tmp_path, f"{name} = 1"))
    assert hasattr(Settings(), successor)


def test_every_default_is_of_its_own_type() -> None:
    for field in msgspec.structs.fields(Settings):
        assert msgspec.convert(field.default, field.type) == field.default


def test_tags_are_split_at_commas_and_fit_the_partitions(tmp_path: Path) -> None:
    settings = load_settings({}, {"STREAMGAUGE_PARTITION_TAGS": "default:a, default:b"}, tmp_path)
    assert settings.tags == ("default:a", "default:b")
    assert load_settings({}, {"STREAMGAUGE_PARTITION_TAGS": ""}, tmp_path).tags == ()
    with pytest.raises(SettingsError, match="2 different tags for 3 partitions"):
        Settings(partitions=3, partition_tags="default:a,default:b")
    with pytest.raises(SettingsError, match=r"must begin with 'other:'.*\(partition_tags is set as an option\)"):
        load_settings({"pipeline": "other", "partition_tags": "default:a"}, {}, tmp_path)


def _file(tmp_path: Path, content: str | bytes) -> str:
    path = tmp_path / "value"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


@pytest.mark.parametrize(
    ("content", "value"),
    [("redis://h", "redis://h"), ("redis://h\n", "redis://h"), ("redis://h\r\n", "redis://h"), ("a\n\n", "a\n")],
)
def test_a_setting_may_come_from_a_file_without_its_last_newline(tmp_path: Path, content: str, value: str) -> None:
    environment = {"STREAMGAUGE_REDIS_URL_FILE": _file(tmp_path, content)}
    assert load_settings({}, environment, tmp_path).redis_url == value


def test_a_setting_of_a_file_has_its_type_and_its_place_in_the_order(tmp_path: Path) -> None:
    write(tmp_path, "seed = 4")
    environment = {"STREAMGAUGE_SEED_FILE": _file(tmp_path, "3\n")}
    assert load_settings({}, environment, tmp_path).seed == 3
    assert load_settings({"seed": 2}, environment, tmp_path).seed == 2


def test_an_operating_point_of_a_file_is_one_choice_too(tmp_path: Path) -> None:
    write(tmp_path, "cost_fn = 1.0\ncost_fp = 2.0")
    settings = load_settings({}, {"STREAMGAUGE_THRESHOLD_FILE": _file(tmp_path, "0.25")}, tmp_path)
    assert (settings.threshold, settings.cost_fn) == (0.25, None)


def test_a_setting_given_both_ways_is_refused(tmp_path: Path) -> None:
    environment = {"STREAMGAUGE_SEED_FILE": _file(tmp_path, "3"), "STREAMGAUGE_SEED": "3"}
    with pytest.raises(SettingsError, match=r"^STREAMGAUGE_SEED and STREAMGAUGE_SEED_FILE are both set"):
        load_settings({}, environment, tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty; write"),
        (b"\n", "is empty; write"),
        (b"\xff\xfe", "cannot be read: it is not UTF-8"),
        (b"1" * (64 * 1024 + 1), "is over 65536 bytes"),
    ],
)
def test_a_settings_file_without_a_value_is_named(tmp_path: Path, content: bytes, said: str) -> None:
    with pytest.raises(SettingsError, match=f"^STREAMGAUGE_SEED_FILE names '.*value', which {said}"):
        load_settings({}, {"STREAMGAUGE_SEED_FILE": _file(tmp_path, content)}, tmp_path)


@pytest.mark.parametrize("path", ["", "no/such", "/dev", "a\0b"])
def test_a_settings_file_that_cannot_be_read_is_named(tmp_path: Path, path: str) -> None:
    with pytest.raises(SettingsError, match=r"^STREAMGAUGE_SEED_FILE names .*, which cannot be read: "):
        load_settings({}, {"STREAMGAUGE_SEED_FILE": path}, tmp_path)


def test_a_value_of_a_file_that_does_not_fit_names_the_variable(tmp_path: Path) -> None:
    environment = {"STREAMGAUGE_SEED_FILE": _file(tmp_path, "many\n")}
    with pytest.raises(SettingsError, match="'seed' in the file that STREAMGAUGE_SEED_FILE names is 'many'"):
        load_settings({}, environment, tmp_path)
    environment = {"STREAMGAUGE_SEED_FILE": _file(tmp_path, "-1")}
    with pytest.raises(SettingsError, match="seed is set in the file that STREAMGAUGE_SEED_FILE names"):
        load_settings({}, environment, tmp_path)


def test_a_file_for_no_setting_is_an_unknown_setting(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="unknown setting 'sed_file' in the environment"):
        load_settings({}, {"STREAMGAUGE_SED_FILE": _file(tmp_path, "1")}, tmp_path)


@pytest.mark.parametrize(
    "token", ["", "fifteen-letters", "sixteen letters!", "sixteen-letters\n", "sechzehn-zeichen\u00e4"]
)
def test_an_alerts_token_that_a_header_would_not_carry_or_a_guess_would_find_is_refused(
    tmp_path: Path, token: str
) -> None:
    with pytest.raises(SettingsError, match=r"^alerts_token is not 16 or more printable") as caught:
        load_settings({"alerts_token": token}, {}, tmp_path)
    assert not token or token not in str(caught.value)
    assert load_settings({"alerts_token": 16 * "!"}, {}, tmp_path).alerts_token == 16 * "!"


@pytest.mark.parametrize("name", ["alerts_token", "redis_url"])
def test_a_secret_of_the_wrong_kind_is_not_shown(tmp_path: Path, name: str) -> None:
    write(tmp_path, f"{name} = [12345678901234567]")
    with pytest.raises(SettingsError, match=f"'{name}' in streamgauge.toml does not fit: Expected") as caught:
        load_settings({}, {}, tmp_path)
    assert "1234" not in str(caught.value)
