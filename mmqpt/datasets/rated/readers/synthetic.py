"""Sets of reference images and distorted copies: LIVE, CSIQ, TID2013, KADID-10k, PIPAL.

Every row has the reference in column ``ref`` (one name for all of its copies) and the kind of distortion in
``distortion``; the references themselves are not photos of the set. None of these sets was available here: layouts,
names and counts are those of their documentation and of public programs that read them.
"""

from __future__ import annotations

from pathlib import Path

from mmqpt.core.errors import InputError
from mmqpt.datasets.rated.readers.labels import (
    Labels,
    find_file,
    find_folder,
    find_optional,
    need_columns,
    read_csv,
    read_excel,
    read_lines,
    read_mat,
    same_length,
)

LIVE_FOLDERS = ('jp2k', 'jpeg', 'wn', 'gblur', 'fastfading')
"""In the order in which LIVE's MATLAB files go through them."""
CSIQ_TOKENS = {
    'noise': 'AWGN',
    'blur': 'BLUR',
    'contrast': 'contrast',
    'fnoise': 'fnoise',
    'jpeg': 'JPEG',
    'jpeg 2000': 'jpeg2000',
}
"""CSIQ's distortions: in the table -> in file names."""


def read_live(root: Path) -> Labels:
    """``dmos_realigned.mat`` (or ``dmos.mat``), ``refnames_all.mat``, five folders with ``imgN.bmp`` and ``info.txt``.

    The MATLAB files have one entry an image, folder after folder, ``img1.bmp`` first. Entries with ``orgs`` 1 are the
    undistorted references and are left out. ``info.txt`` (reference, image, strength) says how many a folder has and is
    checked against ``refnames_all``.
    """
    path = find_file(root, 'dmos_realigned.mat', 'dmos.mat')
    refs_path = find_file(root, 'refnames_all.mat')
    realigned = path.name == 'dmos_realigned.mat'
    columns = {
        'dmos': read_mat(path, *(['dmos_new'] if realigned else []), 'dmos'),
        'orgs': read_mat(path, 'orgs'),
        'refnames_all': read_mat(refs_path, 'refnames_all'),
    }
    if realigned:
        columns['dmos_std'] = read_mat(path, 'dmos_std')
    images, refs, strengths = [], [], []
    for folder in LIVE_FOLDERS:
        info = find_file(root, f'{folder}/info.txt')
        lines = {fields[1].lower(): fields for fields in read_lines(info) if len(fields) >= 2}
        for number in range(1, len(lines) + 1):
            name = f'img{number}.bmp'
            if name not in lines:
                raise InputError(f'{info}: {len(lines)} lines, but none of {name}')
            images.append((folder, name))
            refs.append(lines[name][0])
            strengths.append(lines[name][2] if len(lines[name]) > 2 else '')
    same_length(path, {**columns, 'info.txt of all folders': images})
    rows = []
    for i, (folder, name) in enumerate(images):
        if str(columns['refnames_all'][i]).lower() != refs[i].lower():
            raise InputError(
                f'{refs_path}: the reference of {folder}/{name} is {columns["refnames_all"][i]!r}, '
                f'but info.txt says {refs[i]!r}'
            )
        if columns['orgs'][i]:
            continue
        row = {'name': f'{folder}/{name}', 'score': repr(float(columns['dmos'][i]))}
        if realigned:
            row['sd'] = repr(float(columns['dmos_std'][i]))
        rows.append({**row, 'ref': Path(refs[i]).stem.lower(), 'distortion': folder, 'strength': strengths[i]})
    if not rows:
        raise InputError(f'{path}: every entry is a reference (orgs is 1)')
    return Labels(root, rows, notes=(f'DMOS of {path.name}; {len(images) - len(rows)} undistorted images left out',))


