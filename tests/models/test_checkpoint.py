"""Reading checkpoints: MMEngine's own, and nothing that runs code."""

import pytest
import torch

from mmqpt.core.errors import InputError
from mmqpt.models.checkpoint import load_checkpoint_file


def test_reads_mmengine_checkpoints(pretrained_checkpoint):
    loaded = load_checkpoint_file(pretrained_checkpoint)
    assert {'meta', 'state_dict', 'optimizer', 'message_hub'} <= set(loaded)
    assert loaded['state_dict']['queue.filled'] == 48  # 4 steps of 3 photos, 2 versions, 2 patches


class _Call:
    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize('way', ['open', 'getattr of a class', 'private method'])
def test_code_in_a_checkpoint_does_not_run(tmp_path, way):
    from mmengine.logging.history_buffer import HistoryBuffer

    target = tmp_path / 'written'
    payload = {
        'open': _Call(open, str(target), 'w'),
        'getattr of a class': _Call(getattr, _Call(type, 1), '__subclasses__'),
        'private method': _Call(getattr, HistoryBuffer, '__init__'),
    }[way]
    torch.save({'state_dict': payload}, tmp_path / 'evil.pth')
    with pytest.raises(InputError, match=r'evil.pth: not a checkpoint that can be loaded safely'):
        load_checkpoint_file(tmp_path / 'evil.pth')
    assert not target.exists()


def test_not_a_checkpoint(tmp_path):
    torch.save([1, 2], tmp_path / 'list.pth')
    with pytest.raises(InputError, match=r'list.pth: not a checkpoint, it holds a list'):
        load_checkpoint_file(tmp_path / 'list.pth')
    (tmp_path / 'empty.pth').write_bytes(b'')
    with pytest.raises(InputError, match=r'empty.pth: not a checkpoint that can be loaded safely'):
        load_checkpoint_file(tmp_path / 'empty.pth')
