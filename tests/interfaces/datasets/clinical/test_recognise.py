"""What a series shows is seen by words and numbers that agree."""

from __future__ import annotations

import pytest

from gliomorph.interfaces.datasets.clinical.recognise import Header, recognise

T1_TIMES = {"echo_ms": 2.5, "repetition_ms": 1900.0, "inversion_ms": 900.0}
T2_TIMES = {"echo_ms": 95.0, "repetition_ms": 4500.0}
FLAIR_TIMES = {"echo_ms": 120.0, "repetition_ms": 9000.0, "inversion_ms": 2500.0}


@pytest.mark.parametrize(
    ("description", "times", "modality"),
    [
        ("t1_mprage_sag_p2_iso", T1_TIMES, "T1w"),
        ("AX T1 SE", {"echo_ms": 12.0, "repetition_ms": 550.0}, "T1w"),
        ("Ax T1 FLAIR", {"echo_ms": 9.0, "repetition_ms": 2200.0, "inversion_ms": 800.0}, "T1w"),
        ("3D BRAVO +C", T1_TIMES, "T1ce"),
        ("t1_mprage post Gd", T1_TIMES, "T1ce"),
        ("t1 nativ", T1_TIMES, "T1w"),
        ("t1 without contrast", T1_TIMES, "T1w"),
        ("t1_se_tra_KM", {}, "T1ce"),
        ("t2_tse_tra", T2_TIMES, "T2w"),
        ("t2_tirm_tra_dark-fluid", FLAIR_TIMES, "FLAIR"),
        ("t2_flair_post", FLAIR_TIMES, "FLAIR"),
        ("FLAIR", {}, "FLAIR"),
        ("axial", T1_TIMES, "T1w"),
        ("axial", T2_TIMES, "T2w"),
        ("axial", FLAIR_TIMES, "FLAIR"),
        ("axial", {"echo_ms": 40.0, "repetition_ms": 3000.0}, "unknown"),
        ("axial", {}, "unknown"),
        ("t2_tse", T1_TIMES, "unknown"),
        ("t1_mprage", FLAIR_TIMES, "unknown"),
        ("t1 pre and post", T1_TIMES, "unknown"),
    ],
)
def test_series_are_recognised(description: str, times: dict[str, float], modality: str) -> None:
    found, why = recognise(Header(description=description, **times))
    assert (found, bool(why)) == (modality, True)


def test_contrast_agent_of_the_header_counts_unless_the_description_denies_it() -> None:
    assert recognise(Header(description="t1", agent="Gadovist"))[0] == "T1ce"
    modality, why = recognise(Header(description="t1 pre", agent="Gadovist"))
    assert modality == "unknown"
    assert why.endswith("description has 'pre', but ContrastBolusAgent is given")


@pytest.mark.parametrize(
    ("header", "why"),
    [
        (Header(modality="CT"), "Modality CT, MR is required"),
        (Header(modality=""), "Modality missing, MR is required"),
        (Header(description="t1 localizer"), "a localiser (description has 'localizer')"),
        (Header(description="ep2d_diff_mddw"), "diffusion (description has 'diff')"),
        (Header(description="t2* gre"), "susceptibility-weighted (description has 't2*')"),
        (Header(description="SWI_Images"), "susceptibility-weighted (description has 'swi')"),
        (Header(description="t1 mpr", image_type=("DERIVED", "SECONDARY")), "derived (ImageType DERIVED)"),
        (Header(description="t1", image_type=("ORIGINAL", "PRIMARY", "P")), "a phase image (ImageType)"),
        (Header(image_type=("ORIGINAL", "LOCALIZER")), "a localiser (ImageType LOCALIZER)"),
        (Header(scanning=("EP",)), "echo-planar (ScanningSequence EP)"),
    ],
)
def test_other_series_are_passed_over_with_the_reason(header: Header, why: str) -> None:
    assert recognise(header) == ("skip", why)


def test_words_inside_others_do_not_count() -> None:
    assert recognise(Header(description="t1_restore_chemo", **T1_TIMES))[0] == "T1w"
