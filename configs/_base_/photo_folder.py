"""What pre-training shares whatever the network and the task: photos of a folder in a seeded order, which a resumed run goes on with.

DATA_ROOT is the folder, or one of the other places of docs/pretraining_photos.md. A config adds the size of a batch and the pipeline.
"""

train_dataloader = dict(
    num_workers=2,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='SeededSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(type='PhotoFolder', data_root='{{$DATA_ROOT:data/photos}}'),
)
