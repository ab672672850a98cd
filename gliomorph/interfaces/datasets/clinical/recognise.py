"""What an MR series shows, by its header: a proposal that a user looks over.

Words of the description and numbers of the sequence have to agree; where they contradict each other, or neither says
anything, the series is ``unknown``.
"""

from __future__ import annotations

import re

import attrs

SKIP, UNKNOWN = "skip", "unknown"
PASSED_OVER = (SKIP, UNKNOWN)
"""What a series may be besides a modality: it is not imported."""

EDGE, END = r"(?<![a-z])", r"(?![a-z])"
OTHERS = {
    "a localiser": rf"locali[sz]er|scout|survey|{EDGE}loc{END}",
    "diffusion": rf"diff|dwi|{EDGE}dti|{EDGE}adc{END}|tracew|{EDGE}dki",
    "susceptibility-weighted": rf"{EDGE}swi|{EDGE}swan|minip|t2\s*\*|t2[_ -]?star|{EDGE}qsm|{EDGE}ha?emo",
    "perfusion": rf"perf|{EDGE}dsc{END}|{EDGE}dce{END}|{EDGE}p?c?asl{END}|{EDGE}r?cb[vf]{END}",
    "an angiogram": rf"{EDGE}tof{END}|angio|{EDGE}mr[av]{END}|{EDGE}mip{END}",
    "functional": rf"bold|fmri|{EDGE}rest(ing)?{END}",
    "a field map": r"field[_ -]?map|b0[_ -]?map",
    "spectroscopy": rf"spectro|{EDGE}csi{END}|{EDGE}svs",
    "a subtraction": rf"subtract|{EDGE}sub{END}",
}
"""What is not imported, by words of its description."""
KINDS = {
    "DIFFUSION": "diffusion",
    "LOCALIZER": "a localiser",
    "PERFUSION": "perfusion",
    "SUBTRACTION": "a subtraction",
}
"""The same, by values of ImageType."""
T1_FLAIR = rf"t1.*flair|flair.*t1|t1.*{EDGE}tirm"
WORDS = {
    "FLAIR": rf"flair|dark[_ -]?fluid|{EDGE}tirm",
    "T2w": rf"{EDGE}t2(?!\d)",
    "T1w": rf"{EDGE}t1(?!\d)|mp2?rage|{EDGE}f?spgr|bravo|{EDGE}vibe",
}  # fmt: skip
"""Words of each modality, the most telling first."""
BEFORE = (
    rf"({EDGE}(pre|native?|without|plain|no|non|unenhanced){END}|w/o)([\W_]*(contrast|gd|gado\w*|km)){{0,2}}"
)
"""Words of an image before contrast."""
AFTER = (
    rf"{EDGE}(gd|gado\w*|post|ce|km|mdc|contrast|dotarem|magnevist|t1(ce|c|gd)){END}|\+\s*c{END}|{EDGE}c\+"
)
"""Words of an image after contrast."""
LONG_ECHO, SHORT_ECHO = 60.0, 30.0
"""Echo times, ms, above which an image is T2-weighted and below which it may be T1-weighted."""
FLUID = 1500.0
"""Inversion times, ms, from which on fluid is suppressed."""
SHORT_REPETITION = 1000.0
"""Repetition times, ms, up to which an image without inversion is T1-weighted."""


@attrs.frozen(kw_only=True)
class Header:
    """What a series says of itself."""

    modality: str = "MR"
    description: str = ""
    """SeriesDescription and ProtocolName."""
    image_type: tuple[str, ...] = ()
    scanning: tuple[str, ...] = ()
    """ScanningSequence: SE, IR, GR, EP."""
    agent: str = ""
    """ContrastBolusAgent."""
    echo_ms: float | None = None
    repetition_ms: float | None = None
    inversion_ms: float | None = None


def recognise(header: Header) -> tuple[str, str]:
    """What a series shows, and by what that was seen.

    Parameters
    ----------
    header : Header

    Returns
    -------
    modality : str
        T1w, T1ce, T2w, FLAIR, ``skip`` for what is none of them, or ``unknown``.
    why : str

    Examples
    --------
    >>> recognise(Header(description="t1_mprage_sag", echo_ms=2.5, repetition_ms=2000, inversion_ms=900, agent="Gd"))
    ('T1ce', 'description says T1w, echo and repetition times agree; ContrastBolusAgent is given')
    >>> recognise(Header(description="t2_tse_tra", echo_ms=4, repetition_ms=500))
    ('unknown', 'description says T2w, echo and repetition times say T1w')
    """
    text = header.description.casefold()
    if reason := _other(header, text):
        return SKIP, reason
    by_words, by_numbers = _by_words(text), _by_numbers(header)
    if not by_words and not by_numbers:
        return UNKNOWN, "neither its description nor its echo and repetition times say what it is"
    if by_words and by_numbers and by_words != by_numbers:
        return UNKNOWN, f"description says {by_words}, echo and repetition times say {by_numbers}"
    if by_words:
        agree = (
            ", echo and repetition times agree" if by_numbers else ", echo and repetition times do not tell"
        )
        why = f"description says {by_words}{agree}"
    else:
        why = f"echo and repetition times say {by_numbers}, description does not tell"
    if (by_words or by_numbers) == "T1w":
        return _by_contrast(header, text, why)
    return by_words or by_numbers, why


def _other(header: Header, text: str) -> str:
    """Why a series is none of the modalities; empty where nothing says so."""
    if header.modality != "MR":
        return f"Modality {header.modality or 'missing'}, MR is required"
    for value, what in KINDS.items():
        if value in header.image_type:
            return f"{what} (ImageType {value})"
    for what, words in OTHERS.items():
        if found := re.search(words, text):
            return f"{what} (description has {found[0]!r})"
    if "DERIVED" in header.image_type:
        return "derived (ImageType DERIVED)"
    if {"P", "PHASE"} & set(header.image_type):
        return "a phase image (ImageType)"
    if "EP" in header.scanning:
        return "echo-planar (ScanningSequence EP)"
    return ""


def _by_words(text: str) -> str:
    if re.search(T1_FLAIR, text):
        return "T1w"
    return next((modality for modality, words in WORDS.items() if re.search(words, text)), "")


def _by_numbers(header: Header) -> str:
    echo, repetition, inversion = header.echo_ms, header.repetition_ms, header.inversion_ms or 0.0
    if not echo:
        return ""
    if echo >= LONG_ECHO:
        return "FLAIR" if inversion >= FLUID else "T2w"
    if echo > SHORT_ECHO or inversion >= FLUID or not repetition:
        return ""
    return "T1w" if inversion or repetition <= SHORT_REPETITION else ""


def _by_contrast(header: Header, text: str, why: str) -> tuple[str, str]:
    """T1w or T1ce; ``unknown`` where header and description contradict each other."""
    before, after = re.search(BEFORE, text), re.search(AFTER, re.sub(BEFORE, "", text))
    if before and header.agent:
        return UNKNOWN, f"{why}; description has {before[0]!r}, but ContrastBolusAgent is given"
    if before and after:
        return UNKNOWN, f"{why}; description has {before[0]!r} and {after[0]!r}"
    if header.agent:
        return "T1ce", f"{why}; ContrastBolusAgent is given"
    if after:
        return "T1ce", f"{why}; description has {after[0]!r}"
    return "T1w", f"{why}; nothing says that contrast was given"
