"""``mmqpt map``: the PNG is there and shows what it should."""

import numpy as np
import pytest
from PIL import Image

from mmqpt.cli.map import draw
from mmqpt.metric.quality_map import QualityMap


def test_a_map_is_written_beside_the_photo(mmqpt, photo_folder, tmp_path):
    photo = tmp_path / 'a $x$.b.jpg'
    photo.write_bytes(sorted(photo_folder.iterdir())[0].read_bytes())
    result = mmqpt('map', photo)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith(f'{tmp_path}/a $x$.b-map.png: score 0.')
    with Image.open(tmp_path / 'a $x$.b-map.png') as image:
        assert image.width > 600
    assert mmqpt('map', photo, '--out', 'm.png', '--patch', 64).exit_code == 0
    assert (tmp_path / 'm.png').is_file()


def test_low_scores_are_red_and_high_ones_blue(tmp_path):
    scores = np.array([[0.1, 0.9]])
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


@pytest.mark.parametrize(
    ('args', 'said'),
    [
        (['none.jpg'], 'none.jpg'),
        (['-'], 'one photo'),
        (['none.jpg', '--out', 'm.jpg'], '--out must end with .png, got m.jpg'),
        (['photo.png', '--patch', '5'], 'patch must be from 32'),
        (['photo.png', '--stride', '0'], 'stride must be from 1 px'),
        (['bad.png'], 'bad.png: not an image'),
    ],
)
def test_mistakes_end_with_one_sentence(mmqpt, tmp_path, args, said):
    Image.new('RGB', (50, 50)).save(tmp_path / 'photo.png')
    (tmp_path / 'bad.png').write_text('x')
    result = mmqpt('map', *args)
    assert result.exit_code == 2
    assert result.stderr.startswith('error: ')
    assert said in result.stderr
    assert not list(tmp_path.glob('*-map.png'))
