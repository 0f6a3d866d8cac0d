"""Encoders by name, and the checkpoints of a run."""

import pytest
import torch

from mmqpt.core.errors import InputError
from mmqpt.evaluation.protocols.encoders import Encoder, find_encoders


@pytest.fixture
def work_dir(tmp_path):
    """A run with checkpoints at steps 100 to 500, and the best one."""
    folder = tmp_path / 'run'
    folder.mkdir()
    for epoch in range(1, 6):
        torch.save({'meta': {'iter': 100 * epoch}, 'state_dict': {}}, folder / f'epoch_{epoch}.pth')
    torch.save({'meta': {'iter': 300}, 'state_dict': {}}, folder / 'best_SRCC_epoch_3.pth')
    return folder


def test_weights_on_their_own():
    found = find_encoders(['random', 'I=imagenet:efficientnet_lite0', 'both=random+imagenet:efficientnet_lite0'])
    assert found[:2] == [Encoder('random', 'random'), Encoder('I', 'imagenet:efficientnet_lite0')]
    assert found[2].parts == ['random', 'imagenet:efficientnet_lite0']


def test_a_work_dir_is_a_run(work_dir):
    found = find_encoders([f'A={work_dir}'])
    assert [(e.name, e.run, e.step) for e in found] == [(f'A {s}', 'A', s) for s in (100, 200, 300, 400, 500)]
    assert found[0].weights == str(work_dir / 'epoch_1.pth')
    assert [e.run for e in find_encoders([str(work_dir)])] == ['run'] * 5


@pytest.mark.parametrize(
    ('most', 'steps'), [(1, [500]), (2, [100, 500]), (3, [100, 300, 500]), (9, [100, 200, 300, 400, 500])]
)
def test_at_most_so_many_evenly_spaced_with_the_last(work_dir, most, steps):
    found = find_encoders([f'A={work_dir}'], most)
    assert [e.step for e in found] == (steps if most > 1 else [None])  # one is no curve


def test_several_checkpoints_of_a_folder_are_a_run(work_dir):
    one, two, best = (str(work_dir / name) for name in ('epoch_1.pth', 'epoch_4.pth', 'best_SRCC_epoch_3.pth'))
    found = find_encoders([f'a={one}', f'b={two}', f'best={best}'])
    assert [(e.name, e.run, e.step) for e in found] == [
        ('a', str(work_dir), 100), ('b', str(work_dir), 400), ('best', '', None)
    ]  # fmt: skip
    assert find_encoders([f'a={one}']) == [Encoder('a', one)]


def test_a_checkpoint_that_does_not_say_its_step(tmp_path):
    for step in (7, 9):
        torch.save({'state_dict': {}}, tmp_path / f'iter_{step}.pth')
    assert [e.step for e in find_encoders([str(tmp_path)])] == [7, 9]


@pytest.mark.parametrize(
    ('texts', 'message'),
    [
        (['pyiqa:piqe'], 'distortions are read from features, and a metric of pyiqa has none'),
        (['a=random', 'a=imagenet:efficientnet_lite0'], 'two encoders have one name: a'),
        (['{}'], 'no checkpoints of a run in this folder'),
    ],
)
def test_mistakes(texts, message, tmp_path):
    with pytest.raises(InputError, match=message):
        find_encoders([text.format(tmp_path) for text in texts])
