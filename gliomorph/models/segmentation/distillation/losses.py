"""The losses of distillation, one by one (thesis, Ch. 3).

The thesis writes them as sums over samples, and L_KD over voxels too. Here they are means over both, as the
cross-entropy inside L_GT is, so that a weight means the same for any batch and image size. All are computed in
float32, whatever the precision of what they compare.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def ground_truth(scores: Tensor, labels: Tensor, dice: float = 1.0) -> Tensor:
    """L_GT = (1 − Dice) + CE (Eq. 3.6), of nnU-Net's kind: Dice over the tumour classes, CE over all.

    Dice is soft, of each sample and class by itself (so that a batch equals its samples), smoothed by 1e-5 above and
    below: a class that a sample has not costs 1, and hardly pulls.

    Where a class is uncertain, Dice is greatest for a region that is drawn too large: a voxel belongs to it from a
    probability of half the Dice on. CE alone gives probabilities that are frequencies.

    Parameters
    ----------
    scores : Tensor
        (N, C, X, Y[, Z]), before the softmax.
    labels : Tensor
        (N, X, Y[, Z]), int64 class indices; 0 is background.
    dice : float
        Weight of (1 − Dice), at least 0.

    Returns
    -------
    loss : Tensor
        Scalar, ≥ 0.
    """
    scores = scores.float()
    found = scores.softmax(1)[:, 1:].flatten(2)
    truth = functional.one_hot(labels, scores.shape[1]).movedim(-1, 1)[:, 1:].flatten(2)
    overlap = (2 * (found * truth).sum(2) + 1e-5) / (found.sum(2) + truth.sum(2) + 1e-5)
    return dice * (1 - overlap).mean() + functional.cross_entropy(scores, labels)


def softened_cross_entropy(student_scores: Tensor, teacher_scores: Tensor, temperature: float) -> Tensor:
    """L_KD (Eq. 3.2, 3.7): CE of σ(f_S / T) against the teacher's soft labels σ(f_T / T), over voxels.

    Least, with a gradient of 0, where both agree; that least value is the entropy of the soft labels. There is no
    factor T², by which others undo that gradients fall as 1 / T²: the thesis has none, and its λ goes with that.

    Parameters
    ----------
    student_scores, teacher_scores : Tensor
        (N, C, X, Y[, Z]), before the softmax.
    temperature : float
        T > 0; the higher, the softer.

    Returns
    -------
    loss : Tensor
        Scalar, ≥ 0.
    """
    soft = torch.softmax(teacher_scores.float() / temperature, dim=1)
    return functional.cross_entropy(student_scores.float() / temperature, soft)


def bottleneck_divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """L_KL = Σ_j q(j) log(q(j) / p(j)) (Eq. 3.5), p of the student and q of the teacher: KL(teacher‖student).

    The thesis' "flattened and normalised feature maps" are one softmax over all channels and places of a sample:
    features of either sign then give probabilities, stably. A constant added to all features changes nothing.

    Parameters
    ----------
    student, teacher : Tensor
        (N, C, X, Y[, Z]).

    Returns
    -------
    loss : Tensor
        Scalar, ≥ 0; 0 for equal features.
    """
    log_p, log_q = (functional.log_softmax(f.flatten(1).float(), dim=1) for f in (student, teacher))
    return functional.kl_div(log_p, log_q, reduction="batchmean", log_target=True)


def attention_transfer(student: Tensor, teacher: Tensor) -> Tensor:
    """L_Att = ‖A_T / ‖A_T‖ − A_S / ‖A_S‖‖ (Eq. 3.3), of one layer, with A = Σ_c |F_c|² over its channels.

    Blind to the scale of either, and to the number of channels. A map of zeros stays zero.

    Parameters
    ----------
    student, teacher : Tensor
        (N, C, X, Y[, Z]); C may differ.

    Returns
    -------
    loss : Tensor
        Scalar in [0, √2]; 0 for equal features.
    """
    of_student, of_teacher = (
        functional.normalize(f.float().square().sum(1).flatten(1), dim=1) for f in (student, teacher)
    )
    return torch.linalg.vector_norm(of_teacher - of_student, dim=1).mean()


class ProjectionHead(nn.Module):
    """A short vector g(F) for a whole feature map: its mean over space, then one hidden layer (§3.5.1).

    Parameters
    ----------
    channels : int
        C of the feature maps, and of the hidden layer.
    embedding : int
        Length of the vectors.
    """

    def __init__(self, channels: int, embedding: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(channels, channels), nn.ReLU(), nn.Linear(channels, embedding))

    def forward(self, features: Tensor) -> Tensor:
        """(N, embedding), from (N, C, X, Y[, Z])."""
        pooled = features.flatten(2).mean(dim=2, dtype=torch.float32)
        embedded: Tensor = self.layers(pooled)
        return embedded


def contrastive(student_embeddings: Tensor, teacher_embeddings: Tensor, margin: float) -> Tensor:
    """L_CT (Eq. 3.4): embeddings of one subject are pulled together, of two pushed ``margin`` apart.

    Mean over i of ‖s_i − t_i‖² + Σ_{j≠i} max(0, ξ − ‖s_j − t_i‖)², with s of the student and t of the teacher. In a
    batch of one sample nothing is pushed.

    Parameters
    ----------
    student_embeddings, teacher_embeddings : Tensor
        (N, embedding).
    margin : float
        ξ > 0.

    Returns
    -------
    loss : Tensor
        Scalar, ≥ 0.
    """
    distances = torch.cdist(
        student_embeddings.float(), teacher_embeddings.float(), compute_mode="donot_use_mm_for_euclid_dist"
    )
    same = torch.eye(len(distances), dtype=torch.bool, device=distances.device)
    terms = torch.where(same, distances.square(), (margin - distances).clamp_min(0).square())
    return terms.sum() / len(distances)
