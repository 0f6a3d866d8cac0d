"""What the methods that QPT is compared with share: the optimiser, schedule and length of a run, so that nothing but the task differs."""

iterations = 800

train_cfg = dict(type='ResumableTrainLoop', max_iters=iterations)
optim_wrapper = dict(
    type='OptimWrapper', optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.01), clip_grad=dict(max_norm=5.0)
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.1, by_epoch=False, end=max(1, iterations // 20)),
    dict(type='CosineAnnealingLR', by_epoch=False),
]
