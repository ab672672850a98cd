"""Registration methods: what is known of each, in one line.

A new method is a function in :mod:`~gliomorph.interfaces.registration` and a line of :data:`REGISTRY`: command line,
estimates, the registration stage, Nipype and the documents' table follow.
"""

from __future__ import annotations

import importlib
import reprlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
from attrs import validators as valid

if TYPE_CHECKING:
    from .registration.problem import Answer, Problem


@attrs.frozen(kw_only=True)
class Header:
    """Which method a network serves."""

    method: str = attrs.field(validator=valid.instance_of(str))
    masking: str = attrs.field(validator=valid.instance_of(str))
    """``method``, ``masking``: As in :class:`~gliomorph.models.registration.networks.NetworkSettings`."""
    dimension: int = attrs.field(default=3, validator=valid.instance_of(int))
    modalities: int = attrs.field(default=1, validator=valid.instance_of(int))
    """``dimension``, ``modalities``: Likewise. Scans are 3-D images of one modality."""

    def __str__(self) -> str:
        # shortened and escaped: a file's words go to the terminal
        return ", ".join(f"{name}={reprlib.repr(value)}" for name, value in attrs.asdict(self).items())


@attrs.frozen
class Method:
    """A registration method."""

    face: str
    """Name of its Nipype interface."""
    function: str
    """``module:name`` below :mod:`~gliomorph.interfaces.registration`; imported when it is used."""
    text: str
    """What it is, for help and documents."""
    memory_gb: tuple[float, float]
    """Peak of the process at voxels of 1 and of 2 mm, as measured by ``python -m benchmarks.stages``."""
    work_gb: tuple[float, float] = (0.14, 0.025)
    """Room of its intermediate results, likewise."""
    network: Header | None = None
    """The network that a learned method takes."""
    refined: bool = False
    """Whether a flow brings its answer to the images' voxels, as far as the speed lets it."""
    modality_gb: tuple[float, float] | None = None
    """What each modality beside the primary one adds to its peak; None: a method that compares the primary alone.
    Learned methods compare several in their flow."""

    @property
    def several(self) -> bool:
        """Whether it compares several modalities."""
        return self.modality_gb is not None

    @property
    def module(self) -> str:
        """Name of the function's module."""
        return self.function.partition(":")[0]

    def solve(self, problem: Problem) -> Answer:
        """Register the moving image of a problem to the fixed one."""
        module = importlib.import_module(f"{__package__}.registration.{self.module}")
        function: Callable[[Problem], Answer] = getattr(module, self.function.partition(":")[2])
        return function(problem)


SYN_GB, ANTS_FILES_GB = (1.6, 0.7), (0.22, 0.05)
LINEAR_GB, OPTIMISED_GB, REFINED_GB = (1.3, 1.05), (1.7, 1.3), (2.5, 1.3)
MORE_GB, FLOW_MORE_GB = (0.19, 0.19), (0.6, 0.13)
"""What a modality adds where all are optimised by a geodesic, and by a flow."""

REGISTRY = {
    "rigid": Method("Rigid", "rigid:rigid", "rigid, mutual information of the whole brain", LINEAR_GB),
    "rigid-cfm": Method("RigidCFM", "rigid:rigid_cfm", "rigid, the tumour left out", LINEAR_GB),
    "affine": Method("Affine", "rigid:affine", "the alignment's affine, no further registration", LINEAR_GB),
    "syn": Method("SyN", "syn:syn", "ANTs SyN, mutual information", SYN_GB, ANTS_FILES_GB),
    "syn-cfm": Method("SyNCFM", "syn:syn_cfm", "SyN, the tumour left out", SYN_GB, ANTS_FILES_GB),
    "syn-cc": Method("SyNCC", "syn:syn_cc", "SyN, local cross-correlation", SYN_GB, ANTS_FILES_GB),
    "greedy": Method("Greedy", "greedy:greedy", "PICSL greedy, local cross-correlation", (1.6, 0.7)),
    "greedy-cfm": Method("GreedyCFM", "greedy:greedy_cfm", "greedy, the tumour left out", (1.6, 0.7)),
    "voxelmorph": Method("VoxelMorph", "torch_methods:predicted", "network, shape alone, no mask", REFINED_GB,
        network=Header(method="voxelmorph", masking="none"), refined=True, modality_gb=FLOW_MORE_GB),
    "voxelmorph-cfm": Method("VoxelMorphCFM", "torch_methods:predicted", "network, shape alone, the tumour left out",
        REFINED_GB, network=Header(method="voxelmorph", masking="cfm"), refined=True, modality_gb=FLOW_MORE_GB),
    "lddmm": Method("LDDMM", "torch_methods:lddmm", "optimisation, shape alone, no mask", OPTIMISED_GB,
        modality_gb=MORE_GB),
    "metamorphosis": Method("Metamorphosis", "torch_methods:metamorphosis",
        "optimisation, shape everywhere, appearance in the tumour", REFINED_GB, refined=True, modality_gb=FLOW_MORE_GB),
    "metamorph-g": Method("MetaMorphG", "torch_methods:predicted", "network, metamorphosis by one initial momentum",
        REFINED_GB, network=Header(method="metamorph-g", masking="local"), refined=True, modality_gb=FLOW_MORE_GB),
    "metamorph-r": Method("MetaMorphR", "torch_methods:predicted", "network, metamorphosis by a residual in each step",
        REFINED_GB, network=Header(method="metamorph-r", masking="local"), refined=True, modality_gb=FLOW_MORE_GB),
}  # fmt: skip
METHODS = tuple(REGISTRY)
REFINED = tuple(name for name, method in REGISTRY.items() if method.refined)
SEVERAL = tuple(name for name, method in REGISTRY.items() if method.several)
"""Methods that compare several modalities."""
SPEEDS = {"fast": (60, 40, 3), "default": (80, 50, 5), "accurate": (120, 80, 14)}
"""The most iterations of the flow at voxels of 4 mm, 2 mm and the images' own, by the name of a speed."""
NEEDED = {name: method.network for name, method in REGISTRY.items() if method.network is not None}
"""The network that each learned registration method takes."""
RIGID = ("rigid", "rigid-cfm")
"""Methods whose transforms have no affine part: all others begin with the affine alignment."""
DEFORMABLE = tuple(
    name for name, method in REGISTRY.items() if method.module != "rigid" and method.network is None
)
"""Methods for any two images; networks were trained to register to a template."""
PAIR_METHOD = "greedy-cfm"
"""The one for sessions of one patient: 0.9 to 1.3 mm off experts' landmarks; joined by a template they are 3 off."""
UNMASKED = ("syn", "syn-cc", "greedy", "lddmm")
"""Deformable methods that compare the tumours, too."""
SYMMETRIC = ("syn", "syn-cfm", "syn-cc")
"""Deformable methods that find the same map when the images change places."""
