"""QPT, EfficientNet-Lite0, ImageNet's knowledge kept by an anchor: what made the encoder of the shipped weights.

DATA_ROOT=photos ANN_FILE=list.txt python tools/train.py configs/qpt/qpt_efficientnet-lite0-anchor_1xb24-coslr-800i_folder.py
"""

_base_ = './qpt_efficientnet-lite0_1xb24-coslr_folder.py'

iterations = 1200

model = dict(anchor=1.0)
train_cfg = dict(_delete_=True, type='IterBasedTrainLoop', max_iters=iterations)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=iterations // 20),
    dict(type='CosineAnnealingLR', T_max=iterations, by_epoch=False),
]
default_hooks = dict(checkpoint=dict(by_epoch=False, interval=200, max_keep_ckpts=2))
log_processor = dict(by_epoch=False)
