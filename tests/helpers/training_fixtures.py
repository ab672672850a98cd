"""Fixtures of the tests of whole trainings, which ask for this module as a plugin of pytest.

What takes long is made once for all of them.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import trainings
from training_checks import EPOCHS
from trainings import options_of

from gliomorph.training.segmentation import train as train_segmentation
from gliomorph.training.segmentation.data import prepare


@pytest.fixture(scope="session")
def training_bids(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven subjects, read only."""
    return trainings.write_dataset(tmp_path_factory.mktemp("data") / "bids")


@pytest.fixture(scope="session")
def finished_trainings() -> dict[str, Path]:
    """Folders of trainings that nothing disturbed, by kind of patients, as they come."""
    return {}


@pytest.fixture(scope="module", params=["dataset", "simulated"])
def patients(request: pytest.FixtureRequest) -> str:
    """Which: those of a dataset, or simulated ones."""
    return str(request.param)


@pytest.fixture(scope="module")
def source(patients: str, training_bids: Path, template_home: Path) -> dict[str, Any]:
    """Options and engine of a training on each kind of patients."""
    if patients == "dataset":
        return {"options": options_of(training_bids, epochs=EPOCHS)}
    return {"options": options_of(epochs=EPOCHS), "engine": trainings.engine_from(template_home)}


@pytest.fixture(scope="module")
def done(
    patients: str,
    source: dict[str, Any],
    finished_trainings: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The folder of a training that nothing disturbed; read only."""
    if patients not in finished_trainings:
        folder = tmp_path_factory.mktemp("done") / "out"
        trainings.run(**source, folder=folder)
        finished_trainings[patients] = folder
    return finished_trainings[patients]


@pytest.fixture(scope="session")
def prepared_scans() -> dict[tuple[str, ...], dict[str, list[Path]]]:
    """The dataset's prepared scans by channels."""
    return {}


@pytest.fixture
def quick(
    training_bids: Path,
    prepared_scans: dict[tuple[str, ...], dict[str, list[Path]]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pictures are not drawn, and the dataset is prepared once: only :func:`done` leaves nothing out."""

    def prepared(
        bids: Path, masks: Any, channels: tuple[str, ...], mm: float, folder: Path, report: Any
    ) -> Any:
        if bids != training_bids or channels not in prepared_scans:
            files = prepare(bids, masks, channels, mm, folder, report)
            if bids == training_bids:
                copies = shutil.copytree(folder, training_bids.parent / "-".join(channels))
                prepared_scans[channels] = {
                    name: [copies / path.name for path in paths] for name, paths in files.items()
                }
            return files
        folder.mkdir(exist_ok=True)
        return {
            name: [Path(shutil.copy(path, folder)) for path in paths]
            for name, paths in prepared_scans[channels].items()
        }

    def blank(heads: list[object], title: str, path: Path) -> Path:
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{title}: {len(heads)}")
        return path

    monkeypatch.setattr(train_segmentation, "prepare", prepared)
    monkeypatch.setattr(train_segmentation, "draw_examples", blank)
