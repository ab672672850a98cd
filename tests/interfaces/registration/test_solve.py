"""One registration and its record."""

from __future__ import annotations

import phantoms
import SimpleITK as sitk

from gliomorph.interfaces.registration.problem import Problem
from gliomorph.interfaces.registration.solve import solve


def test_the_record_names_method_seed_and_cost() -> None:
    brain = phantoms.brain_mask(phantoms.grid())
    problem = Problem(
        method="affine",
        moving=brain,
        fixed=brain,
        tumor=brain,
        brain=brain,
        rigid=sitk.Transform(),
        affine=sitk.Transform(),
        seed=3,
        gpu="none",
    )
    answer, used = solve(problem)
    assert answer.forward.TransformPoint((1.0, 2.0, 3.0)) == (1.0, 2.0, 3.0)
    assert (used["method"], used["device"], used["seed"]) == ("affine", "cpu", 3)
    assert used["seconds"] >= 0 < used["peak_memory_gb"]
