"""``mmqpt map``: the PNG is there and shows what it should."""

import os

import numpy as np
import pytest
from PIL import Image

from mmqpt.cli.map import draw
from mmqpt.metric.quality_map import QualityMap


def test_a_map_is_written_to_the_working_folder(mmqpt, photo_folder, tmp_path):
    (tmp_path / 'in').mkdir()
    photo = tmp_path / 'in' / 'a $x$.b.jpg'
    photo.write_bytes(sorted(photo_folder.iterdir())[0].read_bytes())
    result = mmqpt('map', photo)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith('a $x$.b-map.png: score 0.')
    assert os.listdir(tmp_path / 'in') == ['a $x$.b.jpg']
    with Image.open(tmp_path / 'a $x$.b-map.png') as image:
        assert image.width > 600
    assert mmqpt('map', photo, '--out', 'm.png', '--patch', 64).exit_code == 0
    assert (tmp_path / 'm.png').is_file()


def test_folders_leave_out_maps(mmqpt, photo_folder, tmp_path):
    (tmp_path / 'in').mkdir()
    data = sorted(photo_folder.iterdir())[0].read_bytes()
    for name in ('a.jpg', 'b-map.png'):  # the second is a photo that is called so
        (tmp_path / 'in' / name).write_bytes(data)
    assert mmqpt('map', 'in/a.jpg', '--out', 'in/a-map.png', '--stride', 128).exit_code == 0
    assert os.path.isfile('in/a-map.png')

    def scored(*args):
        return [line.split('\t')[1] for line in mmqpt('score', *args).stdout.splitlines()]

    assert scored('in') == scored('in', '-r') == ['in/a.jpg', 'in/b-map.png']
    assert scored('in/a-map.png') == ['in/a-map.png']  # named by itself
    for name in ('a.jpg', 'b-map.png'):
        os.remove(f'in/{name}')
    result = mmqpt('score', 'in')
    assert result.exit_code == 2
    assert 'only maps' in result.stderr


def test_a_photo_is_never_replaced_and_no_weights_are_loaded_before(mmqpt, photos, tmp_path, monkeypatch):
    monkeypatch.setattr('mmqpt.cli.map.scorer_and_facts', None)
    Image.fromarray(photos[0][:64, :64]).save(tmp_path / 'p.png')
    os.link(tmp_path / 'p.png', tmp_path / 'hard.png')
    (tmp_path / 'link.png').symlink_to('p.png')
    (tmp_path / 'p-map.png').symlink_to('p.png')
    before = (tmp_path / 'p.png').read_bytes()
    for out in ('p.png', './p.png', 'link.png', 'hard.png', None):
        result = mmqpt('map', 'p.png', *(['--out', out] if out else []))
        assert result.exit_code == 2
        assert 'would replace the photo p.png' in result.stderr
    assert (tmp_path / 'p.png').read_bytes() == before


def test_a_default_name_replaces_maps_only(mmqpt, photos, tmp_path):
    Image.fromarray(photos[0][:64, :64]).save(tmp_path / 'p.png')
    (tmp_path / 'p-map.png').write_text('mine')
    result = mmqpt('map', 'p.png')
    assert result.exit_code == 2
    assert 'p-map.png exists and is not a map; give --out' in result.stderr
    assert (tmp_path / 'p-map.png').read_text() == 'mine'
    assert [mmqpt('map', 'p.png', *args).exit_code for args in (['--out', 'p-map.png'], [])] == [0, 0]


def test_a_map_that_can_not_be_finished_leaves_the_old_one(mmqpt, photos, tmp_path, monkeypatch):
    def full(figure, path, **kwargs):
        with open(path, 'wb') as file:
            file.write(b'half')
        raise OSError('no space left')

    monkeypatch.setattr('matplotlib.figure.Figure.savefig', full)
    Image.fromarray(photos[0][:64, :64]).save(tmp_path / 'p.png')
    (tmp_path / 'm.png').write_text('old')
    result = mmqpt('map', 'p.png', '--out', 'm.png')
    assert result.exit_code == 2
    assert result.stderr == 'error: no space left\n'
    assert {path.name for path in tmp_path.iterdir()} == {'p.png', 'm.png'}
    assert (tmp_path / 'm.png').read_text() == 'old'


@pytest.mark.parametrize('name', ['none.jpg', 'bad.png'])
def test_a_photo_that_can_not_be_scored_is_told_as_by_score(mmqpt, tmp_path, name):
    (tmp_path / 'bad.png').write_text('x')
    result, told = mmqpt('map', name), mmqpt('score', name)
    assert result.exit_code == told.exit_code == 1
    assert name in result.stderr
    assert result.stderr == told.stderr
    assert not list(tmp_path.glob('*-map.png'))


def test_scores_that_are_no_numbers_are_an_error(mmqpt, photos, tmp_path, monkeypatch):
    monkeypatch.setattr('mmqpt.metric.torch_scorer.TorchScorer.score_view', lambda self, x: np.full(len(x), np.nan))
    Image.fromarray(photos[0][:64, :64]).save(tmp_path / 'p.png')
    result = mmqpt('map', 'p.png')
    assert result.exit_code == 2
    assert 'no finite score' in result.stderr
    assert not (tmp_path / 'p-map.png').exists()


