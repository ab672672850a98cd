"""Methods on arrays: registration, segmentation, simulation, atlas and statistics, without files or engines."""

from typing import TYPE_CHECKING

from ..face import face

if TYPE_CHECKING:
    from .atlas import AtlasSums as AtlasSums
    from .atlas import FrequencyMap as FrequencyMap
    from .atlas import Grid as Grid
    from .atlas import Participant as Participant
    from .atlas import frequency_map as frequency_map
    from .atlas import mean_map as mean_map
    from .atlas import shape_map as shape_map
    from .kernels import Kernel as Kernel
    from .registration.catalogue import build as build
    from .registration.catalogue import predict as predict
    from .registration.metamorphosis import MetamorphosisSettings as MetamorphosisSettings
    from .registration.metamorphosis import register as register
    from .registration.networks import NetworkSettings as NetworkSettings
    from .registration.networks import RegistrationNetwork as RegistrationNetwork
    from .registration.objective import Objective as Objective
    from .registration.pair import Pair as Pair
    from .registration.pair import Registration as Registration
    from .registration.pair import pair_of as pair_of
    from .registration.refinement import refine as refine
    from .registration.training import EpochSettings as EpochSettings
    from .registration.training import EpochTrainer as EpochTrainer
    from .registration.training import Trainer as Trainer
    from .registration.training import TrainingSettings as TrainingSettings
    from .segmentation.distillation.methods import DistillationSettings as DistillationSettings
    from .segmentation.distillation.objective import StudentObjective as StudentObjective
    from .segmentation.training import SegmentationTrainer as SegmentationTrainer
    from .statistics import LesionBits as LesionBits
    from .statistics import Patterns as Patterns
    from .statistics import VoxelTest as VoxelTest
    from .statistics import permutation_test as permutation_test
    from .statistics import voxel_test as voxel_test
    from .synthesis import Anatomy as Anatomy
    from .synthesis import Patient as Patient
    from .synthesis import prepare_anatomy as prepare_anatomy
    from .synthesis import sample_parameters as sample_parameters
    from .synthesis import simulate_patient as simulate_patient
    from .unet import SegmentationSettings as SegmentationSettings
    from .unet import UNet as UNet

__all__, __getattr__, __dir__ = face(__name__, __file__)
