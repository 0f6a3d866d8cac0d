"""mmqpt make-photo-list as a user runs it."""

from functools import partial

import numpy as np
import pytest
from PIL import Image

from mmqpt.datasets.rated.sets import SetInfo, write_set


@pytest.fixture
def tool(run_command):
    return partial(run_command, 'make-photo-list')


@pytest.fixture
def folder(tmp_path):
    """Rated photos a to d, others e and f; c is a relative of the test photo a, and so is f."""
    names = ['rated/a.png', 'rated/b.png', 'rated/c.png', 'rated/d.png', 'other/e.png', 'other/f.png']
    for number, name in enumerate(names):
        path = tmp_path / 'photos' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), number, np.uint8)).save(path)
    clusters = dict(zip(names, ['1', '2', '1', '4', '5', '1'], strict=True))
    lines = ['name,cluster,photos', *(f'{name},{cluster},1' for name, cluster in clusters.items())]
    (tmp_path / 'clusters.csv').write_text('\n'.join(lines))
    parts = {'a': 'test', 'b': 'train', 'c': 'train', 'd': 'drop'}
    rows = [{'name': f'{name}.png', 'mos': 3, 'part': part} for name, part in parts.items()]
    write_set(tmp_path / 'set.csv', SetInfo('x', (1, 5), splits={'part': 'official'}), rows)
    return tmp_path


def arguments(root, **changes):
    options = {'clusters': 'clusters.csv', 'held-out': 'set.csv', 'split': 'part', 'folder': 'rated', **changes}
    found = [root / 'photos', '--out', root / 'new' / 'list.txt']
    for name, value in options.items():
        found += [f'--{name}', root / value if value.endswith('.csv') else value]
    return found


def test_no_test_photo_and_none_of_their_relatives(tool, folder):
    done = tool(*arguments(folder))
    assert done.returncode == 0, done.err
    assert (folder / 'new' / 'list.txt').read_text() == 'other/e.png\nrated/b.png\n'
    assert 'left out, rated: held out: 2' in done.out
    assert 'left out, rated: near-duplicates of photos that are held out: 1' in done.out
    assert 'left out, other: near-duplicates of photos that are held out: 1' in done.out


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'folder': 'else'}, "does not know 'else/a.png', which"),
        ({'split': 'fold'}, "no split 'fold'; there are: part"),
        ({'clusters': 'set.csv'}, 'needs the columns name and cluster'),
        ({'clusters': 'gone.csv'}, 'no such CSV of clusters'),
    ],
)
def test_what_does_not_fit_is_named(tool, folder, changes, message):
    done = tool(*arguments(folder, **changes))
    assert done.returncode == 2
    assert message in done.err
    assert not (folder / 'new').exists()


def test_a_photo_without_a_cluster_is_no_photo_to_trust(tool, folder):
    Image.new('RGB', (8, 8)).save(folder / 'photos' / 'new.png')
    done = tool(*arguments(folder))
    assert done.returncode == 2
    assert "does not know 'new.png'; find the duplicates of this folder again" in done.err
