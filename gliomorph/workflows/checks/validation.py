"""Checks before a run: is the input BIDS, can the folders be written, is there room, is there a GPU."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...config.option import SettingsError
from ...config.processing import Processing
from ...config.resources import Resources
from ...interfaces.machine.device import choose_device
from ...interfaces.networks.files import card_of


def validate_bids(bids_dir: Path) -> list[str]:
    """Errors that ``bids-validator-deno`` finds in a dataset.

    Returns
    -------
    per_file : list of str
        Errors of single subjects' files, which keep only their own scan from running.

    Raises
    ------
    SettingsError
        Errors of the dataset as a whole, or no validator.
    """
    issues = [issue for issue in validator_issues(bids_dir) if issue.get("severity") == "error"]
    per_file: list[str] = []
    whole: list[str] = []
    for issue in issues:
        where = str(issue.get("location", ""))
        text = f"{where or 'dataset'}: {issue.get('code')} {issue.get('subCode') or ''}".strip()
        (per_file if where.startswith("/sub-") else whole).append(text)
    if whole:
        listed = "\n  ".join(whole[:10])
        raise SettingsError(
            f"{bids_dir} is not a valid BIDS dataset:\n  {listed}\n"
            "Mend it, or leave this check out with --skip-bids-validation"
        )
    return per_file


def validator_issues(folder: Path) -> list[dict[str, Any]]:
    """What ``bids-validator-deno`` says of a folder, warnings left out."""
    beside = Path(sys.executable).with_name("bids-validator-deno")
    tool = str(beside) if beside.exists() else shutil.which("bids-validator-deno")
    if tool is None:
        raise SettingsError("bids-validator-deno is not installed: pip install it, or --skip-bids-validation")
    command = [tool, str(folder), "--format", "json", "--ignoreWarnings"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        issues: list[dict[str, Any]] = json.loads(done.stdout)["issues"]["issues"]
    except (ValueError, KeyError) as error:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no output"]
        raise SettingsError(f"bids-validator-deno failed on {folder}: {last[0]}") from error
    return issues


def check_folders(output_dir: Path, work_dir: Path) -> None:
    """Output and work folders can be made and written.

    Raises
    ------
    SettingsError
    """
    for name, folder in (("output_dir", output_dir), ("the work directory", work_dir)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # a name of its own: processes on several machines, or in several containers, may have one number
            with tempfile.TemporaryFile(prefix=".probe-", dir=folder) as probe:
                probe.write(bytes(1 << 16))  # a full disk still has room for names
                probe.flush()
        except OSError as error:
            raise SettingsError(f"{name} {folder} cannot be written: {error.strerror}") from error


def check_gpu(resources: Resources, worker: str) -> None:
    """A GPU that was asked for is there, where the work is done on this machine.

    Raises
    ------
    SettingsError
        There is none.
    """
    if not resources.needs_gpu or worker != "pool":  # others look for it where they run
        return
    words = " ".join(resources.gpu)
    try:
        choose_device("all")
    except RuntimeError as error:
        raise SettingsError(
            f"--gpu {words}: torch sees no CUDA device here; use --gpu auto or --gpu none"
        ) from error


def network_notices(processing: Processing, modality: str) -> list[str]:
    """What the model cards of the requested methods' networks do not vouch for: another template or modality.

    Returns
    -------
    notices : list of str
        None of a network without a card, whatever it was trained for.
    """
    notices = []
    for method, path in processing.networks.items():
        templates, modalities = _trained_for(card_of(path) or {})
        for what, known, used in (
            ("template", templates, processing.template),
            ("modality", modalities, modality),
        ):
            if known and used not in known:
                notices.append(
                    f"{method}: its network ({path.name}) was trained for {' and '.join(known)}; its answer "
                    f"for another {what}, {used}, was not measured: {_way_out(processing.refinement(method))}"
                )
    return notices


def _trained_for(card: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """Templates and modalities that a card names."""
    templates, read = card.get("templates"), card.get("input")
    dicts = [each for each in templates if isinstance(each, dict)] if isinstance(templates, list) else []
    modalities = read.get("modalities") if isinstance(read, dict) else None
    return _words([each.get("name") for each in dicts]), _words(modalities)


def _words(value: Any) -> list[str]:
    """The words of a list. Cards are not trusted: anything else is ignored, and so is what drives a terminal."""
    found = value if isinstance(value, list) else []
    return [word for word in found if isinstance(word, str) and word.isprintable()]


def _way_out(refine: int) -> str:
    follows = f"{refine} iterations of --refine follow" if refine else "--refine N lets N iterations follow"
    return f"{follows} it on each pair, and --registration metamorphosis does without a network"


def summary_of(issues: Sequence[str], most: int = 5) -> list[str]:
    """The first few of many messages."""
    rest = len(issues) - most
    return [*issues[:most], *([f"… and {rest} more"] if rest > 0 else [])]
