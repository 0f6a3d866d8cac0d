"""What every run shares: MMEngine's defaults, except where a comment says why.

A config's list replaces the one here. To add a hook: `custom_hooks = [*_base_.custom_hooks, dict(type='MyHook')]`; a test holds that
every config keeps all hooks of this file.
"""

default_scope = 'mmpretrain'
custom_imports = dict(imports=['mmqpt.components'], allow_failed_imports=False)

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=10),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='SafeCheckpointHook', interval=1, max_keep_ckpts=3),  # a killed run keeps the last good one
    sampler_seed=dict(type='DistSamplerSeedHook'),  # tells SeededSampler the epoch
)
custom_hooks = [
    dict(type='ExportSpecHook'),  # checkpoints say what export needs
    dict(type='RatingScalesHook'),  # several rating scales in one set: where their maps begin
    dict(type='FiniteStepHook', max_in_a_row=10),  # NaN: skip the step, write the batch down, stop at 10 in a row
    dict(type='ValidateOnResumeHook'),  # an epoch that was saved but not validated still counts
    dict(type='CollapseWatchHook', interval=50),  # pre-training: do embeddings shrink to one point?
    dict(type='PretextWatchHook', batches=10),  # pre-training: what it adds to its start; settings that can't work
    dict(type='UnreadablePhotosHook', max_share=0.05),  # photos that can't be read: warn, count, stop above 5 %
    dict(type='TrainingPageHook'),  # work_dir/report.html at each checkpoint: is the run healthy?
]
env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
vis_backends = [dict(type='LocalVisBackend')]
visualizer = dict(type='UniversalVisualizer', vis_backends=vis_backends)
log_processor = dict(window_size=10)
log_level = 'INFO'
load_from = None
resume = False
randomness = dict(seed=0, deterministic=False)
