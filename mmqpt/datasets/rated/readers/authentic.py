"""Sets of photographs with the distortions that they came with: BID, CLIVE, KonIQ-10k, SPAQ, FLIVE, BIQ2021.

Layouts, column names and counts are those of the sets' own releases, as their documentation and public programs that
read them describe them. Only BIQ2021 was available here: where two descriptions differ, both are read.
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
    read_mat,
    same_length,
)

CLIVE_TRAINING = 7
"""The first rows of CLIVE: photos that trained the observers, which are not for evaluation."""
PARTS = {'training': 'train', 'validation': 'val', 'test': 'test', 'train': 'train', 'val': 'val'}
"""Names of the parts of a split in the sets' files -> ours."""


def read_bid(root: Path) -> Labels:
    """``DatabaseGrades.xls`` (columns Image Number, Average Subjective Grade), ``DatabaseImageNNNN.JPG`` beside it."""
    path = find_file(root, 'DatabaseGrades.xls', 'DatabaseGrades.xlsx')
    rows = []
    for row in read_excel(path, ['Image Number', 'Average Subjective Grade']):
        number = row['Image Number']
        if not number.isdigit():
            raise InputError(f'{path}: Image Number is {number!r}, not a whole number')
        rows.append({'name': f'DatabaseImage{int(number):04d}.JPG', 'score': row['Average Subjective Grade']})
    return Labels(root, rows)


def read_clive(root: Path) -> Labels:
    """``Data/All*_release.mat`` with 1,169 entries each; the 1,162 test photos in ``Images``."""
    files = {
        name: find_file(root, f'Data/{name}_release.mat', f'{name}_release.mat')
        for name in ('AllImages', 'AllMOS', 'AllStdDev')
    }
    columns = {name: read_mat(path, f'{name}_release') for name, path in files.items()}
    same_length(files['AllImages'].parent, columns)
    if len(columns['AllImages']) <= CLIVE_TRAINING:
        raise InputError(
            f'{files["AllImages"]}: {len(columns["AllImages"])} photos, but the first 7 only train observers'
        )
    rows = [
        {'name': str(name), 'score': repr(float(mos)), 'sd': repr(float(sd))}
        for name, mos, sd in list(zip(*columns.values(), strict=True))[CLIVE_TRAINING:]
    ]
    note = f'left out the {CLIVE_TRAINING} photos that trained the observers (the first rows)'
    return Labels(find_folder(root, 'Images'), rows, notes=(note,))


def read_koniq(root: Path) -> Labels:
    """``koniq10k_scores_and_distributions.csv`` and, for the official split, ``koniq10k_distributions_sets.csv``.

    MOS is on the scale 1 to 5. The file of the split has another MOS, from 0 to 100 (MOS_zscore of the file of scores):
    where it is the only file, MOS is the mean of its distribution. Columns c1 to c5 are kept as the file has them:
    numbers of ratings in the file of scores, shares in that of the split; divide by their sum.
    """
    scores = find_optional(root, 'koniq10k_scores_and_distributions.csv')
    sets = find_optional(root, 'koniq10k_distributions_sets.csv')
    path = scores or sets or find_file(root, 'koniq10k_scores_and_distributions.csv', 'koniq10k_distributions_sets.csv')
    photo_root = find_folder(root, '1024x768', '512x384')
    table = read_csv(path)
    shares = ['c1', 'c2', 'c3', 'c4', 'c5']
    need_columns(table, ['image_name', *shares, 'MOS', 'SD'], path)
    parts = {}
    if sets:
        split = read_csv(sets)
        need_columns(split, ['image_name', 'set'], sets)
        parts = {row['image_name']: _part(row['set'], sets) for row in split}
    notes = []
    if not scores:
        notes.append(f'{path.name} has MOS from 0 to 100 only: MOS from 1 to 5 is the mean of c1 to c5')
    if not sets:
        notes.append('no koniq10k_distributions_sets.csv, so no official split')
    rows = []
    for row in table:
        name = row['image_name']
        given = {'name': name, 'score': row['MOS'] if scores else _mean(row, path)}
        given |= {'sd': row['SD'], 'mos_zscore': row.get('MOS_zscore', '') if scores else row['MOS']}
        given |= {c: row[c] for c in [*shares, 'c_total'] if c in row}
        if sets:
            if name not in parts:
                raise InputError(f'{sets}: says nothing of {name!r}, which {path.name} lists')
            given['official_split'] = parts[name]
        rows.append(given)
    splits = {'official_split': 'official (KonIQ-10k: 7,058 train, 1,000 val, 2,015 test)'} if sets else {}
    return Labels(photo_root, rows, splits, notes=tuple(notes))


def _mean(row: dict[str, str], path: Path) -> str:
    try:
        shares = [float(row[f'c{level}']) for level in range(1, 6)]
        return f'{sum(level * share for level, share in enumerate(shares, 1)) / sum(shares):.10g}'
    except (ValueError, ZeroDivisionError):
        raise InputError(f'{path}: c1 to c5 of {row["image_name"]!r} are no distribution') from None


def _part(value: str, path: Path) -> str:
    if value not in PARTS:
        raise InputError(f'{path}: the set of a row is {value!r}, not one of {", ".join(PARTS)}')
    return PARTS[value]


