"""A label map is found by its name, and its table gives every region a label, or is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from gliomorph.interfaces.group.regions.label_map import ParcellationError, find_label_map, read_parcels


def test_what_is_not_there_is_told_with_what_is(template_home: Path) -> None:
    with pytest.raises(ParcellationError) as caught:
        find_label_map("lobes", "Tiny", [template_home])
    text = str(caught.value)
    assert "no tpl-Tiny_…atlas-lobes…_dseg.nii.gz, nor …seg-lobes…" in text
    assert "label maps there: 'tissue'. No lobes come with the templates: give hemispheres" in text
    with pytest.raises(ParcellationError, match=r"no folder tpl-MNI152 in --template-dir.*there: none"):
        find_label_map("lobes", "MNI152", [template_home])
    for word in ("no/such_dseg.nii.gz", "no/such", "such.nii"):
        with pytest.raises(ParcellationError, match="a NIfTI file is required"):
            find_label_map(word, "Tiny", [template_home])


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("id\tname\n1\ta\n", "columns index and name are required, got 'id', 'name'"),
        ("index\tname\n0\tbackground\n", "at least one region with an index above 0"),
        ("index\tname\n1\ta\n1\tb\n", "index 1 has more than one row"),
        ("index\tname\n1.5\ta\n", "a whole number from 0 up, got '1.5'"),
        ("index\tname\n-1\ta\n", "a whole number from 0 up, got '-1'"),
        ("index\tname\n1\t../..\n", "index 1, '../..': a label of 1 to 40 ASCII letters and digits"),
        ("index\tname\n1\t" + "x" * 41 + "\n", "a label of 1 to 40 ASCII letters and digits"),
        (
            "index\tname\n1\tFront (left)\n2\tfront left\n",
            "'Front (left)', 'front left' would have the same labels",
        ),
        ("index\tname\tabbreviation\n1\ta\tX\n2\tb\tx\n", "'a', 'b' would have the same labels"),
    ],
)
def test_tables_that_cannot_be_used_are_refused(tmp_path: Path, rows: str, said: str) -> None:
    path = tmp_path / "x_dseg.tsv"
    path.write_text(rows)
    with pytest.raises(ParcellationError) as caught:
        read_parcels(path)
    assert said in str(caught.value)


def test_names_become_labels_of_letters_and_digits_only(tmp_path: Path) -> None:
    path = tmp_path / "x_dseg.tsv"
    path.write_text("index\tname\n4\t../évil/<b>\n", encoding="utf-8")
    (parcel,) = read_parcels(path).values()
    assert (parcel.label, parcel.name) == ("evilb", "../évil/<b>")
