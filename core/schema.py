"""What a model expects of a record: feature names in order, and the two class names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from core.errors import SchemaError


@dataclass(frozen=True)
class Schema:
    """Feature names in model order, and the names of class 0 and class 1.

    Raises
    ------
    SchemaError
        A feature name that is empty, repeated, starts with ``_`` or has a newline; equal class names; a name that
        cannot stand on the wire as UTF-8.
    """

    features: tuple[str, ...]
    classes: tuple[str, str] = ("0", "1")

    def __post_init__(self) -> None:
        if not self.features:
            raise SchemaError("a schema needs at least one feature")
        for name in self.features:
            if not name or name.startswith("_") or "\n" in name:
                raise SchemaError(
                    f"feature name {name!r} must be non-empty, without a leading underscore and without newline"
                )
        for name in (*self.features, *self.classes):
            try:
                name.encode()
            except UnicodeEncodeError as error:
                raise SchemaError(f"name {name!r} is no valid text; save the file as UTF-8") from error
        if len(set(self.features)) != len(self.features):
            repeated = next(name for name in self.features if self.features.count(name) > 1)
            raise SchemaError(f"feature name {repeated!r} occurs twice; rename one of the columns")
        if self.classes[0] == self.classes[1]:
            raise SchemaError(f"both classes are called {self.classes[0]!r}; they need different names")

    @property
    def width(self) -> int:
        """Number of features, d."""
        return len(self.features)

    @cached_property
    def fingerprint(self) -> str:
        """First 16 hex digits of SHA-256 over the feature names joined by newline.

        >>> Schema(("a", "b")).fingerprint
        '7e18f737311b2dc3'
        """
        return fingerprint(self.features)

    @cached_property
    def features_encoded(self) -> tuple[bytes, ...]:
        """Feature names as they stand on the wire."""
        return tuple(name.encode() for name in self.features)


def fingerprint(features: Iterable[str]) -> str:
    """The schema fingerprint of the wire format; see :attr:`Schema.fingerprint`."""
    return hashlib.sha256("\n".join(features).encode()).hexdigest()[:16]
