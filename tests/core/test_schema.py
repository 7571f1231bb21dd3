from __future__ import annotations

import hashlib

import pytest

from core.errors import SchemaError
from core.schema import Schema, fingerprint


@pytest.mark.parametrize(
    ("features", "named"),
    [
        ((), "at least one"),
        (("",), "''"),
        (("a", "_b"), "'_b'"),
        (("a\nb",), "'a\\\\nb'"),
        (("a", "b", "a"), "'a'"),
        (("a", "\udc80"), "udc80"),
    ],
)
def test_feature_names_that_break_the_wire_format_are_refused_by_name(
    features: tuple[str, ...], named: str
) -> None:
    with pytest.raises(SchemaError, match=named):
        Schema(features)


@pytest.mark.parametrize("classes", [("x", "x"), ("x", "\udcff")])
def test_class_names_must_differ_and_be_text(classes: tuple[str, str]) -> None:
    with pytest.raises(SchemaError):
        Schema(("a",), classes)


def test_names_may_hold_anything_else() -> None:
    names = ("Größe", "a b", "a_", "\r", "0", "été\t")
    schema = Schema(names)
    assert schema.width == 6
    assert schema.features_encoded == tuple(name.encode() for name in names)


def test_the_fingerprint_is_16_hex_digits_of_sha256_over_joined_names() -> None:
    names = ("Area", "Größe")
    expected = hashlib.sha256("Area\nGröße".encode()).hexdigest()[:16]
    assert Schema(names).fingerprint == fingerprint(list(names)) == expected


def test_the_fingerprint_depends_on_order_and_on_nothing_but_features() -> None:
    assert Schema(("a", "b")).fingerprint != Schema(("b", "a")).fingerprint
    assert Schema(("a", "b"), ("x", "y")).fingerprint == Schema(("a", "b")).fingerprint