def test_low_scores_are_red_and_high_ones_blue(tmp_path):
    scores = np.array([[0.0, 1.0]])
    grey = np.full((100, 200, 3), 128, np.uint8)
    draw(QualityMap(scores, np.array([0]), np.array([0, 100]), (100, 100), grey), 0.5, 'x', str(tmp_path / 'm.png'))
    pixels = np.asarray(Image.open(tmp_path / 'm.png').convert('RGB')).astype(int)
    red, blue = (np.argwhere(pixels[..., a] - pixels[..., b] > 60) for a, b in ((0, 2), (2, 0)))
    middle = pixels.shape[0] // 2
    red, blue = (found[abs(found[:, 0] - middle) < 20] for found in (red, blue))
    half = pixels.shape[1] // 2
    shown = slice(half, int(half + 0.38 * pixels.shape[1]))
    red = red[(red[:, 1] >= shown.start) & (red[:, 1] < shown.stop)]
    blue = blue[(blue[:, 1] >= shown.start) & (blue[:, 1] < shown.stop)]
    assert len(red) > 100
    assert len(blue) > 100
    assert red[:, 1].mean() < blue[:, 1].mean()


def test_colours_mean_the_same_in_every_map(tmp_path):
    """A photo of one score all over is not drawn as half bad and half good."""
    pictures = []
    for value in (0.2, 0.8):
        scores = np.array([[value, value + 0.001]])
        photo = np.full((100, 200, 3), 128, np.uint8)
        draw(
            QualityMap(scores, np.array([0]), np.array([0, 100]), (100, 100), photo), 0.5, 'x', str(tmp_path / 'm.png')
        )
        pixels = np.asarray(Image.open(tmp_path / 'm.png').convert('RGB')).astype(int)
        pictures.append(pixels[pixels.shape[0] // 2 - 40 :][:20, int(0.6 * pixels.shape[1]) :][:, :60])
    assert np.median(pictures[0][..., 0] - pictures[0][..., 2]) > 50
    assert np.median(pictures[1][..., 2] - pictures[1][..., 0]) > 50


def test_patches_without_detail_are_hatched_and_counted(mmqpt, photos, tmp_path):
    photo = photos[0][100:356, :256].copy()
    photo[:, :128] = np.linspace(90, 140, 256)[:, None, None]  # a sky
    Image.fromarray(photo).save(tmp_path / 'p.png')
    result = mmqpt('map', 'p.png', '--patch', 64, '--stride', 64)
    assert result.stdout.endswith('50% without detail\n')
    hatched = np.asarray(Image.open(tmp_path / 'p-map.png').convert('L')).astype(int)
    right = hatched[:, hatched.shape[1] // 2 :]
    lines = (right < 60).sum()
    Image.fromarray(photos[0][100:356, :256]).save(tmp_path / 'q.png')
    result = mmqpt('map', 'q.png', '--patch', 64, '--stride', 64)
    assert 'without detail' not in result.stdout
    assert lines > 1000


def test_maps_of_a_folder(mmqpt, photos, tmp_path):
    (tmp_path / 'in' / 'sub').mkdir(parents=True)
    for name in ('a.png', 'a.jpg', 'sub/b.png'):
        Image.fromarray(photos[0][:64, :64]).save(tmp_path / 'in' / name)
    (tmp_path / 'in' / 'bad.png').write_text('x')
    result = mmqpt('map', 'in', '-r', '--stride', 64)
    assert result.exit_code == 1
    assert result.stderr.endswith('3 maps, 1 failed\n')
    assert 'in/bad.png' in result.stderr
    found = {path.relative_to(tmp_path / 'maps').as_posix() for path in (tmp_path / 'maps').rglob('*.png')}
    assert found == {'a.png-map.png', 'a.jpg-map.png', 'sub/b.png-map.png'}
    assert mmqpt('map', 'in', '--out', 'in', '--stride', 64).exit_code == 1  # beside the photos; only the folder itself
    assert mmqpt('map', 'in', '--out', 'in', '--stride', 64).stderr.endswith('2 maps, 1 failed\n')  # maps get none
    (tmp_path / 'maps' / 'a.jpg-map.png').write_text('mine')
    for out, said in (('maps', 'exists and is not a map; give another --out'), ('in/a.jpg', '--out must be a folder')):
        result = mmqpt('map', 'in', '--out', out)
        assert result.exit_code == 2
        assert said in result.stderr
    assert (tmp_path / 'maps' / 'a.jpg-map.png').read_text() == 'mine'


@pytest.mark.parametrize(
    ('args', 'said'),
    [
        (['-'], 'one photo or folder'),
        (['photo.png', '-r'], '--recursive is for a folder'),
        (['none.jpg', '--out', 'm.jpg'], '--out must end with .png'),
        (['photo.png', '--out', ''], '--out must end with .png'),
        (['photo.png', '--out', 'no/such.png'], 'no/such.png: no such folder'),
        (['photo.png', '--patch', '5'], 'patch must be from 32'),
        (['photo.png', '--stride', '0'], 'stride must be from 1 px'),
    ],
)
def test_mistakes_end_with_one_sentence(mmqpt, tmp_path, args, said):
    Image.new('RGB', (50, 50)).save(tmp_path / 'photo.png')
    result = mmqpt('map', *args)
    assert result.exit_code == 2
    assert result.stderr.startswith('error: ')
    assert said in result.stderr
    assert not list(tmp_path.glob('*-map.png'))


@pytest.mark.parametrize('size', [(4000, 3), (3, 4000), (700, 1), (1, 500), (2, 2)])
def test_maps_of_very_narrow_pictures(mmqpt, tmp_path, size):
    Image.fromarray(np.full((*size, 3), 128, np.uint8)).save(tmp_path / 'narrow.png')
    result = mmqpt('map', 'narrow.png')
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / 'narrow-map.png').is_file()
