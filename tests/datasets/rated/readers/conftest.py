"""Each set in its original layout, with a handful of images of 8 px."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import openpyxl
import pytest
import xlwt
from PIL import Image
from scipy.io import savemat


def image(path: Path, size: int = 8) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(len(path.name)).integers(0, 256, (size, size, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return path


def text(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join(lines) + '\n')
    return path


def excel(path: Path, rows: list[list], sheet: str = 'Sheet1') -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == '.xls':
        book = xlwt.Workbook()
        page = book.add_sheet(sheet)
        for y, row in enumerate(rows):
            for x, value in enumerate(row):
                if value is not None:
                    page.write(y, x, value)
    else:
        book = openpyxl.Workbook()
        page = book.active
        page.title = sheet
        for row in rows:
            page.append(row)
    book.save(path)
    return path


def cells(values: list[str], column: bool = True) -> np.ndarray:
    """A MATLAB cell array of texts."""
    array = np.array(values, dtype=object)
    return array[:, None] if column else array[None]


def make_bid(root: Path) -> Path:
    """Empty rows below the table, as Excel leaves them."""
    rows = [['Image Number', 'Average Subjective Grade', 'Standard Deviation', 'Grade 1']]
    rows += [[number, grade, 0.5, 2] for number, grade in ((1, 2.25), (2, 4), (13, 0.1), (586, 3.3))]
    excel(root / 'DatabaseGrades.xls', [*rows, [], ['', '', None, '']], 'Plan1')
    for number in (1, 2, 13, 586):
        image(root / f'DatabaseImage{number:04d}.JPG')
    return root


def make_clive(root: Path, count: int = 12) -> Path:
    names = [f't{i}.bmp' for i in range(1, 8)] + [f'{i}.JPG' if i == 10 else f'{i}.bmp' for i in range(8, count + 1)]
    mos = [10.0 + i for i in range(count)]
    (root / 'Data').mkdir(parents=True)
    savemat(root / 'Data' / 'AllImages_release.mat', {'AllImages_release': cells(names)})
    savemat(root / 'Data' / 'AllMOS_release.mat', {'AllMOS_release': np.array([mos])})
    savemat(root / 'Data' / 'AllStdDev_release.mat', {'AllStdDev_release': np.array([mos]) / 4})
    for name in names:
        image(root / 'Images' / ('trainingImages' if name[0] == 't' else '') / name)
    return root


KONIQ = (  # name, five numbers of ratings, part
    ('10004473376.jpg', (0, 0, 25, 73, 7), 'training'),
    ('10007357496.jpg', (0, 3, 45, 47, 1), 'test'),
    ('10043785683.jpg', (50, 30, 16, 3, 1), 'validation'),
    ('826373.jpg', (1, 1, 1, 1, 1), 'training'),
)


def make_koniq(root: Path, scores: bool = True, sets: bool = True, folder: str = '1024x768') -> Path:
    with_counts, with_shares = [], []
    for name, counts, part in KONIQ:
        total = sum(counts)
        mean = sum(k * n for k, n in enumerate(counts, 1)) / total
        zscore = 20 * mean
        shares = ','.join(str(n / total) for n in counts)
        with_counts.append(f'"{name}",{",".join(map(str, counts))},{total},{mean!r},0.53,{zscore}')
        with_shares.append(f'{name},{shares},{total},{zscore},0.53,{part}')
        image(root / folder / name)
    head = 'c1,c2,c3,c4,c5,c_total,MOS,SD'
    if scores:
        text(root / 'koniq10k_scores_and_distributions.csv', f'"image_name",{head},MOS_zscore', *with_counts)
    if sets:
        text(root / 'koniq10k_distributions_sets.csv', f'image_name,{head},set', *with_shares)
    return root


def make_spaq(root: Path) -> Path:
    rows = [['Image name', 'MOS', 'Brightness', 'Color fulness']]
    rows += [[f'0000{i}.jpg', 20.5 * i, 40, 41.5] for i in range(1, 5)]
    excel(root / 'Annotations' / 'MOS and Image attribute scores.xlsx', rows)
    for row in rows[1:]:
        image(root / 'TestImage' / row[0])
    return root


FLIVE = ('voc_emotic_ava/AVA__1.jpg', 'voc_emotic_ava/VOC2012__2.jpg', 'EE371R/cj23478.jpg', 'blur_dataset/out_1.jpg')


def make_flive(root: Path) -> Path:
    """The files of PaQ-2-PiQ's official split are beside the labels."""
    text(root / 'labels_image.csv', 'name,mos', *(f'{name},{70.5 + i}' for i, name in enumerate(FLIVE)))
    head = 'name_image,mos_image,mos_patch_1,is_valid'
    text(root / 'labels<=640_padded.csv', head, *(f'{n},7,7,{i == 1}' for i, n in enumerate(FLIVE[:3])))
    text(root / 'labels>640.csv', head.removesuffix(',is_valid'), f'{FLIVE[3]},7,7')
    for name in FLIVE:
        image(root / 'database' / name)
    image(root / 'database' / 'patches' / 'AVA__1.jpg_patch_1.jpg')
    return root


def make_biq2021(root: Path) -> Path:
    """The original: two CSVs; one name differs from its label by the case of its suffix."""
    text(root / 'Train (Images and MOS).csv', 'Image Name,MOS', 'ss01 (1).jpg,0.4779', 'ss02 (7).jpg,0.0000')
    text(root / 'Test (Images and MOS).csv', 'Image Name,MOS', 'ss03 (7805).jpg,0.7321', 'ss01 (2).jpg,1.0000')
    for name in ('ss01 (1).jpg', 'ss02 (7).JPG', 'ss03 (7805).jpg', 'ss01 (2).jpg'):
        image(root / 'Images' / name)
    return root


