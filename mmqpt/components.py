"""All of mmqpt in mmpretrain's registries: ``custom_imports = dict(imports=['mmqpt.components'])`` in a config."""

from mmqpt.datasets import iqa_dataset, level_ladder, patch_pairs, photo_folder, photo_windows, sampler
from mmqpt.engine import hooks, safe_checkpoints
from mmqpt.evaluation import iqa_metric
from mmqpt.models import checkpoint, degrading_preprocessor, iqa_regressor, preprocessor, qc_head, qpt

checkpoint.allow_resume()

__all__ = [
    'checkpoint',
    'degrading_preprocessor',
    'hooks',
    'iqa_dataset',
    'iqa_metric',
    'iqa_regressor',
    'level_ladder',
    'patch_pairs',
    'photo_folder',
    'photo_windows',
    'preprocessor',
    'qc_head',
    'qpt',
    'safe_checkpoints',
    'sampler',
]
