"""Every message of the package: a code, what happened, what to do next."""

from .analysis import AnalysisErrors
from .backbone import BackboneErrors, BackboneWarnings
from .checkpoints import CheckpointsErrors, CheckpointsWarnings
from .cli import CliErrors
from .clustering import ClusteringErrors
from .coded import (
    CodedError,
    CodedFileExistsError,
    CodedFileNotFoundError,
    CodedImportError,
    CodedMemoryError,
    CodedOSError,
    CodedRuntimeError,
    CodedTypeError,
    CodedValueError,
    Message,
)
from .core import CoreErrors, CoreWarnings
from .data import DataErrors, DataWarnings
from .heads import HeadsErrors, HeadsWarnings
from .search import SearchErrors, SearchWarnings
from .tasks import TasksErrors, TasksWarnings
from .training import TrainingErrors, TrainingWarnings
from .vectors import VectorsErrors, VectorsWarnings

__all__ = [
    "CodedError",
    "CodedFileExistsError",
    "CodedFileNotFoundError",
    "CodedImportError",
    "CodedMemoryError",
    "CodedOSError",
    "CodedRuntimeError",
    "CodedTypeError",
    "CodedValueError",
    "Errors",
    "Message",
    "Warnings",
]


class Errors(
    CoreErrors,
    DataErrors,
    BackboneErrors,
    VectorsErrors,
    HeadsErrors,
    TrainingErrors,
    TasksErrors,
    SearchErrors,
    ClusteringErrors,
    AnalysisErrors,
    CheckpointsErrors,
    CliErrors,
):
    """All errors, from the catalogues of the rooms."""


class Warnings(
    CoreWarnings,
    DataWarnings,
    BackboneWarnings,
    VectorsWarnings,
    HeadsWarnings,
    TrainingWarnings,
    TasksWarnings,
    SearchWarnings,
    CheckpointsWarnings,
):
    """All warnings, from the catalogues of the rooms."""
