"""Files of registration networks: safetensors, the network's settings as JSON in their metadata, no pickles.

A file may come from anywhere: it is data, nothing in it is run, and what its settings may ask for is bounded.
The command line reads headers as it starts, so that nothing heavy is imported with this module.
"""

from __future__ import annotations

import hashlib
import json
import reprlib
import typing
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from attrs import validators as valid
from safetensors import SafetensorError, safe_open

if TYPE_CHECKING:
    from ..models.networks import NetworkSettings, RegistrationNetwork

LARGEST = 4096
"""No number among the settings may be larger: a file that asks for a million steps is no network of ours."""


class WeightsError(ValueError):
    """A weights file that does not fit: what was expected, what was found."""


@attrs.frozen(kw_only=True)
class Header:
    """What tells which method a network serves.

    Attributes
    ----------
    method : str
        As in :class:`~gliomorph.models.networks.NetworkSettings`.
    masking : str
        Likewise.
    dimension, modalities : int
        Likewise. Scans are 3-D images of one modality.
    """

    method: str = attrs.field(validator=valid.instance_of(str))
    masking: str = attrs.field(validator=valid.instance_of(str))
    dimension: int = attrs.field(default=3, validator=valid.instance_of(int))
    modalities: int = attrs.field(default=1, validator=valid.instance_of(int))

    def __str__(self) -> str:
        # shortened and escaped: a file's words go to the terminal
        return ", ".join(f"{name}={reprlib.repr(value)}" for name, value in attrs.asdict(self).items())


NEEDED = {
    "voxelmorph": Header(method="voxelmorph", masking="none"),
    "voxelmorph-cfm": Header(method="voxelmorph", masking="cfm"),
    "metamorph-g": Header(method="metamorph-g", masking="local"),
    "metamorph-r": Header(method="metamorph-r", masking="local"),
}
"""The network that each learned registration method takes."""


def write_weights(network: RegistrationNetwork, path: Path) -> Path:
    """Store a network with its settings, under a temporary name, then renamed.

    Parameters
    ----------
    network : RegistrationNetwork
        On any device.
    path : Path
        Ends in ``.safetensors``.

    Returns
    -------
    path : Path
        As given.
    """
    from safetensors.torch import save_file

    from .images import replacing

    metadata = {
        "format": "pt",
        "architecture": network.settings.method,
        "network": json.dumps(attrs.asdict(network.settings)),
    }
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    with replacing(path) as temporary:
        save_file(state, temporary, metadata=metadata)
    return path


def read_header(path: Path) -> Header:
    """Which kind of network a file says it holds; neither tensors nor torch are loaded.

    Raises
    ------
    WeightsError
        Not a safetensors file, or no registration network in it.
    """
    stored = _stored(path)
    try:
        return Header(**{field.name: stored[field.name] for field in attrs.fields(Header)})
    except (KeyError, TypeError) as error:
        raise WeightsError(
            f"{path.name}: no registration network of gliomorph in it: its settings have to give method and masking "
            f"(words), dimension and modalities (integers), they are {reprlib.repr(stored)}"
        ) from error


def read_settings(path: Path) -> NetworkSettings:
    """The settings of the network that a file says it holds; its tensors are not loaded.

    Settings that the file does not name have their defaults.

    Raises
    ------
    WeightsError
        Not a safetensors file, no registration network in it, or settings that this version does not know or
        cannot use.
    """
    from ..models.networks import NetworkSettings

    stored, hints = _stored(path), typing.get_type_hints(NetworkSettings)
    if unknown := sorted(set(stored) - set(hints)):
        raise WeightsError(
            f"{path.name}: its network has settings that this version does not know: {reprlib.repr(unknown)}; "
            "it was made by a newer gliomorph: update this one"
        )
    for name, value in stored.items():
        if required := _lacks(value, hints[name]):
            raise WeightsError(
                f"{path.name}: setting {name} of its network: {required} is required, got {reprlib.repr(value)}"
            )
    try:
        return NetworkSettings(**stored)
    except (TypeError, ValueError) as error:
        raise WeightsError(f"{path.name}: settings of its network: {error.args[0]}") from error


