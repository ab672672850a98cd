"""Connected voxels that are significant in one direction."""

from __future__ import annotations

import attrs
import numpy as np
from scipy import ndimage


@attrs.frozen(kw_only=True)
class Cluster:
    """Significant voxels that touch at a face, an edge or a corner."""

    voxels: int
    sign: int
    """1 or −1, that of the statistic."""
    peak: tuple[int, int, int]
    """(x, y, z) indices of the largest absolute statistic; of several, the first with x running fastest."""


def find_clusters(statistic: np.ndarray, significant: np.ndarray) -> list[Cluster]:
    """Clusters by descending absolute statistic of the peak.

    Parameters
    ----------
    statistic : ndarray
        (X, Y, Z) with signs. A voxel with 0 is in no cluster.
    significant : ndarray
        (X, Y, Z) bool.

    Returns
    -------
    clusters : list of Cluster
        Empty if nothing is significant.

    Examples
    --------
    >>> line = np.array([2.0, 3.0, -4.0, 0.0, 1.0]).reshape(5, 1, 1)
    >>> [(c.voxels, c.sign, c.peak) for c in find_clusters(line, abs(line) > 1)]
    [(1, -1, (2, 0, 0)), (2, 1, (1, 0, 0))]
    """
    found = [
        _cluster(statistic[box], labels[box] == number, box, sign)
        for sign in (1, -1)
        for labels, boxes in [_components(significant & (sign * statistic > 0))]
        for number, box in enumerate(boxes, start=1)
    ]
    return sorted(found, key=lambda cluster: (-abs(statistic[cluster.peak]), cluster.peak[::-1]))


def _components(inside: np.ndarray) -> tuple[np.ndarray, list[tuple[slice, ...]]]:
    labels, _ = ndimage.label(inside, ndimage.generate_binary_structure(3, 3))
    return labels, ndimage.find_objects(labels)


def _cluster(statistic: np.ndarray, inside: np.ndarray, box: tuple[slice, ...], sign: int) -> Cluster:
    height = np.where(inside, np.abs(statistic), -1.0)
    # the same peak whatever the array's order in memory
    x, y, z = np.unravel_index(int(np.argmax(height.ravel(order="F"))), height.shape, order="F")
    start = [axis.start for axis in box]
    return Cluster(
        voxels=int(inside.sum()), sign=sign, peak=(int(x + start[0]), int(y + start[1]), int(z + start[2]))
    )
