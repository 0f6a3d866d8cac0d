"""The second leg of the weights of version 0.1: two more epochs from the first's best checkpoint, at half its rate.

    DATA_ROOT=biq2021/images ANN_FILE=biq2021.csv FIRST_LEG=work_dirs/f/best_iqa_SRCC_epoch_3.pth \\
        mmqpt finetune configs/finetune/finetune_efficientnet-lite0-ladder-leg2_1xb16-coslr_biq2021.py

Batch: as the first leg, 28 minutes on one CPU core.
Result: SRCC .862 on the 2,000 test photos of the official list; docs/experiments.md, section 3. A warm restart (Loshchilov and Hutter, ICLR 2017), since SRCC on
the validation part still rose when the first leg ended. Everything with a number below is a design choice.
"""

_base_ = './finetune_efficientnet-lite0-ladder_1xb16-coslr_biq2021.py'

load_from = '{{$FIRST_LEG:work_dirs/f/best_iqa_SRCC_epoch_3.pth}}'
optim_wrapper = dict(optimizer=dict(lr=5e-4))
train_cfg = dict(max_epochs=2)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=100),
    dict(type='CosineAnnealingLR', by_epoch=True, convert_to_iter_based=True),
]
