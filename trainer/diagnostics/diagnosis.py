"""What an expert would say of a fitted model: each symptom with its cause and its remedy.

docs/training.md has the same as a table. Limits are set so that a sound model is seldom spoken of: what chance
can do in few rows is no finding.
"""

from __future__ import annotations

from trainer.diagnostics.evidence import Evidence
from trainer.diagnostics.finding import Finding
from trainer.diagnostics.probabilities import even_threshold, poor_calibration, stuck_at_half
from trainer.diagnostics.rows import constant_feature, duplicate_rows
from trainer.diagnostics.walk import loss_rising, not_converged
from trainer.diagnostics.weights import large_weight, separated

#: Where one of these is found, there is no optimum or it was missed by far: all else is its consequence.
GRAVE = (loss_rising, separated)
#: Of the model, the gravest first.
OF_THE_MODEL = (large_weight, not_converged, poor_calibration, stuck_at_half, even_threshold)
#: Of the data, whatever became of the model.
OF_THE_DATA = (duplicate_rows, constant_feature)


def diagnose(evidence: Evidence) -> tuple[Finding, ...]:
    """Every finding, the gravest first; none where all is well."""
    grave = next((finding for look in GRAVE if (finding := look(evidence)) is not None), None)
    of_the_model = [look(evidence) for look in OF_THE_MODEL] if grave is None else [grave]
    of_the_data = [look(evidence) for look in OF_THE_DATA]
    return tuple(finding for finding in of_the_model + of_the_data if finding is not None)
