"""Model bytes that were damaged anywhere are refused, with the one error that is documented."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.chaos.workload import first_model
from core.errors import ModelFileError
from core.model_file import read_model_file
from tests.fuzz.profile import fuzz

WHOLE = first_model(0).encoded
DIGEST = first_model(0).sha256


@fuzz
@given(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=8), st.integers(0, len(WHOLE)))
def test_bytes_that_were_changed_or_cut_are_refused_by_their_digest(at: int, change: bytes, end: int) -> None:
    damaged = (WHOLE[:at] + change + WHOLE[at + len(change) :])[:end]
    if damaged != WHOLE:
        with pytest.raises(ModelFileError):
            read_model_file(damaged, DIGEST)


@fuzz
@given(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=8), st.integers(0, len(WHOLE)))
def test_without_a_digest_damage_is_refused_or_gives_a_whole_model(at: int, change: bytes, end: int) -> None:
    damaged = (WHOLE[:at] + change + WHOLE[at + len(change) :])[:end]
    try:
        found = read_model_file(damaged)
    except ModelFileError:
        return
    assert found.model.coefficients.shape == (found.model.schema.width,)


@fuzz
@given(st.binary(max_size=300))
def test_bytes_that_never_were_a_model_are_refused(data: bytes) -> None:
    with pytest.raises(ModelFileError):
        read_model_file(data)
