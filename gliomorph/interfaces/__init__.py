"""Stages as Pydra tasks: each step of a scan and of the group as a node with ports, for workflows of your own."""

from typing import TYPE_CHECKING

from ..face import face

if TYPE_CHECKING:
    from .derivatives.publish import Publish as Publish
    from .derivatives.publish_group import PublishGroup as PublishGroup
    from .derivatives.publish_subject import PublishSubject as PublishSubject
    from .group.associations.stage import Associate as Associate
    from .group.atlas.stage import Atlas as Atlas
    from .group.regions.places import TumorPlaces as TumorPlaces
    from .pairs.follow import Follow as Follow
    from .pairs.stage import RegisterPair as RegisterPair
    from .reports.group.stage import CohortPage as CohortPage
    from .reports.pair.subject import SubjectPage as SubjectPage
    from .reports.scan.stage import ScanPage as ScanPage
    from .scan.align import Align as Align
    from .scan.brain import Brain as Brain
    from .scan.carry import Carry as Carry
    from .scan.channels import Channels as Channels
    from .scan.coregister import Coregister as Coregister
    from .scan.crop import Crop as Crop
    from .scan.crop import CropMask as CropMask
    from .scan.further import Further as Further
    from .scan.match import Match as Match
    from .scan.measure import Measure as Measure
    from .scan.n4 import N4 as N4
    from .scan.register import Register as Register
    from .scan.segment import Segment as Segment
    from .scan.tumor import Tumor as Tumor
    from .scan.warp import Warp as Warp

__all__, __getattr__, __dir__ = face(__name__, __file__)