def read_spaq(root: Path) -> Labels:
    """``Annotations/MOS and Image attribute scores.xlsx``, ``TestImage``; the attributes are kept as columns."""
    name = 'MOS and Image attribute scores.xlsx'
    path = find_file(root, f'Annotations/{name}', name, f'Annotations/{name.replace(" ", "_")}')
    rows = [
        {
            'name': row.pop('Image name'),
            'score': row.pop('MOS'),
            **{key.lower().replace(' ', '_'): value for key, value in row.items()},
        }
        for row in read_excel(path, ['Image name', 'MOS'])
    ]
    return Labels(find_folder(root, 'TestImage'), rows)


def read_flive(root: Path) -> Labels:
    """``labels_image.csv`` (name and mos, or name_image and mos_image) and photos in ``database`` with its subfolders.

    Two official splits are in use, each in a column of its own:

    - ``official_split``: PaQ-2-PiQ's, from its two further files. Photos of ``labels>640.csv`` are tested, those of
      ``labels<=640_padded.csv`` with is_valid validate, all others train.
    - ``is_valid_split``: a column is_valid in ``labels_image.csv`` itself; the photos that have it are tested. There is
      no validation part then.

    Patches are never read: they repeat parts of the photos.
    """
    path = find_file(root, 'labels_image.csv', 'database/labels_image.csv')
    table = read_csv(path)
    name, mos = ('name_image', 'mos_image') if 'name_image' in table[0] else ('name', 'mos')
    need_columns(table, [name, mos], path)
    folder = path.parent
    small = find_optional(folder, 'labels<=640_padded.csv', 'labels=640_padded.csv', 'labels<=640.csv')
    large = find_optional(folder, 'labels>640.csv', 'labels640.csv')
    splits, notes = {}, []
    if small and large:
        valid = {
            row['name_image'] for row in _columns(small, 'name_image', 'is_valid') if _true(row['is_valid'], small)
        }
        tested = {row['name_image'] for row in _columns(large, 'name_image')}
        splits['official_split'] = 'official (PaQ-2-PiQ: test photos are those larger than 640 px)'
        unknown = sorted((tested | valid) - {row[name] for row in table})
        if unknown or not tested or not valid:
            raise InputError(
                f'{large} and {small.name}: {len(unknown)} of {len(tested | valid)} photos are not in {path.name}'
                + (f', the first: {unknown[0]}' if unknown else '; a part of the official split is empty')
            )
    elif 'is_valid' not in table[0]:
        notes.append(
            "no official split: needs 'labels<=640_padded.csv' and 'labels>640.csv' beside it, or a column is_valid"
        )
    if 'is_valid' in table[0]:
        splits['is_valid_split'] = 'column is_valid of labels_image.csv (FLIVE)'
    rows = []
    for row in table:
        given = {'name': row[name], 'score': row[mos]}
        if 'official_split' in splits:
            key = row[name]
            given['official_split'] = 'test' if key in tested else 'val' if key in valid else 'train'
        if 'is_valid_split' in splits:
            given['is_valid_split'] = 'test' if _true(row['is_valid'], path) else 'train'
        rows.append(given)
    photo_root = find_folder(root, 'database', 'images', 'Images')
    return Labels(photo_root, rows, splits, notes=tuple(notes))


def _columns(path: Path, *columns: str) -> list[dict[str, str]]:
    rows = read_csv(path)
    need_columns(rows, columns, path)
    return rows


def _true(value: str, path: Path) -> bool:
    if value.lower() not in ('true', 'false', '1', '0', '1.0', '0.0'):
        raise InputError(f'{path}: is_valid is {value!r}, not True or False')
    return value.lower() in ('true', '1', '1.0')


def read_biq2021(root: Path) -> Labels:
    """``labels.csv`` with clusters and a clean split, or the original two CSVs; photos in ``images`` or ``Images``.

    The original is ``Train (Images and MOS).csv`` and ``Test (Images and MOS).csv`` with columns Image Name and MOS. In
    ``labels.csv``, photos with ``in_subset`` 0 may be missing.
    """
    path = find_optional(root, 'labels.csv')
    official = 'official (BIQ2021: 10,000 train, 2,000 test, with near-duplicates across)'
    if path is None:
        rows = []
        for part in ('train', 'test'):
            title = part.title()
            path = find_file(root, f'{title} (Images and MOS).csv', f'{title}.csv')
            table = read_csv(path)
            need_columns(table, ['Image Name', 'MOS'], path)
            rows += [
                {
                    'name': row['Image Name'],
                    'score': row['MOS'],
                    'subset': row['Image Name'].split(' ')[0].lower(),
                    'official_split': part,
                }
                for row in table
            ]
        note = 'no clusters of near-duplicates in these files: mmqpt find-duplicates finds them'
        return Labels(find_folder(root, 'Images', 'images'), rows, {'official_split': official}, notes=(note,))
    table = read_csv(path)
    need_columns(table, ['name', 'mos', 'subset', 'split', 'official_split', 'cluster'], path)
    absent = frozenset(row['name'] for row in table if row.get('in_subset') == '0')
    rows = [{'name': row.pop('name'), 'score': row.pop('mos'), **row} for row in table]
    for row in rows:
        row.pop('in_subset', None)
    clean = 'official without the test photos that have a near-duplicate elsewhere (BIQ2021)'
    return Labels(find_folder(root, 'images', 'Images'), rows, {'split': clean, 'official_split': official}, absent)
