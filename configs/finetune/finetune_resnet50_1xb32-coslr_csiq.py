"""Fine-tune ResNet-50, the paper's backbone, on CSIQ (Larson and Chandler, Journal of Electronic Imaging 19(1), 2010).

    python tools/prepare_dataset.py csiq data/csiq
    PRETRAINED=work_dirs/pretrain/epoch_200.pth \\
        python tools/train.py configs/finetune/finetune_resnet50_1xb32-coslr_csiq.py

Batch: 32 crops of 384 px a step; 866 images of 30 references in all.
PRETRAINED: a checkpoint of configs/qpt/qpt_resnet50_8xb32-coslr-200e_in1k.py, or an exported file.
Result: not run yet by us.

SPLIT is a column of the prepared CSV, by default the first random 80/20 split; all copies of a reference are on one side. A
tenth of the training rows, again whole references, chooses the epoch; tools/test.py scores the rows with `test`, which
training never reads.
Everything with a number here and in ../_base_/finetune.py is a design choice.
"""

_base_ = ['../_base_/default_runtime.py', '../_base_/finetune.py']

split = '{{$SPLIT:ratio802_seed123_split_01}}'
rated = dict(data_root='{{$DATA_ROOT:data/csiq/dst_imgs}}', ann_file='{{$ANN_FILE:data/csiq.csv}}', group_column='ref')
holdout = dict(where={split: 'train'}, holdout=0.1)  # share of the training rows that chooses the epoch
train_dataloader = dict(dataset=dict(**rated, **holdout, part='fit'))
val_dataloader = dict(dataset=dict(**rated, **holdout, part='holdout'))
test_dataloader = dict(dataset=dict(**rated, where={split: 'test'}))
default_hooks = dict(checkpoint=dict(save_best='iqa/SRCC', rule='greater', max_keep_ckpts=1))
