"""Clusters are connected, of one sign, and in an order that does not depend on memory."""

import numpy as np

from gliomorph.models.statistics import Cluster, find_clusters


def test_signs_are_apart_and_corners_connect():
    values = np.zeros((6, 5, 4))
    values[0, 0, 0], values[1, 1, 1] = 3.0, 5.0
    values[2, 1, 1] = -4.0
    values[5, 4, 3] = 2.0
    assert find_clusters(values, np.abs(values) > 2.5) == [
        Cluster(voxels=2, sign=1, peak=(1, 1, 1)),
        Cluster(voxels=1, sign=-1, peak=(2, 1, 1)),
    ]


def test_nothing_significant_is_no_cluster():
    assert find_clusters(np.ones((2, 2, 2)), np.zeros((2, 2, 2), bool)) == []
    assert find_clusters(np.zeros((2, 2, 2)), np.ones((2, 2, 2), bool)) == []


def test_ties_do_not_depend_on_the_order_in_memory():
    values = np.zeros((7, 6, 5))
    values[1:3, 2:4, 1] = values[5, 4:, 3] = 2.0
    found = find_clusters(values, values > 1)
    assert found == find_clusters(np.asfortranarray(values), np.asfortranarray(values > 1))
    assert [cluster.peak for cluster in found] == [(1, 2, 1), (5, 4, 3)]


def test_a_cluster_inside_the_box_of_another_keeps_to_itself():
    values = np.full((5, 5, 5), 2.0)
    values[1:4, 1:4, 1:4] = 0.0
    values[2, 2, 2] = 9.0
    assert [(c.voxels, c.peak) for c in find_clusters(values, values > 1)] == [
        (1, (2, 2, 2)),
        (98, (0, 0, 0)),
    ]
