"""All of mmqpt in mmpretrain's registries: ``custom_imports = dict(imports=['mmqpt.components'])`` in a config."""

from mmqpt.core.memory import keep_freed_memory
from mmqpt.datasets.photos.folder import PhotoFolder
from mmqpt.datasets.photos.lmdb import PhotoLMDB
from mmqpt.datasets.photos.sampler import SeededSampler
from mmqpt.datasets.photos.shards import PhotoShards
from mmqpt.datasets.photos.table import PhotoTable
from mmqpt.datasets.rated.concat import ConcatRatedSets
from mmqpt.datasets.rated.iqa_dataset import IQADataset
from mmqpt.datasets.rated.scale_sampler import ScaleSampler
from mmqpt.datasets.transforms.level_ladder import LevelLadder
from mmqpt.datasets.transforms.load_photo import LoadPhoto
from mmqpt.datasets.transforms.packing import PackPatchPairs, PackRatedPhoto
from mmqpt.datasets.transforms.patch_pairs import PatchPairs
from mmqpt.datasets.transforms.quality_crop import RandomQualityCrop
from mmqpt.datasets.transforms.random_degradation import RandomDegradation
from mmqpt.datasets.transforms.seed_generators import SeedGenerators
from mmqpt.engine.few_groups import FewGroupsConstructor
from mmqpt.engine.finite_steps import FiniteStepHook
from mmqpt.engine.head_start import HeadStartHook
from mmqpt.engine.hooks import (
    CollapseWatchHook,
    ExportSpecHook,
    ProgressBarHook,
    RatingScalesHook,
    UnreadablePhotosHook,
    ValidateOnResumeHook,
)
from mmqpt.engine.iqa_metric import IQAMetric
from mmqpt.engine.page_hook import TrainingPageHook
from mmqpt.engine.position import DataPositionHook
from mmqpt.engine.pretext_watch import PretextWatchHook
from mmqpt.engine.safe_checkpoints import SafeCheckpointHook
from mmqpt.engine.train_loop import ResumableTrainLoop
from mmqpt.models.checkpoint import allow_resume
from mmqpt.models.iqa_regressor import IQARegressor
from mmqpt.models.preprocessor import PhotoPreprocessor
from mmqpt.models.qc_head import QCHead
from mmqpt.models.qpt import QPT
from mmqpt.models.standardised_neck import StandardisedNeck

allow_resume()
keep_freed_memory()

__all__ = [
    'QPT',
    'CollapseWatchHook',
    'ConcatRatedSets',
    'DataPositionHook',
    'ExportSpecHook',
    'FewGroupsConstructor',
    'FiniteStepHook',
    'HeadStartHook',
    'IQADataset',
    'IQAMetric',
    'IQARegressor',
    'LevelLadder',
    'LoadPhoto',
    'PackPatchPairs',
    'PackRatedPhoto',
    'PatchPairs',
    'PhotoFolder',
    'PhotoLMDB',
    'PhotoPreprocessor',
    'PhotoShards',
    'PhotoTable',
    'PretextWatchHook',
    'ProgressBarHook',
    'QCHead',
    'RandomDegradation',
    'RandomQualityCrop',
    'RatingScalesHook',
    'ResumableTrainLoop',
    'SafeCheckpointHook',
    'ScaleSampler',
    'SeedGenerators',
    'SeededSampler',
    'StandardisedNeck',
    'TrainingPageHook',
    'UnreadablePhotosHook',
    'ValidateOnResumeHook',
]