def read_csiq(root: Path) -> Labels:
    """``csiq.DMOS.xlsx`` (sheet all_by_image) and ``dst_imgs`` with or without a subfolder for each distortion."""
    path = find_file(root, 'csiq.DMOS.xlsx', 'csiq.DMOS.xls')
    rows = []
    for row in read_excel(path, ['image', 'dst_type', 'dst_lev', 'dmos'], sheet='all_by_image'):
        kind, level = row['dst_type'].lower(), row['dst_lev']
        if kind not in CSIQ_TOKENS:
            raise InputError(f'{path}: unknown dst_type {kind!r}; known are {", ".join(CSIQ_TOKENS)}')
        given = {'name': f'{row["image"]}.{CSIQ_TOKENS[kind]}.{level}.png', 'score': row['dmos']}
        if 'dmos_std' in row:
            given['sd'] = row['dmos_std']
        rows.append({**given, 'ref': row['image'], 'distortion': CSIQ_TOKENS[kind].lower(), 'level': level})
    return Labels(find_folder(root, 'dst_imgs', 'dst_imgs_all'), rows)


def read_tid2013(root: Path) -> Labels:
    """``mos_with_names.txt`` (MOS and name), ``mos_std.txt`` if there, ``distorted_images``.

    Names are ``iRR_DD_L.bmp``: reference, distortion, level. Their case differs between the list and the disk.
    """
    path = find_file(root, 'mos_with_names.txt')
    table = read_lines(path)
    std_path = find_optional(root, 'mos_std.txt')
    deviations = [fields[0] for fields in read_lines(std_path)] if std_path else []
    if std_path:
        same_length(std_path, {'mos_with_names.txt': table, 'mos_std.txt': deviations})
    rows = []
    for number, fields in enumerate(table):
        parts = Path(fields[-1]).stem.split('_')
        if len(fields) != 2 or len(parts) != 3:
            raise InputError(f'{path}, line {number + 1}: not a MOS and a name like i01_01_1.bmp: {" ".join(fields)}')
        row = {'name': fields[1], 'score': fields[0]}
        if deviations:
            row['sd'] = deviations[number]
        rows.append({**row, 'ref': parts[0].upper(), 'distortion': parts[1], 'level': parts[2]})
    return Labels(find_folder(root, 'distorted_images'), rows)


def read_kadid(root: Path) -> Labels:
    """``dmos.csv`` (dist_img, ref_img, dmos, var) and ``images``, which holds the references too.

    What the file calls dmos is a MOS from 1 to 5: higher is better. The column is not turned, and not kept under that
    name. Its var is kept as it is; readers of the raw ratings say that it is a standard deviation, which was not
    checked here.
    """
    path = find_file(root, 'dmos.csv')
    table = read_csv(path)
    need_columns(table, ['dist_img', 'ref_img', 'dmos'], path)
    rows = []
    for row in table:
        parts = Path(row['dist_img']).stem.split('_')
        if len(parts) != 3:
            raise InputError(f'{path}: {row["dist_img"]!r} is not a name like I01_01_01.png')
        given = {'name': row['dist_img'], 'score': row['dmos']}
        if 'var' in row:
            given['var'] = row['var']
        rows.append({**given, 'ref': Path(row['ref_img']).stem.upper(), 'distortion': parts[1], 'level': parts[2]})
    note = 'the column dmos of KADID-10k is a MOS (higher is better) and is used as it is'
    return Labels(find_folder(root, 'images', 'distorted_images'), rows, notes=(note,))


def read_pipal(root: Path) -> Labels:
    """The training part: ``Train_Label/*.txt`` (name, Elo rating) and ``Train_Dist``, or ``Distortion_1`` to ``_4``.

    Names are ``ARRRR_DD_NN.bmp``: reference, kind of distortion, number. Higher ratings are better.
    """
    folder = find_folder(root, 'Train_Label', 'Train_Labels')
    paths = sorted(folder.glob('*.txt'))
    if not paths:
        raise FileNotFoundError(f'{folder}: looked for text files of labels (name, rating) and found none')
    rows = []
    for path in paths:
        for number, fields in enumerate(read_lines(path), 1):
            parts = Path(fields[0]).stem.split('_')
            if len(fields) != 2 or len(parts) != 3:
                raise InputError(f'{path}, line {number}: not a name like A0001_00_00.bmp and a rating: {fields}')
            rows.append(
                {'name': fields[0], 'score': fields[1], 'ref': parts[0], 'distortion': parts[1], 'number': parts[2]}
            )
    photo_root = find_folder(root, 'Train_Dist', 'Train_Distort', 'Dist_Imgs', 'Distortion_1')
    return Labels(root if photo_root.name == 'Distortion_1' else photo_root, rows)
