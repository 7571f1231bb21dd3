"""Each overlay, rendered once."""

from __future__ import annotations

import pytest

from tests.ops.documents import documents
from tests.ops.k8s.rendered import SECRETS, VARIANTS, Rendered, copy_of_manifests, rendered_text


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The YAML of every variant, by its name."""
    return {
        variant: rendered_text(copy_of_manifests(tmp_path_factory.mktemp("rendered")), variant)
        for variant in VARIANTS
    }


@pytest.fixture(scope="session")
def rendered(texts: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Rendered]:
    """The documents of every variant, by its name."""
    secrets = documents(copy_of_manifests(tmp_path_factory.mktemp("secrets")) / SECRETS)
    return {variant: Rendered(documents(text), secrets) for variant, text in texts.items()}
