"""Segmentation networks on disk, and those that come with gliomorph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from ...models.regions import MODALITIES
from .files import SHIPPED, WeightsError, load_state, read_stored, settings_from, write_network

if TYPE_CHECKING:
    from ...models.unet import SegmentationSettings, UNet

    Member = tuple[UNet, SegmentationSettings]

ANY_SUBSET = SHIPPED / "any.safetensors"
"""The network for any subset of the sequences that comes with gliomorph."""
MOST_MEMBERS = 8
"""Largest number of networks in an ensemble."""

MISSING = (
    "no segmentation network of gliomorph in it; a registration network is given with --registration-weights"
)


def shipped_student(modality: str) -> Path | None:
    """The network that comes with gliomorph for scans with this primary image, if there is one.

    The one for any subset of the sequences, which has seen real patients, goes before ``student-<modality>``, which has
    seen simulated ones alone.
    """
    names = (ANY_SUBSET.name, f"student-{modality}.safetensors") if modality in MODALITIES else ()
    return next((path for name in names if (path := SHIPPED / name).is_file()), None)


def write_unet(network: UNet, settings: SegmentationSettings, path: Path) -> Path:
    """Store a network with its settings in a ``.safetensors`` file; returns its path."""
    return write_network(network, "unet", settings, path)


@attrs.frozen(kw_only=True)
class EnsembleSettings:
    """What an ensemble's file says of it."""

    modalities: tuple[str, ...]
    """The modalities that every network reads."""
    members: tuple[SegmentationSettings, ...]


def write_ensemble(members: Sequence[Member], path: Path) -> Path:
    """Store several networks, whose mean probabilities count, in one ``.safetensors`` file; returns its path.

    Parameters
    ----------
    members : sequence of (UNet, SegmentationSettings)
        They read the same modalities; width and voxel size may differ.
    path : Path

    Raises
    ------
    ValueError
        Too many networks or none, or networks that read different modalities.
    """
    from torch import nn

    networks, settings = zip(*members, strict=True) if members else ((), ())
    read = {one.modalities for one in settings}
    if not 1 <= len(networks) <= MOST_MEMBERS or len(read) != 1:
        listed = "; ".join(", ".join(modalities) for modalities in sorted(read)) or "nothing"
        raise ValueError(
            f"1 to {MOST_MEMBERS} networks that read the same are required, got {len(networks)} that read {listed}"
        )
    ensemble = EnsembleSettings(modalities=read.pop(), members=settings)
    return write_network(nn.ModuleList(networks), "unet ensemble", ensemble, path)


def read_modalities(path: Path) -> tuple[str, ...]:
    """What the network in a file reads, as the file says; neither tensors nor torch are loaded.

    Raises
    ------
    WeightsError
        Not a safetensors file, or no segmentation network in it.
    """
    stored = read_stored(path, MISSING)
    modalities = stored.get("modalities")
    if not isinstance(modalities, list) or not all(isinstance(word, str) for word in modalities):
        raise WeightsError(f"{path.name}: {MISSING}")
    return tuple(modalities)


def read_members(path: Path) -> list[SegmentationSettings]:
    """The settings of the segmentation networks that a file says it holds, one or more; no tensors are loaded.

    Raises
    ------
    WeightsError
        Not a safetensors file, no segmentation network in it, or settings that this version cannot use.
    """
    from ...models.unet import SegmentationSettings

    read = read_modalities(path)
    stored = read_stored(path, MISSING)
    members: Any = stored.get("members", [stored])
    if not isinstance(members, list) or not 1 <= len(members) <= MOST_MEMBERS:
        raise WeightsError(f"{path.name}: a list of 1 to {MOST_MEMBERS} members is required in its settings")
    if not all(isinstance(member, dict) for member in members):
        raise WeightsError(f"{path.name}: the settings of each member have to be a JSON object")
    settings = [settings_from(member, SegmentationSettings, path) for member in members]
    if any(tuple(one.modalities) != read for one in settings):
        raise WeightsError(f"{path.name}: members that all read {', '.join(read)} are required")
    return settings


def load_members(path: Path) -> list[Member]:
    """The stored networks, on the CPU, in evaluation mode.

    Raises
    ------
    WeightsError
        As :func:`read_members`; tensors that are not those of the settings, or not finite.
    """
    from torch import nn

    settings, single = read_members(path), "members" not in read_stored(path, MISSING)

    def build() -> nn.Module:
        networks = [one.build() for one in settings]
        return networks[0] if single else nn.ModuleList(networks)

    state = load_state(path, build, "segmentation")
    network = build()
    network.load_state_dict(state)
    networks = [network] if single else list(network.children())
    return [(one.eval(), its) for one, its in zip(networks, settings, strict=True)]  # type: ignore[misc]


def load_unet(path: Path) -> Member:
    """The stored network, of an ensemble the first one, as :func:`load_members`."""
    return load_members(path)[0]


def load_student(path: Path, modality: str) -> list[Member]:
    """:func:`load_members` of networks that can do with this one modality.

    Raises
    ------
    WeightsError
        Also for networks that need anything else.
    """
    members = load_members(path)
    if not reads_alone(path, modality):
        raise WeightsError(
            f"{path.name}: a segmentation network that reads {modality} is required, this one reads "
            f"{', '.join(members[0][1].modalities)}"
        )
    return members


def reads_alone(path: Path, modality: str) -> bool:
    """Whether the networks in a file can do with this one modality; neither tensors nor torch are loaded.

    Raises
    ------
    WeightsError
        As :func:`read_modalities`.
    """
    read = read_modalities(path)
    return read == (modality,) or (modality in read and reads_subsets(path))


def reads_subsets(path: Path) -> bool:
    """Whether the networks in a file read any subset of their modalities; as :func:`reads_alone`."""
    stored = read_stored(path, MISSING)
    members = stored.get("members", [stored])
    return all(isinstance(each, dict) and each.get("subsets") is True for each in members)
