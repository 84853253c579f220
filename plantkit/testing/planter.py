"""The family and the planting method under examination, and what has been planted so far."""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from plantkit.errors import PlantkitError, PluginError
from plantkit.networks import PerceptronSpec
from plantkit.planting import (
    Family,
    Planted,
    PlantingMethod,
    default_method,
    find_family,
    find_method,
)
from plantkit.planting.targets import Floats
from plantkit.plugins import load_plantings
from plantkit.testing.examining import CheckFailure

#: Seeds of the plantings that the checks look at; no secret.
SEED, OTHER_SEED = b"conformance", b"another"
_SECONDS = 300.0
#: Plants what is on standard input in an interpreter of its own. It never looks for garbage in
#: torch's modules, which would take half a second.
_PLANT = (
    "import gc; gc.disable(); from plantkit.testing.planter import plant_here; gc.enable(); "
    "gc.freeze(); plant_here()"
)


@dataclass(kw_only=True)
class Planter:
    """What is asked for; `load` finds it.

    Attributes:
        given: the family, or its name.
        planting: the method, or its name; the family's default if None.
        dials: of the family, name to text.
        depth, width: of the perceptron that is planted in; the depth is the family's least one if
            that is larger.
    """

    given: str | Family
    planting: str | PlantingMethod[Any] | None = None
    dials: Mapping[str, str] = field(default_factory=dict)
    depth: int = 4
    width: int = 60
    _planted: dict[bytes, Planted] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.given if isinstance(self.given, str) else self.given.name

    def load(self) -> None:
        """Finds the family and the method.

        Raises:
            PlantkitError: there is none of that name, or a plugin is broken.
        """
        failures = load_plantings()
        try:
            self.family = self.given if isinstance(self.given, Family) else find_family(self.given)
            self.family = self.family.with_dials(self.dials)
            self.method = (
                default_method(self.family)
                if self.planting is None
                else self.planting
                if isinstance(self.planting, PlantingMethod)
                else find_method(self.planting)
            )
        except PlantkitError as error:
            if failures:
                raise PluginError(failures[0].plugin, str(failures[0])) from error
            raise

    @property
    def spec(self) -> PerceptronSpec:
        """The mother network."""
        return self.spec_of(max(self.depth, self.family.minimum_depth), self.width)

    def spec_of(self, depth: int, width: int) -> PerceptronSpec:
        return PerceptronSpec.uniform(
            depth=depth, width=width, inputs=self.family.inputs, outputs=self.family.outputs
        )

    def plant(self, seed: bytes = SEED) -> Planted:
        """Returns the planting of a seed; it is kept for the next time.

        Raises:
            CheckFailure: that failed.
        """
        if seed not in self._planted:
            try:
                self._planted[seed] = self.method.plant(self.family, self.spec, seed=seed)
            except PlantkitError as error:
                raise CheckFailure(
                    expected=f"a ticket in {self.spec.label} by {self.method.name!r}",
                    got=f"{error}; give another depth or width if it needs one",
                ) from error
        return self._planted[seed]

    def digest_elsewhere(self) -> str:
        """Returns the digest of the planting of `SEED` in another interpreter.

        Raises:
            CheckFailure: the family or the method cannot be sent there.
        """
        try:
            sent = pickle.dumps((self.method, self.family, self.spec))
        except Exception as error:
            raise CheckFailure(
                expected="a family and a method that can be sent to another process",
                got=f"{type(error).__name__}: {error}; define classes at the top of a module",
            ) from error
        done = subprocess.run(
            [sys.executable, "-c", _PLANT],
            input=sent,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "1"},
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            raise CheckFailure(
                expected="a planting in another interpreter", got=(lines or ["no output"])[-1]
            )
        return done.stdout.decode().split()[-1]


def plant_here() -> None:
    """Prints the digest of a planting of what is pickled on standard input."""
    method, family, spec = pickle.load(sys.stdin.buffer)
    print(digest_of(method.plant(family, spec, seed=SEED)))


def digest_of(planted: Planted) -> str:
    """Returns a digest of all parameters and of the ticket, to the last bit."""
    digest = hashlib.sha256()
    for values in (planted.parameters, planted.ticket):
        for name, value in values.items():
            digest.update(f"{name} {value.dtype} {value.shape}".encode() + value.tobytes())
    return digest.hexdigest()


def published(planted: Planted) -> dict[str, Floats]:
    """Returns the parameters as a bundle publishes them: rounded to float32."""
    return {
        name: np.asarray(value, dtype=np.float32).astype(np.float64)
        for name, value in planted.parameters.items()
    }
