"""Tasks of an array in processes that live through many rounds: whole runs, but for what a scan's graph computes."""

from __future__ import annotations

import io
import json
import os
import traceback
from pathlib import Path
from typing import Any

from fileformats.generic import File
from one_process import in_this_process
from pydra.compose import python, workflow
from rich.console import Console

from gliomorph.config.settings import Settings
from gliomorph.interfaces.derivatives.publish import Publication
from gliomorph.interfaces.files.images import write_text
from gliomorph.workflows import run
from gliomorph.workflows.checks.validation import check_folders
from gliomorph.workflows.engine.pool import PoolWorker
from gliomorph.workflows.scan import participants


@python.define(outputs={"size": int})
def Read(image: File, template: File) -> int:
    """Size of an image; its key and the template's go through the hash cache."""
    return Path(image).stat().st_size + Path(template).stat().st_size


@python.define(outputs={"published": int})
def Record(size: int, plan: Publication, run: str) -> int:
    """What says that a scan is done."""
    out = Path(plan.out_dir)
    write_text(f"<p>{size}</p>", out / plan.names.report)
    for method, key in plan.keys.items():
        content = {"method": method, "quality": {}, "key": key, "page_key": plan.page_key}
        content["outputs"] = [plan.names.report]
        write_text(json.dumps(content), out / plan.names.registration(method))
    return 1


@workflow.define(outputs={"published": int})
def Scan(image: File, template: File, plan: Publication, run: str) -> int:
    """Two stages in place of a scan's graph."""
    scan = plan.names.label
    size = workflow.add(Read(image=image, template=template), name=f"read@{scan}")
    return workflow.add(Record(size=size.size, plan=plan, run=run), name=f"record@{scan}").published


def stub_graph(**inputs: Any) -> Any:
    """:func:`Scan` from the inputs of a scan's graph."""
    files = {"image": inputs["inputs"].image, "template": inputs["template"].image}
    return Scan(**files, plan=inputs["plan"], run=inputs["run"])


def task(root: Path, subject: str, rounds: int, barrier: Any, answers: Any) -> None:
    """One subject in every round, each over a new output folder that the other tasks share; to be spawned.

    Parameters
    ----------
    root : Path
        Holds ``bids`` and ``templates``.
    subject : str
    rounds : int
    barrier, answers
        Of :mod:`multiprocessing`: all tasks start a round together; ``(subject, round, code, text)``.
    """
    participants.ScanGraph = stub_graph
    PoolWorker.run = in_this_process  # type: ignore[method-assign]
    for number in range(rounds):
        settings = Settings.of(
            bids_dir=root / "bids",
            output_dir=root / f"out-{number}",
            work_dir=root / f"work-{number}",
            participants=[subject],
            derivatives={"masks": root / "bids" / "derivatives" / "masks"},
            template="Tiny",
            template_dirs=[root / "templates"],
            resolution=4,
            registration=["affine"],
            nprocs=1,
            omp_nthreads=1,
            mem_gb=4,
            gpu="none",
            skip_bids_validation=True,
            clean_workdir=number % 2 == 1,
        )
        console = Console(file=io.StringIO(), soft_wrap=True)
        barrier.wait(60)
        try:
            os.environ["PYDRA_HASH_CACHE"] = str(settings.resources.work_dir / "hashes")
            check_folders(settings.output_dir, settings.resources.work_dir)
            code = run.run(settings, ["gliomorph"], console)
        except Exception:
            code = 2
            console.print(traceback.format_exc())
        answers.put((subject, number, code, console.file.getvalue()))  # type: ignore[attr-defined]
