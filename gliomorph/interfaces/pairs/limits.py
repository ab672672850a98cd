"""What registration methods do not do between two images, in words for pages."""

from __future__ import annotations

from ..methods import SYMMETRIC, UNMASKED


def limits_of(method: str, masked: bool) -> list[str]:
    """What a method leaves undone.

    Parameters
    ----------
    method : str
        One of :data:`~gliomorph.interfaces.methods.DEFORMABLE`; empty: none, nothing is said.
    masked : bool
        Whether a lesion of either image is known.

    Returns
    -------
    notices : list of str
    """
    texts = []
    if masked and method in UNMASKED:
        texts.append(f"⚠ {method} compares the lesions, too: the masks hold for the linear map alone")
    if method in SYMMETRIC:
        texts.append(
            f"⚠ {method} is symmetric, so that both directions agree everywhere: nothing but the field of view says "
            "what has no counterpart"
        )
    return texts
