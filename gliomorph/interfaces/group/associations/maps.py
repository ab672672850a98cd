"""One test of the lesions against a variable: maps, what their sidecars say, and significant clusters.

Lesion volume is a covariate of ``glm`` and ``cox``, beside columns that were asked for. The tests of groups and the
log-rank test take no covariates, and permutations are not restricted to strata of volume: where lesions of one group
are larger, they are found everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import attrs
import numpy as np

from ....models.statistics import (
    COVARIATES,
    PARTIAL_COVERAGE,
    Cluster,
    LesionBits,
    Patterns,
    VoxelTest,
    false_discovery_rate,
    find_clusters,
    permutation_test,
    tfce_of_patterns,
    voxel_test,
)
from .facts import TestFacts
from .hazards import EffectMaps, hazard_maps
from .masks import LesionMasks
from .options import TestOptions
from .samples import Sample
from .words import AssociationError

MEMORY_MB = 64
"""Size of one block of permuted statistics: what they are made of takes a few times as much."""
PEAK_EFFECTS = (
    ("hazardratio", "hazard_ratio"),
    ("hazardratiolow", "hazard_ratio_low"),
    ("hazardratiohigh", "hazard_ratio_high"),
)
"""Keys of maps and of columns."""


@attrs.frozen(kw_only=True, eq=False)
class AssociationMaps:
    """The result of a test."""

    maps: Mapping[str, np.ndarray]
    """(X, Y, Z) float32. 0 where nothing was tested: ``z`` or ``t``; ``logp``, −log10 of the corrected p; ``count``,
    participants lesioned; ``tfce`` where it was asked for. NaN there: ``difference`` and ``oddsratio`` of groups, and
    also where fewer than the smallest cell of either group are lesioned; of ``cox`` those of
    :func:`~gliomorph.interfaces.group.associations.hazards.hazard_maps`."""
    facts: TestFacts
    clusters: list[dict[str, Any]]
    """Rows of the table of significant clusters."""
    notices: tuple[str, ...]


def association_maps(sample: Sample, masks: LesionMasks, options: TestOptions) -> AssociationMaps:
    """Test every voxel.

    Parameters
    ----------
    sample : Sample
        Its participants have masks.
    masks : LesionMasks
    options : TestOptions

    Returns
    -------
    result : AssociationMaps
        The same for any order of participants and any number of threads.

    Raises
    ------
    AssociationError
        If no voxel can be tested, or the variable cannot be: the same volume for all, a number that the
        covariates explain, covariates that explain one another, events all at one time.
    """
    word, columns = sample.association.word, [masks.participants.index(name) for name in sample.participants]
    voxels, bits, uncovered, notices = _select(sample, masks, columns, options)
    patterns = bits.patterns()
    names, covariates = _covariates(sample, masks, columns, options)
    try:
        test = voxel_test(sample.association.kind, patterns, sample.values, sample.events, covariates)
    except ValueError as error:
        told = f" ({', '.join(names)})" * bool(names)
        raise AssociationError(f"{word}: {error}{told}") from error
    compared, p, warning = _corrected(
        test, patterns, masks.volume(np.ones(len(voxels), bool), voxels), options
    )
    significant = p <= options.alpha
    clusters = find_clusters(masks.volume(compared, voxels), masks.volume(significant, voxels))
    places = masks.volume(patterns.inverse, voxels)
    peaks = [int(places[cluster.peak]) for cluster in clusters]
    effects = _effects(test, patterns, sample, covariates, significant, peaks, options.min_cell)
    values = {
        test.scale: patterns.expand(test.observed),
        # exact p of a large cohort may be too small for a number
        "logp": -np.log10(np.maximum(p, np.finfo(float).tiny)),
        "count": patterns.expand(patterns.lesions),
        **({"tfce": compared} if options.tfce else {}),
    }
    maps = {
        name: masks.volume(found.astype(np.float32), voxels, np.nan if name in effects.maps else 0)
        for name, found in (values | dict(effects.maps)).items()
    }
    facts = TestFacts(
        association=sample.association,
        options=options,
        positive=sample.positive,
        participants=len(sample.participants),
        sizes=sample.sizes,
        left_out={reason: len(left_out) for reason, left_out in sample.left_out.items()},
        covariates=names,
        voxels=len(voxels),
        patterns=len(patterns),
        uncovered=uncovered,
        clusters=len(clusters),
        effects=effects.facts,
        warning=warning,
    )
    return AssociationMaps(
        maps=maps,
        facts=facts,
        clusters=_cluster_rows(maps, clusters, masks, test.scale),
        notices=(
            *sample.notices,
            *notices,
            *([f"{word}: {warning}"] if warning else []),
            *([effects.notice] if effects.notice else []),
        ),
    )


def _effects(
    test: VoxelTest,
    patterns: Patterns,
    sample: Sample,
    covariates: np.ndarray | None,
    significant: np.ndarray,
    peaks: list[int],
    min_cell: int,
) -> EffectMaps:
    """Sizes of what was tested, where the test has any."""
    if sample.association.kind == "cox":
        return hazard_maps(patterns, sample, covariates, test.observed, significant, peaks, min_cell)
    if not test.effects:
        return EffectMaps(maps={}, facts={})
    visible = _enough_in_both(patterns, sample.values, min_cell)
    return EffectMaps(
        maps={
            name: patterns.expand(np.where(visible, found, np.nan)) for name, found in test.effects.items()
        },
        facts={"WithheldVoxels": int((~patterns.expand(visible)).sum())},
    )


def _covariates(
    sample: Sample, masks: LesionMasks, columns: list[int], options: TestOptions
) -> tuple[tuple[str, ...], np.ndarray | None]:
    """Names and values, (N, q): lesion volume first; no values of a test that takes no covariates."""
    if sample.association.kind not in COVARIATES:
        return (), None
    if not options.volume:
        return sample.covariates.names, sample.covariates.values if sample.covariates.names else None
    volumes = masks.volumes_ml[columns]
    if np.ptp(volumes) == 0:
        raise AssociationError(
            f"{sample.association.word}: lesion volumes have to differ between participants to be a covariate, got "
            f"{volumes[0]:g} ml for all: leave the covariate out"
        )
    what = "lesion" if options.region == "WT" else options.region
    names = f"{what} volume in template space (ml)", *sample.covariates.names
    return names, np.column_stack([volumes, sample.covariates.values])


def _select(
    sample: Sample, masks: LesionMasks, columns: list[int], options: TestOptions
) -> tuple[np.ndarray, LesionBits, int, list[str]]:
    """Flat voxels that are tested, their lesions, and how many are not for lack of coverage, also in words."""
    word, count = sample.association.word, len(columns)
    of_groups = sample.association.kind in PARTIAL_COVERAGE
    least = max(1, int(np.ceil(options.min_coverage * count))) if of_groups else count
    select = partial(
        masks.bits.select, columns, min_lesions=options.min_lesions, min_spared=options.min_lesions
    )
    group = sample.values == 1 if of_groups else None
    selected, bits = select(min_coverage=least, group=group, min_group=options.min_cell)
    uncovered = int(select(min_coverage=0)[0].sum() - selected.sum())
    reason = (
        f"covered by fewer than {least} of {count} participants"
        + f", or by fewer than {options.min_cell} of a group" * of_groups
    )
    if not selected.any():
        raise AssociationError(
            f"{word}: voxels with a lesion in at least {options.min_lesions} of {count} participants, and none in as "
            f"many, are required, there is none{f'; {uncovered} are {reason}' * (uncovered > 0)}: add participants, or "
            "lower the minimum of lesions"
        )
    notices = [f"{word}: {uncovered} voxels are not tested, {reason}"] if uncovered else []
    return masks.voxels[selected], bits, uncovered, notices


def _enough_in_both(patterns: Patterns, group: np.ndarray, min_cell: int) -> np.ndarray:
    """(U,) bool: where difference and odds ratio tell of no fewer participants than frequencies of strata do."""
    if min_cell == 1:
        return np.ones(len(patterns), bool)
    inside = np.rint(patterns.sums(group))
    return (inside >= min_cell) & (patterns.lesions - inside >= min_cell)


def _corrected(
    test: VoxelTest, patterns: Patterns, inside: np.ndarray, options: TestOptions
) -> tuple[np.ndarray, np.ndarray, str]:
    """What is compared, its corrected p, both (V,), and a warning."""
    if options.correction == "fdr":
        found = false_discovery_rate(patterns.expand(test.p), patterns.subjects)
        return patterns.expand(test.observed), found.q, found.warning
    # voxels are in the order of the file, x fastest: the C order of the transposed mask
    enhance = tfce_of_patterns(patterns, inside.T) if options.tfce else None
    result = permutation_test(
        test.statistic,
        patterns.subjects,
        permutations=options.permutations,
        seed=options.seed,
        enhance=enhance,
        memory_mb=MEMORY_MB,
        workers=options.threads,
    )
    if options.tfce:
        return result.observed, result.p_fwer, ""
    return patterns.expand(result.observed), patterns.expand(result.p_fwer), ""


def _cluster_rows(
    maps: Mapping[str, np.ndarray], clusters: Sequence[Cluster], masks: LesionMasks, scale: str
) -> list[dict[str, Any]]:
    voxel_ml = float(np.prod(masks.template.GetSpacing())) / 1000
    rows = []
    for number, cluster in enumerate(clusters, start=1):
        x, y, z = masks.template.TransformIndexToPhysicalPoint(cluster.peak)
        rows.append(
            {
                "cluster": number,
                "peak_x_mm": -x,
                "peak_y_mm": -y,
                "peak_z_mm": z,
                "volume_ml": cluster.voxels * voxel_ml,
                "statistic": scale,
                "peak_statistic": float(maps[scale][cluster.peak]),
                "peak_p_corrected": float(10 ** -maps["logp"][cluster.peak]),
                "peak_lesions": int(maps["count"][cluster.peak]),
                **{
                    f"peak_{name}": float(maps[key][cluster.peak])
                    for key, name in PEAK_EFFECTS
                    if key in maps
                },
            }
        )
    return rows
