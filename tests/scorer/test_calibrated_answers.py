"""A calibrated model in production: both probabilities in every form that answers are written in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from core.calibration import Calibration
from core.model import Floats, Scores
from core.model_file import ModelFile
from core.prediction import Prediction, PredictionBlock
from core.record_encoder import encode_block, encode_plain
from tests.scorer.conftest import FEATURES
from tests.scorer.streams import Streams

#: Rows of blocks whose results go to the script as one string, one by one, and natively.
BLOCK_ROWS = (4, 60, 250)


@pytest.fixture
def model_file(model_file: ModelFile) -> ModelFile:
    """The scorers' model, calibrated, with a threshold of its own."""
    calibration = Calibration("isotonic", np.array([[-9.0, 0.0, 0.5, 9.0], [0.02, 0.4, 0.4, 0.97]]))
    return replace(model_file, model=replace(model_file.model, calibration=calibration, threshold=0.7))


def assert_as_scored(answer: Prediction | PredictionBlock, scores: Scores, row: int = 0) -> None:
    """Every number of an answer, to the bit; ``row`` of the scores for a plain one."""
    raw = scores.raw_probability
    assert raw is not None
    if isinstance(answer, PredictionBlock):
        assert answer.raw_probability is not None
        assert answer.raw_probability.tobytes() == raw.tobytes()
        assert answer.probability.tobytes() == scores.probability.tobytes()
        assert answer.logit.tobytes() == scores.logit.tobytes()
        assert answer.predicted.tolist() == (scores.probability >= 0.7).tolist()
        return
    assert (answer.raw_probability, answer.probability) == (raw[row], scores.probability[row])
    assert (answer.logit, answer.predicted) == (scores.logit[row], int(scores.probability[row] >= 0.7))


@pytest.mark.usefixtures("scorer")
def test_plain_records_and_blocks_of_every_size_say_both_probabilities(
    streams: Streams, model_file: ModelFile
) -> None:
    model = model_file.model
    generator = np.random.default_rng(0)
    sent: dict[bytes, Floats] = {}
    # in turns, so that reads hold entries of one form and of several
    for count in [*BLOCK_ROWS * 2, *(1,) * 30, *BLOCK_ROWS]:
        x = generator.normal(model.center, 3 * model.scale, (count, len(FEATURES)))
        plain = encode_plain(dict(zip(FEATURES, x[0].tolist(), strict=True)))
        fields = encode_block(x, model.schema) if count > 1 else plain
        sent[streams.add(*fields)] = x
    streams.await_results(set(sent))
    answers = {answer.record: answer for answer in streams.predictions()}
    assert answers.keys() == sent.keys()
    for entry_id, x in sent.items():
        assert_as_scored(answers[entry_id], model.score(x))
