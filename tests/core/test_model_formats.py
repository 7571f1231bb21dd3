"""Files of older formats mean what they meant; those of newer ones are told from damaged ones."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from core.errors import ModelFileError, UnknownModelFormat
from core.model_file import FORMAT, OLDEST_FORMAT, read_model_file
from core.threshold_rule import EVEN
from tests.model_formats import format_3, format_3_bytes, newer_bytes, said_of_format_3, with_header


def test_a_model_of_format_3_says_to_the_bit_what_it_said_to_the_version_that_wrote_it() -> None:
    said = said_of_format_3()
    scores = format_3().model.score(np.array(said.rows))
    assert scores.logit.tolist() == said.logit
    assert scores.probability.tolist() == said.probability
    assert scores.predicted.tolist() == said.predicted
    assert scores.raw_probability is None
    assert 0 in said.predicted
    assert 1 in said.predicted


def test_a_model_of_format_3_has_no_calibration_and_decides_at_even_odds() -> None:
    file = format_3()
    assert (file.model.calibration, file.model.threshold) == (None, 0.5)
    assert (file.calibrate, file.threshold_rule) == ("none", EVEN)
    assert file.drift.rows == file.profile.rows == 192
    assert file.concept.rows == 48


def test_a_file_of_format_3_keeps_its_bytes_so_that_its_digest_stays_right() -> None:
    file = format_3()
    assert file.encoded == format_3_bytes()
    assert file.sha256 == said_of_format_3().sha256 == hashlib.sha256(format_3_bytes()).hexdigest()


def test_a_file_of_format_3_that_claims_a_calibration_contradicts_itself() -> None:
    with pytest.raises(ModelFileError, match="contradicts itself"):
        read_model_file(with_header(format_3_bytes(), calibration="platt"))


def test_a_file_of_the_present_format_without_the_member_for_calibrations_is_not_whole() -> None:
    with pytest.raises(ModelFileError, match="not a whole model file"):
        read_model_file(with_header(format_3_bytes(), format=FORMAT))


def test_a_file_of_format_3_that_is_cut_short_is_refused_as_damaged() -> None:
    data = format_3_bytes()
    for length in range(0, len(data), 7):
        with pytest.raises(ModelFileError, match="not a whole model file"):
            read_model_file(data[:length])


def test_a_newer_file_is_told_from_a_damaged_one_whatever_its_header_means() -> None:
    with pytest.raises(UnknownModelFormat, match=rf"format {FORMAT + 1} .*; upgrade streamgauge$") as found:
        read_model_file(newer_bytes(format_3_bytes()))
    assert found.value.newer
    with pytest.raises(ModelFileError) as damaged:
        read_model_file(newer_bytes(format_3_bytes())[:-30])
    assert not isinstance(damaged.value, UnknownModelFormat)


def test_a_newer_file_whose_bytes_were_altered_is_damaged() -> None:
    with pytest.raises(ModelFileError, match="SHA-256") as found:
        read_model_file(newer_bytes(format_3_bytes()), said_of_format_3().sha256)
    assert not isinstance(found.value, UnknownModelFormat)


def test_a_file_that_is_older_than_what_is_read_says_how_to_replace_it() -> None:
    with pytest.raises(UnknownModelFormat, match=r"older.*fit --new-schema") as found:
        read_model_file(with_header(format_3_bytes(), format=OLDEST_FORMAT - 1))
    assert not found.value.newer
