"""Registration networks on disk, and those that come with gliomorph: which file serves which method."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from ..methods import NEEDED, Header
from .files import SHIPPED, WeightsError, load_state, read_stored, settings_from, write_network

if TYPE_CHECKING:
    from ...models.registration.networks import NetworkSettings, RegistrationNetwork

MISSING = "no registration network of gliomorph in it; a segmentation network is given with --weights"


def shipped_network(method: str) -> Path | None:
    """``<method>.safetensors``, the network of a learned method that comes with gliomorph, if there is one."""
    path = SHIPPED / f"{method}.safetensors"
    return path if path.is_file() else None


def write_weights(network: RegistrationNetwork, path: Path) -> Path:
    """Store a network with its settings in a ``.safetensors`` file; returns its path."""
    return write_network(network, network.settings.method, network.settings, path)


def read_header(path: Path) -> Header:
    """Which kind of network a file says it holds; neither tensors nor torch are loaded.

    Raises
    ------
    WeightsError
        Not a safetensors file, or no registration network in it.
    """
    stored = read_stored(path, MISSING)
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
    from ...models.registration.networks import NetworkSettings

    settings: NetworkSettings = settings_from(read_stored(path, MISSING), NetworkSettings, path)
    return settings


def load_network(path: Path, expected_method: str) -> RegistrationNetwork:
    """The stored network, on the CPU.

    Parameters
    ----------
    path : Path
        As :func:`write_weights` leaves it.
    expected_method : str
        The method of its :class:`~gliomorph.models.registration.networks.NetworkSettings`.

    Returns
    -------
    network : RegistrationNetwork
        In evaluation mode.

    Raises
    ------
    WeightsError
        As :func:`read_settings`; another method; tensors that are not those of the settings, or not finite.
    """
    from ...models.registration.catalogue import build

    settings = read_settings(path)
    if settings.method != expected_method:
        raise WeightsError(
            f"{path.name}: the weights of a {expected_method} network are required, this file's settings are "
            f"{settings}"
        )
    state = load_state(path, lambda: build(settings), settings.method)
    network = build(settings)
    network.load_state_dict(state)
    return network.eval()


def fitting(method: str, weights: Iterable[Path], shipped: Path | None = None) -> Path:
    """The one file that holds the network of a learned method, by the files' headers.

    Parameters
    ----------
    method : str
        A key of :data:`~gliomorph.interfaces.methods.NEEDED`.
    weights : iterable of Path
        Files of registration networks.
    shipped : Path, optional
        Taken where none of them fits.

    Raises
    ------
    WeightsError
        None fits, more than one does, or one cannot be read.
    """
    headers = {path: read_header(path) for path in weights}
    matches = [path for path, header in headers.items() if header == NEEDED[method]]
    if len(matches) == 1:
        return matches[0]
    if shipped is not None and not matches:
        return shipped
    held = "; ".join(f"{path.name} holds {header}" for path, header in headers.items())
    raise WeightsError(
        f"{method} takes one file with the weights of a network of {NEEDED[method]}: {len(matches)} of those given "
        f"fit ({held or 'no file was given'}){_ways_out(method)}"
    )


def _ways_out(method: str) -> str:
    """What can be done where no file, or more than one, fits."""
    name = "name it with --registration-weights FILE [FILE ...]"
    if shipped_network(method) is not None:
        return f"; {name}, or give none for the one that comes with gliomorph"
    return (
        f", and none comes with gliomorph; {name}, train one with gliomorph-train, or ask for a method that needs "
        "none, such as --registration metamorphosis"
    )
