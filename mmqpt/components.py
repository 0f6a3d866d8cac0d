"""All of mmqpt in mmpretrain's registries: ``custom_imports = dict(imports=['mmqpt.components'])`` in a config."""

from mmqpt.datasets import (
    iqa_dataset,
    level_ladder,
    load_photo,
    patch_pairs,
    photo_folder,
    photo_lmdb,
    photo_shards,
    photo_table,
    sampler,
)
from mmqpt.engine import finite_steps, hooks, position, safe_checkpoints, train_loop
from mmqpt.evaluation import iqa_metric
from mmqpt.models import checkpoint, iqa_regressor, preprocessor, qc_head, qpt

checkpoint.allow_resume()

__all__ = [
    'checkpoint',
    'finite_steps',
    'hooks',
    'iqa_dataset',
    'iqa_metric',
    'iqa_regressor',
    'level_ladder',
    'load_photo',
    'patch_pairs',
    'photo_folder',
    'photo_lmdb',
    'photo_shards',
    'photo_table',
    'position',
    'preprocessor',
    'qc_head',
    'qpt',
    'safe_checkpoints',
    'sampler',
    'train_loop',
]
