"""The files of networks: safetensors, settings as JSON in their metadata, no pickles.

A file may come from anywhere: it is data, nothing in it is run, and what its settings may ask for is bounded.
Nothing heavy is imported with this module: the command line reads metadata as it starts.
"""

from __future__ import annotations

import json
import reprlib
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from safetensors import SafetensorError, safe_open

from ..files.checksums import sha256_of

if TYPE_CHECKING:
    from torch import Tensor, nn

LARGEST = 4096
"""No number among the settings may be larger: a file that asks for a million steps is no network of ours."""

SHIPPED = Path(__file__).parents[2] / "models" / "weights"
"""The networks that come with gliomorph, each with its model card, JSON of the same name, beside it."""

SHIPPED_BRAIN = SHIPPED / "brain.safetensors"
"""The networks that come with gliomorph for brain extraction."""

weights_sha256 = sha256_of
"""What tells one network's file from another."""


class WeightsError(ValueError):
    """A weights file that does not fit: what was expected, what was found."""


def write_network(network: nn.Module, architecture: str, settings: Any, path: Path) -> Path:
    """Store a network with its settings, under a temporary name, then renamed; equal networks make equal files.

    Parameters
    ----------
    network : torch.nn.Module
        On any device.
    architecture : str
        What kind it is, for whoever reads the metadata.
    settings : attrs instance
        All that determines the network but its weights.
    path : Path
        Ends in ``.safetensors``.

    Returns
    -------
    path : Path
        As given.
    """
    from safetensors.torch import save_file

    from ..files.images import replacing

    metadata = {"format": "pt", "architecture": architecture, "network": json.dumps(attrs.asdict(settings))}
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    with replacing(path) as temporary:
        save_file(state, temporary, metadata=metadata)
        _sort_header(temporary)
    return path


def _sort_header(path: Path) -> None:
    """Write a file's header again in alphabetical order: safetensors puts metadata in another order every time."""
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8 : 8 + size]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # tensors begin at a multiple of 8
    path.write_bytes(len(header).to_bytes(8, "little") + header + content[8 + size :])


def card_of(weights: Path) -> dict[str, Any] | None:
    """The card beside weights, if there is one and it is of these very weights, by their sha256."""
    try:
        card: dict[str, Any] = json.loads(weights.with_suffix(".json").read_text(encoding="utf-8"))
        described = card["weights"]["sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return card if described == weights_sha256(weights) else None


def settings_from(stored: dict[str, Any], kind: type, path: Path) -> Any:
    """The settings of class ``kind`` that a file's metadata hold; those that it does not name have defaults.

    Raises
    ------
    WeightsError
        Settings that this version does not know or cannot use.
    """
    hints = {field.name: typing.get_type_hints(kind)[field.name] for field in attrs.fields(kind)}
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
        return kind(**stored)
    except (TypeError, ValueError) as error:
        raise WeightsError(f"{path.name}: settings of its network: {error.args[0]}") from error


def load_state(path: Path, build: Callable[[], nn.Module], what: str) -> dict[str, Tensor]:
    """The tensors of a file, float32, if they are those of the network that ``build`` makes.

    Raises
    ------
    WeightsError
        Other tensors than the settings ask for, or values that are not finite; ``what`` names the network.
    """
    import torch

    expected = _shapes(build)
    with opened(path, "pt") as file:
        found = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118 (not a mapping)
        if found != expected:
            raise WeightsError(f"{path.name}: {_differing(what, expected, found)}")
        state = {name: file.get_tensor(name).float() for name in found}
    if spoilt := [name for name, tensor in state.items() if not torch.isfinite(tensor).all()]:
        raise WeightsError(f"{path.name}: finite weights are required, those of {spoilt[0]} are not")
    return state


def _shapes(build: Callable[[], nn.Module]) -> dict[str, list[int]]:
    """The shapes of a network's tensors by their names, without memory: the settings may ask for anything."""
    import torch
    from torch.overrides import TorchFunctionMode

    class Unfilled(TorchFunctionMode):
        """Leaves first weights out: without memory they are none, and torch would load its compiler (1 s) for them."""

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if getattr(func, "__module__", None) == "torch.nn.init":
                return args[0] if args else kwargs["tensor"]
            return func(*args, **(kwargs or {}))

    with torch.device("meta"), Unfilled():
        return {name: list(tensor.shape) for name, tensor in build().state_dict().items()}


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


def read_stored(path: Path, missing: str) -> dict[str, Any]:
    """The settings in a file's metadata, as they stand there; ``missing`` says what a file without lacks.

    Raises
    ------
    WeightsError
        Not a safetensors file, or no network of ours.
    """
    with opened(path, "np") as file:
        metadata = file.metadata() or {}
    if "network" not in metadata:
        raise WeightsError(f"{path.name}: {missing} (its metadata: {reprlib.repr(metadata)})")
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
    if typing.get_origin(hint) is tuple:
        return "" if kind is list and all(type(word) is str for word in value) else "a list of words"
    return "" if kind is str else "a word"


def _differing(method: str, expected: dict[str, list[int]], found: dict[str, list[int]]) -> str:
    """How many tensors there are, and the first that is not as it should be."""
    name = min(n for n in expected.keys() | found.keys() if expected.get(n) != found.get(n))
    wanted, given = (str(shapes.get(name, "no such tensor")) for shapes in (expected, found))
    return (
        f"not the {method} network of its settings: {len(expected)} tensors expected, {len(found)} found; "
        f"{name[:99]!r}: expected {wanted}, found {given}"
    )
