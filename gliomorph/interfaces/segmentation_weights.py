"""Segmentation networks on disk, and those that come with gliomorph."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .stored_network import WeightsError, load_state, read_stored, settings_from, write_network

if TYPE_CHECKING:
    from ..models.unet import SegmentationSettings, UNet

SHIPPED = Path(__file__).parents[1] / "models" / "weights"
"""``student-<modality>.safetensors``, each with its model card beside it."""

MISSING = (
    "no segmentation network of gliomorph in it; a registration network is given with --registration-weights"
)


def shipped_student(modality: str) -> Path | None:
    """The student for a modality that comes with gliomorph, if there is one."""
    path = SHIPPED / f"student-{modality}.safetensors"
    return path if path.is_file() else None


def write_unet(network: UNet, settings: SegmentationSettings, path: Path) -> Path:
    """Store a network with its settings in a ``.safetensors`` file; returns its path."""
    return write_network(network, "unet", settings, path)


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


def read_unet_settings(path: Path) -> SegmentationSettings:
    """The settings of the segmentation network that a file says it holds; its tensors are not loaded.

    Raises
    ------
    WeightsError
        Not a safetensors file, no segmentation network in it, or settings that this version cannot use.
    """
    from ..models.unet import SegmentationSettings

    read_modalities(path)
    stored = read_stored(path, MISSING)
    settings: SegmentationSettings = settings_from(stored, SegmentationSettings, path)
    return settings


def load_unet(path: Path) -> tuple[UNet, SegmentationSettings]:
    """The stored network, on the CPU, in evaluation mode.

    Raises
    ------
    WeightsError
        As :func:`read_unet_settings`; tensors that are not those of the settings, or not finite.
    """
    settings = read_unet_settings(path)
    state = load_state(path, settings.build, "segmentation")
    network = settings.build()
    network.load_state_dict(state)
    return network.eval(), settings


def load_student(path: Path, modality: str) -> tuple[UNet, SegmentationSettings]:
    """:func:`load_unet` of a network that reads this one modality.

    Raises
    ------
    WeightsError
        Also for a network that reads anything else.
    """
    network, settings = load_unet(path)
    if settings.modalities != (modality,):
        raise WeightsError(
            f"{path.name}: a segmentation network that reads {modality} is required, this one reads "
            f"{', '.join(settings.modalities)}"
        )
    return network, settings