def load_network(path: Path, expected_method: str) -> RegistrationNetwork:
    """The stored network, on the CPU.

    Parameters
    ----------
    path : Path
        As :func:`write_weights` leaves it.
    expected_method : str
        The method of its :class:`~gliomorph.models.networks.NetworkSettings`.

    Returns
    -------
    network : RegistrationNetwork
        In evaluation mode.

    Raises
    ------
    WeightsError
        As :func:`read_settings`; another method; tensors that are not those of the settings, or not finite.
    """
    import torch

    from ..models.networks import build

    settings = read_settings(path)
    if settings.method != expected_method:
        raise WeightsError(
            f"{path.name}: the weights of a {expected_method} network are required, this file's settings are "
            f"{settings}"
        )
    with torch.device("meta"):  # shapes without memory: the settings may ask for anything
        expected = {name: list(tensor.shape) for name, tensor in build(settings).state_dict().items()}
    with opened(path, "pt") as file:
        found = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118 (not a mapping)
        if found != expected:
            raise WeightsError(f"{path.name}: {_differing(settings.method, expected, found)}")
        state = {name: file.get_tensor(name).float() for name in found}
    if spoilt := [name for name, tensor in state.items() if not torch.isfinite(tensor).all()]:
        raise WeightsError(f"{path.name}: finite weights are required, those of {spoilt[0]} are not")
    network = build(settings)
    network.load_state_dict(state)
    return network.eval()


def fitting(method: str, weights: Iterable[Path]) -> Path:
    """The one file that holds the network of a learned method, by the files' headers.

    Parameters
    ----------
    method : str
        A key of :data:`NEEDED`.
    weights : iterable of Path
        Files of registration networks.

    Raises
    ------
    WeightsError
        None fits, more than one does, or one cannot be read.
    """
    headers = {path: read_header(path) for path in weights}
    matches = [path for path, header in headers.items() if header == NEEDED[method]]
    if len(matches) == 1:
        return matches[0]
    held = "; ".join(f"{path.name} holds {header}" for path, header in headers.items())
    raise WeightsError(
        f"{method} takes one file with the weights of a network of {NEEDED[method]}: {len(matches)} of those given "
        f"fit ({held or 'no file was given'}); name it with --registration-weights FILE [FILE ...]"
    )


def weights_sha256(path: Path) -> str:
    """sha256 of a file's bytes, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def opened(path: Path, framework: str) -> Iterator[Any]:
    """A safetensors file; errors in it, also of what is read in the block, are :class:`WeightsError`."""
    try:
        with safe_open(path, framework=framework) as file:
            yield file
    except SafetensorError as error:
        raise WeightsError(f"{path.name}: not a safetensors file ({error})") from error
    except OSError as error:
        raise WeightsError(f"{path.name}: cannot be read ({error})") from error


def _stored(path: Path) -> dict[str, Any]:
    """The settings in a file's metadata, as they stand there."""
    with opened(path, "np") as file:
        metadata = file.metadata() or {}
    if "network" not in metadata:
        raise WeightsError(
            f"{path.name}: no registration network of gliomorph in it (its metadata: {reprlib.repr(metadata)}); "
            "a segmentation network is given with --weights"
        )
    try:
        stored = json.loads(metadata["network"])
    except (ValueError, RecursionError):
        stored = None
    if not isinstance(stored, dict):
        raise WeightsError(f"{path.name}: the settings of its network have to be a JSON object, they are not")
    return stored


def _lacks(value: Any, hint: Any) -> str:
    """What a setting of type ``hint`` has to be, if this value from JSON is not; an empty string if it is."""
    kind = type(value)
    if hint is bool:
        return "" if kind is bool else "true or false"
    if hint is int:
        return "" if kind is int and value <= LARGEST else f"an integer up to {LARGEST}"
    if hint is float:
        return "" if kind in (int, float) and value <= LARGEST else f"a number up to {LARGEST}"
    return "" if kind is str else "a word"


def _differing(method: str, expected: dict[str, list[int]], found: dict[str, list[int]]) -> str:
    """How many tensors there are, and the first that is not as it should be."""
    name = min(n for n in expected.keys() | found.keys() if expected.get(n) != found.get(n))
    wanted, given = (str(shapes.get(name, "no such tensor")) for shapes in (expected, found))
    return (
        f"not the {method} network of its settings: {len(expected)} tensors expected, {len(found)} found; "
        f"{name[:99]!r}: expected {wanted}, found {given}"
    )