def make_biq2021_part(root: Path) -> Path:
    """``labels.csv`` for all, and photos of those with in_subset 1."""
    rows = ('1,train,train,0,1', '2,test,test,1,1', '3,drop,test,0,0', '4,train,train,2,1', '5,train,train,3,0')
    lines = []
    for row in rows:
        number, split, official, cluster, here = row.split(',')
        lines.append(f'ss01 ({number}).jpg,0.{number},ss01,{split},{official},{cluster},512,512,{here}')
        if here == '1':
            image(root / 'images' / f'ss01 ({number}).jpg')
    text(root / 'labels.csv', 'name,mos,subset,split,official_split,cluster,height,width,in_subset', *lines)
    return root


LIVE = {'jp2k': 3, 'jpeg': 2, 'wn': 2, 'gblur': 2, 'fastfading': 2}
"""Images of each folder. The last one of each is a copy of the reference."""


def make_live(root: Path, realigned: bool = True) -> Path:
    dmos, orgs, refs = [], [], []
    for folder, count in LIVE.items():
        lines = []
        for number in range(1, count + 1):
            ref = 'womanhat.bmp' if number == 1 else 'Bikes.bmp'
            refs.append(ref)
            orgs.append(number == count)
            dmos.append(0.0 if number == count else 30.25 + len(dmos))
            lines.append(f'{ref} img{number}.bmp 0.5')
            image(root / folder / f'img{number}.bmp')
        text(root / folder / 'info.txt', *reversed(lines))  # in no order
    dmos[0] = 111.77  # beyond the nominal scale
    both = {'orgs': np.array([orgs], np.uint8)}
    if realigned:
        savemat(root / 'dmos_realigned.mat', {'dmos_new': np.array([dmos]), 'dmos_std': np.array([dmos]) / 10, **both})
    savemat(root / 'dmos.mat', {'dmos': np.array([dmos]) / 2, **both})
    savemat(root / 'refnames_all.mat', {'refnames_all': cells(refs, column=False)})
    image(root / 'refimgs' / 'bikes.bmp')
    return root


def make_csiq(root: Path) -> Path:
    """The table starts below a title, right of empty columns, as in the original."""
    kinds = ('noise', 'AWGN'), ('jpeg', 'JPEG'), ('jpeg 2000', 'jpeg2000'), ('fnoise', 'fnoise'), ('blur', 'BLUR')
    rows = [['DMOS of CSIQ'], [], [], [None] * 3 + ['image', 'dst_idx', 'dst_type', 'dst_lev', 'dmos_std', 'dmos']]
    for index, (kind, token) in enumerate(kinds, 1):
        for ref in (1600, 'aerial_city'):
            rows.append([None] * 3 + [ref, index, kind, 1, 0.06, 0.062 * index])
            image(root / 'dst_imgs' / token.lower() / f'{ref}.{token}.1.png')
            image(root / 'src_imgs' / f'{ref}.png')
    excel(root / 'csiq.DMOS.xlsx', rows, 'all_by_image')
    return root


def make_tid2013(root: Path) -> Path:
    """The list has capital I for some references, the disk for others."""
    listed = ('I01_01_1.bmp', 'i01_02_5.bmp', 'i25_24_5.bmp', 'I02_01_1.bmp')
    on_disk = ('i01_01_1.bmp', 'I01_02_5.BMP', 'i25_24_5.bmp', 'I02_01_1.bmp')
    (root / 'distorted_images').mkdir(parents=True)
    lines = ''.join(f'{5.51429 - i:.5f} {name}\r\n' for i, name in enumerate(listed))
    (root / 'mos_with_names.txt').write_bytes(lines.encode())
    text(root / 'mos_std.txt', *('0.13013',) * 4)
    for name in on_disk:
        image(root / 'distorted_images' / name)
    for name in ('I01.BMP', 'I02.BMP', 'i25.bmp'):
        image(root / 'reference_images' / name)
    return root


def make_kadid(root: Path) -> Path:
    names = ('I01_01_01', 'I01_01_02', 'I02_25_05', 'I81_25_05')
    lines = [f'{name}.png,{name[:3]}.png,{4.57 - i:.2f},0.496' for i, name in enumerate(names)]
    text(root / 'dmos.csv', 'dist_img,ref_img,dmos,var', *lines)
    for name in (*names, 'I01', 'I02', 'I81'):
        image(root / 'images' / f'{name}.png')
    return root


def make_pipal(root: Path, folders: tuple[str, ...] = ('Train_Dist',)) -> Path:
    for number, ref in enumerate(('A0001', 'A0185')):
        names = [f'{ref}_00_00.bmp', f'{ref}_05_02.bmp']
        text(root / 'Train_Label' / f'{ref}.txt', f'{names[0]},1520.0648', f'{names[1]},{1370.5 + number}')
        for name in names:
            image(root / folders[number % len(folders)] / name)
        image(root / 'Train_Ref' / f'{ref}.bmp')
    return root


MAKERS = {
    'bid': make_bid, 'clive': make_clive, 'koniq10k': make_koniq, 'spaq': make_spaq, 'flive': make_flive,
    'biq2021': make_biq2021, 'biq2021 part': make_biq2021_part, 'live': make_live, 'csiq': make_csiq,
    'tid2013': make_tid2013, 'kadid10k': make_kadid, 'pipal': make_pipal,
}  # fmt: skip


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """``make(set, **options)`` gives a folder with that set."""

    def make_set(name: str, **options: object) -> Path:
        return MAKERS[name](tmp_path / name, **options)

    return make_set
