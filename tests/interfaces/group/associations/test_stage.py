"""Tests of lesions as a stage: planted effects are found where they are, chance is not; results are reproducible."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import attrs
import lifelines
import numpy as np
import pandas as pd
import pytest
import SimpleITK as sitk
import statsmodels.api as sm
from lesion_tables import PLANTED, SIZE, SUBJECTS, LesionTable, write_lesion_table

from gliomorph import __version__
from gliomorph.interfaces.files.images import from_array, read_image, to_array, write_image
from gliomorph.interfaces.group.associations.options import TestOptions
from gliomorph.interfaces.group.associations.stage import CLUSTERS, Associate, associate, read_samples
from gliomorph.interfaces.group.associations.words import AssociationError, parse_associations

EFFECTS = ("adiffi:group=mutant", "liebermeister:mood", "glm:age", "logrank:days,dead", "cox:days,dead")
NULL = ("adiffi:chance", "liebermeister:chance", "glm:number", "logrank:number2", "cox:number2")
FEW = {"permutations": 199}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> LesionTable:
    return write_lesion_table(tmp_path_factory.mktemp("cohort"))


class Answer(NamedTuple):
    """What the stage gives: maps, the content of their sidecars, tables by label, notices."""

    maps: dict[str, Any]
    facts: dict[str, dict[str, Any]]
    clusters: dict[str, Any]
    notices: list[str]


def asked(words: Sequence[str], cohort: LesionTable, kinds: Sequence[str] = (), **options: Any) -> Answer:
    files, facts, notices = associate(
        parse_associations(words),
        cohort.table,
        cohort.group_scans(kinds),
        cohort.template,
        TestOptions(**FEW | options),
    )
    tables = {key.removesuffix("/clusters"): file for key, file in files.items() if key.endswith("clusters")}
    maps = {key: file for key, file in files.items() if not key.endswith("clusters")}
    content = {key: facts[key.split("/")[0]].of_map(key.split("/")[1]).content for key in maps}
    return Answer(maps, content, tables, notices)


def run(cohort: LesionTable, words: list[str], order: list[int] | None = None, **options: Any) -> Answer:
    chosen = order or range(len(cohort.scans))
    mixed = attrs.evolve(
        cohort,
        scans=[cohort.scans[i] for i in chosen],
        tumors=[cohort.tumors[i] for i in chosen],
        coverages=[cohort.coverages[i] for i in chosen],
    )
    return asked(words, mixed, **options)


def rows(path: Any) -> list[dict[str, str]]:
    with Path(path).open(newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t"))


def array(path: Any) -> np.ndarray:
    return to_array(read_image(Path(path)))


def is_planted(row: dict[str, str], grid: sitk.Image) -> bool:
    x, y, z = (float(row[f"peak_{axis}_mm"]) for axis in "xyz")
    index = grid.TransformPhysicalPointToIndex((-x, -y, z))
    return all(side.start <= i < side.stop for i, side in zip(index, PLANTED, strict=True))


@pytest.mark.parametrize("word", EFFECTS)
def test_a_planted_effect_is_found_at_its_place(cohort: LesionTable, here: Path, word: str) -> None:
    maps, facts, clusters, _ = run(cohort, [word])
    (label,) = clusters
    found = rows(clusters[label])
    assert len(found) == 1 and is_planted(found[0], cohort.grid)
    assert float(found[0]["peak_statistic"]) > 3 and float(found[0]["peak_p_corrected"]) <= 0.05
    assert float(found[0]["volume_ml"]) == pytest.approx(27 * 0.064, rel=0.3)
    significant = array(maps[f"{label}/logp"]) >= -np.log10(0.05)
    assert significant[PLANTED].mean() > 0.9
    scale = "t" if word.startswith("glm") else "z"
    assert found[0]["statistic"] == scale and f"{label}/{scale}" in maps
    assert facts[f"{label}/{scale}"]["SignificantClusters"] == 1


def test_the_other_group_gives_the_opposite_sign(cohort: LesionTable, here: Path) -> None:
    maps, _, _, _ = run(cohort, ["adiffi:group=mutant", "adiffi:group=wildtype"], min_cell=1)
    for key in ("z", "difference"):
        one, other = (array(maps[f"adiffigroup{group}/{key}"]) for group in ("mutant", "wildtype"))
        np.testing.assert_allclose(one, -other, atol=1e-6, equal_nan=True)
    tested = array(maps["adiffigroupmutant/count"]) > 0
    for effect in ("difference", "oddsratio"):
        np.testing.assert_array_equal(np.isfinite(array(maps[f"adiffigroupmutant/{effect}"])), tested)
    assert array(maps["adiffigroupmutant/difference"])[3, 9, 4] > 0.5
    assert array(maps["adiffigroupmutant/oddsratio"])[3, 9, 4] > 10


def test_effects_are_withheld_where_few_of_either_group_are_lesioned(cohort: LesionTable, here: Path) -> None:
    maps, facts, *_ = run(cohort, ["adiffi:chance"], min_cell=3)
    with cohort.table.open(newline="") as lines:
        inside = np.array([row["chance"] == "B" for row in csv.DictReader(lines, delimiter="\t")])
    lesions = np.stack([array(path) > 0 for path in cohort.tumors])
    tested = array(maps["adiffichance/count"]) > 0
    enough = (lesions[inside].sum(axis=0) >= 3) & (lesions[~inside].sum(axis=0) >= 3)
    assert (tested & enough).any() and (tested & ~enough).any()
    for effect in ("difference", "oddsratio"):
        np.testing.assert_array_equal(np.isfinite(array(maps[f"adiffichance/{effect}"])), tested & enough)
    assert facts["adiffichance/difference"]["WithheldVoxels"] == (tested & ~enough).sum()


def test_without_an_effect_there_is_no_cluster(cohort: LesionTable, here: Path, tmp_path: Path) -> None:
    text = cohort.table.read_text().splitlines()
    numbers = np.random.default_rng(5).exponential(100, SUBJECTS)
    table = tmp_path / "participants.tsv"
    table.write_text(
        "\n".join([text[0] + "\tnumber2", *(f"{a}\t{b:.0f}" for a, b in zip(text[1:], numbers, strict=True))])
    )
    *_, clusters, _ = asked(NULL, attrs.evolve(cohort, table=table))
    assert len(clusters) == len(NULL)
    for path in clusters.values():
        assert Path(path).read_text() == "\t".join(CLUSTERS) + "\n"


def test_the_order_of_scans_and_rows_and_threads_change_no_byte(
    cohort: LesionTable, here: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    words = ["adiffi:mood", "cox:days,dead"]

    def digests(order: list[int], **options: Any) -> list[str]:
        folder = tmp_path / str(order[0])
        folder.mkdir()
        monkeypatch.chdir(folder)
        maps, facts, clusters, notices = run(cohort, words, order, **options)
        files = [
            hashlib.sha256(Path(f).read_bytes()).hexdigest() for f in (*maps.values(), *clusters.values())
        ]
        return [*files, json.dumps(facts), *notices]

    mixed = np.random.default_rng(1).permutation(SUBJECTS).tolist()
    assert digests(list(range(SUBJECTS))) == digests(mixed, threads=2)


def test_sidecars_say_how_a_map_was_made(cohort: LesionTable, here: Path) -> None:
    maps, facts, _, _ = run(cohort, ["adiffi:group", "glm:age"], seed=3)
    assert set(facts) == set(maps)
    assert facts["adiffigroup/difference"]["Description"] == (
        "Difference of lesion frequencies: group = 'wildtype' minus group = 'mutant'; NaN where nothing was tested "
        "or fewer than 5 of either group are lesioned"
    )
    known = facts["adiffigroup/logp"]
    assert known["Description"] == (
        "-log10 of the p of the statistic, corrected by permutations; 0 where nothing was tested"
    )
    assert known["Column"] == "group" and known["Word"] == "adiffi:group"
    assert (
        known["PositiveStatistic"] == "lesioned more often with group = 'wildtype' than with group = 'mutant'"
    )
    assert known["SampleSize"] == SUBJECTS == sum(known["GroupSizes"].values())
    assert (known["Permutations"], known["Seed"], known["Threshold"]) == (199, 3, 0.05)
    assert (known["MinimumLesions"], known["MinimumCoverage"], known["MinimumCell"]) == (5, 0.5, 5)
    assert known["LeftOut"] == {} and known["Covariates"] == []
    assert known["SoftwareVersion"] == __version__
    assert [text.split()[0] for text in known["References"]] == ["Ellingson", "Nichols"]
    assert known["TestedVoxels"] == (array(maps["adiffigroup/count"]) > 0).sum()
    assert facts["glmage/t"]["Covariates"] == ["lesion volume in template space (ml)"]
    assert facts["glmage/t"]["MinimumCoverage"] == 1.0
    assert "sub-" not in json.dumps(facts)


def test_tested_are_voxels_with_enough_lesions(cohort: LesionTable, here: Path) -> None:
    maps, *_ = run(cohort, ["adiffi:group"], min_lesions=7)
    count = np.sum([array(path) > 0 for path in cohort.tumors], axis=0)
    np.testing.assert_array_equal(array(maps["adiffigroup/count"]), np.where(count >= 7, count, 0))
    assert not array(maps["adiffigroup/z"])[count < 7].any()


def with_blind(cohort: LesionTable, folder: Path, blind: int) -> LesionTable:
    """The first participants do not see the half with the planted lesion."""
    seen = np.ones(SIZE, np.uint8)
    seen[:6] = 0
    half = write_image(from_array(seen, cohort.grid), folder / "half.nii.gz")
    return attrs.evolve(cohort, coverages=[half] * blind + cohort.coverages[blind:])


def test_tests_of_groups_require_a_share_of_the_fields_of_view(
    cohort: LesionTable, here: Path, tmp_path: Path
) -> None:
    partly = with_blind(cohort, tmp_path, 16)
    maps, *_, notices = run(partly, ["adiffi:mood"], min_coverage=0.6)
    count = array(maps["adiffimood/count"])
    seen = sum(array(path)[PLANTED] for path in cohort.tumors[16:])
    # lesions outside of a field of view do not count
    np.testing.assert_array_equal(count[PLANTED], seen)
    assert not any("not tested" in text for text in notices)
    maps, *_, notices = run(partly, ["adiffi:mood"], min_coverage=0.61)
    assert not array(maps["adiffimood/count"])[:6].any()
    (told,) = [text for text in notices if "not tested" in text]
    assert "covered by fewer than 25 of 40 participants" in told


def test_other_tests_require_everybody(cohort: LesionTable, here: Path, tmp_path: Path) -> None:
    maps, *_, notices = run(with_blind(cohort, tmp_path, 1), ["logrank:days,dead"], min_coverage=0.1)
    assert (
        not array(maps["logrankdaysdead/count"])[:6].any() and array(maps["logrankdaysdead/count"])[6:].any()
    )
    assert any("covered by fewer than 40 of 40 participants" in text for text in notices)


def test_the_false_discovery_rate_warns_of_few_participants(cohort: LesionTable, here: Path) -> None:
    _, facts, clusters, notices = run(cohort, ["liebermeister:mood", "glm:age"], correction="fdr")
    assert sum("40 subjects are few" in text for text in notices) == 2
    known = facts["liebermeistermood/logp"]
    assert "40 subjects are few" in known["Warning"] and "Permutations" not in known
    assert known["References"][1].startswith("Benjamini")
    assert all(is_planted(rows(path)[0], cohort.grid) for path in clusters.values())


def test_tfce_finds_the_planted_effect(cohort: LesionTable, here: Path) -> None:
    maps, facts, clusters, _ = run(cohort, ["glm:age"], tfce=True, permutations=39)
    assert is_planted(rows(clusters["glmage"])[0], cohort.grid)
    enhanced = array(maps["glmage/tfce"])
    assert enhanced[PLANTED].max() == enhanced.max()
    assert facts["glmage/tfce"]["TFCE"] and facts["glmage/tfce"]["References"][-1].startswith("Smith")


def test_lesion_volume_can_be_left_out(cohort: LesionTable, here: Path) -> None:
    adjusted = array(run(cohort, ["glm:age"])[0]["glmage/t"])
    maps, facts, *_ = run(cohort, ["glm:age"], volume=False)
    assert facts["glmage/t"]["Covariates"] == []
    assert (adjusted != array(maps["glmage/t"])).any()


def test_covariates_enter_the_model_beside_lesion_volume(
    cohort: LesionTable, here: Path, tmp_path: Path
) -> None:
    maps, facts, *_ = run(cohort, ["glm:age"], covariates=["number", "chance"])
    names = ["lesion volume in template space (ml)", "number", "chance (1: 'B', 0: 'A')"]
    assert facts["glmage/t"]["Covariates"] == names
    table = pd.read_csv(cohort.table, sep="\t")
    lesions = np.stack([array(path) > 0 for path in cohort.tumors])
    volume = lesions.sum(axis=(1, 2, 3))
    fixed = np.column_stack([np.ones(SUBJECTS), volume, table["number"], table["chance"] == "B"]).astype(
        float
    )
    voxels = np.argwhere(array(maps["glmage/count"]) > 0)[::40]
    for voxel in map(tuple, voxels):
        design = np.column_stack([lesions[:, *voxel], fixed]).astype(float)
        wanted = sm.OLS(table["age"].to_numpy(), design).fit().tvalues[0]
        assert array(maps["glmage/t"])[voxel] == pytest.approx(wanted, rel=1e-5, abs=1e-5)


def test_significant_voxels_of_a_cox_test_have_the_hazard_ratios_of_lifelines(
    cohort: LesionTable, here: Path
) -> None:
    maps, facts, clusters, _ = run(cohort, ["cox:days,dead"], covariates=["number"])
    ratio, low, high = (array(maps[f"coxdaysdead/hazardratio{end}"]) for end in ("", "low", "high"))
    fitted = np.isfinite(ratio)
    significant = array(maps["coxdaysdead/logp"]) >= -np.log10(0.05)
    assert fitted.any() and not (fitted & ~significant).any()
    known = facts["coxdaysdead/z"]["HazardRatios"]
    assert known["Voxels"] == fitted.sum() == significant.sum() - sum(known["LeftOut"].values())
    table = pd.read_csv(cohort.table, sep="\t")
    lesions = np.stack([array(path) > 0 for path in cohort.tumors])
    z = np.abs(array(maps["coxdaysdead/z"]))
    peak = np.unravel_index(np.argmax(np.where(fitted, z, 0)), z.shape)
    data = pd.DataFrame(
        {
            "t": table["days"],
            "e": table["dead"],
            "number": table["number"],
            "volume": lesions.sum(axis=(1, 2, 3)),
            "lesion": lesions[:, *peak],
        }
    ).astype(float)
    row = lifelines.CoxPHFitter().fit(data, "t", "e").summary.loc["lesion"]
    for found, column in ((ratio, "exp(coef)"), (low, "exp(coef) lower 95%"), (high, "exp(coef) upper 95%")):
        assert found[peak] == pytest.approx(row[column], rel=1e-4)
    (cluster,) = rows(clusters["coxdaysdead"])
    assert float(cluster["peak_hazard_ratio"]) == pytest.approx(row["exp(coef)"], rel=1e-4)
    assert float(cluster["peak_hazard_ratio_low"]) < float(cluster["peak_hazard_ratio"])
    _, _, others, _ = run(cohort, ["logrank:days,dead"])
    assert rows(others["logrankdaysdead"])[0]["peak_hazard_ratio"] == "n/a"


def with_labels(cohort: LesionTable, folder: Path, plain: int) -> tuple[list[Path], list[str]]:
    """ET where the tumour lies in the planted place, NCR elsewhere; the first participants have plain masks."""
    place = np.full(SIZE, 1)
    place[PLANTED] = 4
    labelled = [
        write_image(
            from_array((place * (array(path) > 0)).astype(np.uint8), cohort.grid), folder / f"{i}.nii.gz"
        )
        for i, path in enumerate(cohort.tumors[plain:])
    ]
    return [*cohort.tumors[:plain], *labelled], ["mask"] * plain + ["dseg"] * len(labelled)


def test_sub_regions_leave_out_plain_masks_and_other_labels(
    cohort: LesionTable, here: Path, tmp_path: Path
) -> None:
    tumors, kinds = with_labels(cohort, tmp_path, 2)
    given = attrs.evolve(cohort, tumors=tumors), kinds
    maps, facts, _, notices = asked(["glm:age"], *given, region="ET")
    count = array(maps["glmage/count"])
    outside = np.ones(SIZE, bool)
    outside[PLANTED] = False
    assert not count[outside].any()
    np.testing.assert_array_equal(count[PLANTED], sum(array(path)[PLANTED] == 4 for path in tumors[2:]))
    known = facts["glmage/t"]
    assert (known["Region"], known["SampleSize"]) == ("ET", SUBJECTS - 2)
    assert known["LeftOut"] == {"a plain mask tells nothing of ET": 2}
    assert known["Covariates"] == ["ET volume in template space (ml)"]
    assert "ET: glm:age: 2 participants left out, a plain mask tells nothing of ET: '00', '01'" in notices
    # its volume tells who has the lesion
    *_, clusters, _ = asked(["glm:age"], *given, region="ET", volume=False)
    assert is_planted(rows(clusters["glmage"])[0], cohort.grid)
    _, whole, *_ = asked(["glm:age"], *given)
    assert (whole["glmage/t"]["Region"], whole["glmage/t"]["SampleSize"]) == ("WT", SUBJECTS)


def test_too_few_participants_with_sub_regions_are_refused_by_name(
    cohort: LesionTable, here: Path, tmp_path: Path
) -> None:
    tumors, kinds = with_labels(cohort, tmp_path, SUBJECTS - 9)
    with pytest.raises(
        AssociationError,
        match=r"at least 10 participants with a mask .* got 9.*; 31 participants left out, a plain mask tells nothing "
        "of TC: '00', '01'",
    ):
        asked(["glm:age"], attrs.evolve(cohort, tumors=tumors, coverages=[]), kinds, region="TC")


def test_who_is_left_out_is_named_in_notices_and_counted_in_sidecars(
    cohort: LesionTable, here: Path, tmp_path: Path
) -> None:
    lines = cohort.table.read_text().splitlines()
    lines[1] = lines[1].replace("sub-00\tmutant", "sub-00\tn/a").replace("sub-00\twildtype", "sub-00\tn/a")
    table = tmp_path / "participants.tsv"
    table.write_text("\n".join(lines[:-1]))
    scans = [*cohort.scans[:-2], "sub-38_ses-b", "sub-39"]
    more = attrs.evolve(
        cohort,
        table=table,
        scans=[*scans, "sub-38_ses-a"],
        tumors=[*cohort.tumors, cohort.tumors[0]],
        coverages=[*cohort.coverages, cohort.coverages[0]],
    )
    _, facts, _, notices = asked(["adiffi:group"], more)
    assert facts["adiffigroup/z"]["LeftOut"] == {"'group' is missing": 1, "not in the table": 1}
    assert facts["adiffigroup/z"]["SampleSize"] == SUBJECTS - 2
    assert notices[:3] == [
        "one scan of each participant counts, the first by its label; left out: 1, 'sub-38_ses-b'",
        "adiffi:group: 1 participant left out, 'group' is missing: '00'",
        "adiffi:group: 1 participant left out, not in the table: '39'",
    ]


def test_hostile_names_and_values_never_become_paths(cohort: LesionTable, here: Path, tmp_path: Path) -> None:
    lines = cohort.table.read_text().replace("mutant", "../../x").replace("wildtype", "<b>").splitlines()
    table = tmp_path / "participants.tsv"
    table.write_text("\n".join([lines[0].replace("\tgroup\t", "\t../../etc/group\t"), *lines[1:]]))
    unseen = attrs.evolve(cohort, table=table, coverages=[])
    maps, facts, clusters, _ = asked(["adiffi:../../etc/group=../../x"], unseen)
    (label,) = clusters
    assert label.isalnum() and label.startswith("adiffietcgroupxx")
    for path in (*maps.values(), *clusters.values()):
        assert Path(path).parent == here and Path(path).name.startswith(f"{label}_WT_")
    assert facts[f"{label}/z"]["Column"] == "../../etc/group"


def test_lesions_that_do_not_overlap_are_refused(cohort: LesionTable, here: Path, tmp_path: Path) -> None:
    with pytest.raises(
        AssociationError, match=r"at least 39 participants are required; of 40 participants \d+ at"
    ):
        run(cohort, ["glm:age"], min_lesions=39)
    message = (
        r"logrank:days: voxels with a lesion in at least 19 of 40 .* there is none; \d+ are covered by fewer"
    )
    with pytest.raises(AssociationError, match=message):
        run(with_blind(cohort, tmp_path, 1), ["logrank:days"], min_lesions=19)


def test_a_cohort_without_masks_is_refused(cohort: LesionTable, here: Path) -> None:
    with pytest.raises(AssociationError, match="at least 10 participants with a mask"):
        asked(["glm:age"], attrs.evolve(cohort, scans=[], tumors=[], coverages=[]))


def test_lesions_of_one_volume_are_no_covariate(cohort: LesionTable, here: Path, tmp_path: Path) -> None:
    tumors = []
    for name, start in (("left", 2), ("right", 7)):
        lesion = np.zeros(SIZE, np.uint8)
        lesion[start : start + 3, 4:8, 4:8] = 1
        tumors.append(write_image(from_array(lesion, cohort.grid), tmp_path / f"{name}.nii.gz"))
    with pytest.raises(
        AssociationError, match=r"glm:age: lesion volumes have to differ .* got 3.072 ml for all"
    ):
        asked(["glm:age"], attrs.evolve(cohort, tumors=tumors * 20, coverages=[]))


def test_all_that_is_wrong_with_the_columns_is_said_at_once(cohort: LesionTable, tmp_path: Path) -> None:
    with pytest.raises(
        AssociationError, match=r"adiffi:nose: .* no column 'nose'.*; glm:group requires .*'mutant'"
    ):
        read_samples(
            parse_associations(["adiffi:nose", "glm:group"]), cohort.table, cohort.scans, TestOptions()
        )
    with pytest.raises(AssociationError, match="there is no such file"):
        read_samples(
            parse_associations(["glm:age"]), tmp_path / "participants.tsv", cohort.scans, TestOptions()
        )
    (tmp_path / "wrong.tsv").write_text("name\tage\na\t1\n")
    with pytest.raises(AssociationError, match="requires a column participant_id"):
        read_samples(parse_associations(["glm:age"]), tmp_path / "wrong.tsv", cohort.scans, TestOptions())


def test_the_stage_runs_as_a_task(cohort: LesionTable, tmp_path: Path) -> None:
    job = Associate(
        associations=parse_associations(["liebermeister:mood"]),
        participants=cohort.table,
        scans=cohort.group_scans(),
        template=cohort.template,
        options=TestOptions(**FEW),
    )
    outputs = job(cache_root=tmp_path / "cache", worker="debug")
    assert {key.split("/")[0] for key in outputs.files} == set(outputs.facts)
    assert is_planted(rows(outputs.files["liebermeistermood/clusters"])[0], cohort.grid)
