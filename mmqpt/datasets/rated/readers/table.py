"""The table of sets that can be prepared; it drives mmqpt prepare-dataset, docs/datasets.md and the tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mmqpt.datasets.rated.readers.authentic import read_bid, read_biq2021, read_clive, read_flive, read_koniq, read_spaq
from mmqpt.datasets.rated.readers.labels import Labels
from mmqpt.datasets.rated.readers.synthetic import read_csiq, read_kadid, read_live, read_pipal, read_tid2013


@dataclass(frozen=True)
class KnownSet:
    """What is known of a set.

    Args:
        key: its name on the command line and of its CSV.
        title: its name in reports.
        photos: how many rated photos it has.
        mos_range: ends of its scale in its own units; ``range_note`` says where they come from if the set states none.
        read: reads the original layout below a folder.
        files: files and folders that the reader needs, in words.
        source: citation.
        score: ``'MOS'``, or ``'DMOS'`` if its scores rise with distortion.
        group_column: column of groups that every split keeps whole, where the labels have it.
        subset_column: column to report by.
        scale_column: column of parts that were rated on scales of their own.
        official: its official splits (column: parts), in words; empty if it has none.
        meta_range: ends of the scale in pyiqa's meta_info file, where they are others.
        range_note: see ``mos_range``.
    """

    key: str
    title: str
    photos: int
    mos_range: tuple[float, float]
    read: Callable[[Path], Labels]
    files: str
    source: str
    score: str = 'MOS'
    group_column: str | None = None
    subset_column: str | None = None
    scale_column: str | None = None
    official: str = ''
    meta_range: tuple[float, float] | None = None
    range_note: str = ''


_ROWS = (
    KnownSet(
        key='bid', title='BID', photos=586, mos_range=(0, 5), read=read_bid,
        files='`DatabaseGrades.xls`, `DatabaseImageNNNN.JPG`',
        source='A. Ciancio et al., "No-reference blur assessment of digital pictures based on multifeature '
        'classifiers", IEEE Transactions on Image Processing 20(1), 2011',
    ),
    KnownSet(
        key='clive', title='CLIVE (LIVE In the Wild Challenge)', photos=1162, mos_range=(0, 100), read=read_clive,
        files='`Data/AllImages_release.mat`, `Data/AllMOS_release.mat`, `Data/AllStdDev_release.mat`, `Images/`',
        source='D. Ghadiyaram and A. C. Bovik, "Massive online crowdsourced study of subjective and objective picture '
        'quality", IEEE Transactions on Image Processing 25(1), 2016',
    ),
    KnownSet(
        key='koniq10k', title='KonIQ-10k', photos=10073, mos_range=(1, 5), read=read_koniq,
        files='`koniq10k_scores_and_distributions.csv`, `koniq10k_distributions_sets.csv` (either is enough, both are '
        'better), `1024x768/` or `512x384/`',
        official='`official_split`: 7,058 train, 1,000 val, 2,015 test', meta_range=(0, 100),
        source='V. Hosu, H. Lin, T. Sziranyi and D. Saupe, "KonIQ-10k: an ecologically valid database for deep '
        'learning of blind image quality assessment", IEEE Transactions on Image Processing 29, 2020',
    ),
    KnownSet(
        key='spaq', title='SPAQ', photos=11125, mos_range=(0, 100), read=read_spaq,
        files='`Annotations/MOS and Image attribute scores.xlsx`, `TestImage/`',
        source='Y. Fang, H. Zhu, Y. Zeng, K. Ma and Z. Wang, "Perceptual quality assessment of smartphone '
        'photography", CVPR 2020',
    ),
    KnownSet(
        key='flive', title='FLIVE (PaQ-2-PiQ)', photos=39810, mos_range=(0, 100), read=read_flive,
        files='`labels_image.csv`, `database/`; for the official split `labels<=640_padded.csv` and `labels>640.csv`',
        official='`official_split`: train, val, test by the two further files; `is_valid_split`: train, test by a '
        'column is_valid of `labels_image.csv`',
        source='Z. Ying et al., "From patches to pictures (PaQ-2-PiQ): mapping the perceptual space of picture '
        'quality", CVPR 2020',
    ),
    KnownSet(
        key='biq2021', title='BIQ2021', photos=12000, mos_range=(0, 1), read=read_biq2021,
        files='`Train (Images and MOS).csv`, `Test (Images and MOS).csv`, `Images/`; or `labels.csv` with columns '
        'name, mos, subset, split, official_split, cluster, `images/`',
        group_column='cluster', subset_column='subset', scale_column='subset',
        official='`official_split`: 10,000 train, 2,000 test (near-duplicates across); `split` of '
        '`labels.csv`: without those',
        source='N. Ahmed and S. Asif, "BIQ2021: a large-scale blind image quality assessment database", Journal of '
        'Electronic Imaging 31(5), 2022',
    ),
    KnownSet(
        key='live', title='LIVE (release 2)', photos=779, mos_range=(-5, 115), read=read_live, score='DMOS',
        files='`dmos_realigned.mat` or `dmos.mat`, `refnames_all.mat`, `jp2k/`, `jpeg/`, `wn/`, `gblur/`, '
        '`fastfading/`, each with `info.txt`',
        group_column='ref', subset_column='distortion',
        range_note='nominally 0 to 100, but realigned DMOS pass both ends',
        source='H. R. Sheikh, M. F. Sabir and A. C. Bovik, "A statistical evaluation of recent full reference image '
        'quality assessment algorithms", IEEE Transactions on Image Processing 15(11), 2006',
    ),
    KnownSet(
        key='csiq', title='CSIQ', photos=866, mos_range=(0, 1), read=read_csiq, score='DMOS',
        files='`csiq.DMOS.xlsx`, `dst_imgs/`', group_column='ref', subset_column='distortion',
        source='E. C. Larson and D. M. Chandler, "Most apparent distortion: full-reference image quality assessment '
        'and the role of strategy", Journal of Electronic Imaging 19(1), 2010',
    ),
    KnownSet(
        key='tid2013', title='TID2013', photos=3000, mos_range=(0, 9), read=read_tid2013,
        files='`mos_with_names.txt`, `distorted_images/`; `mos_std.txt` if there',
        group_column='ref', subset_column='distortion',
        source='N. Ponomarenko et al., "Image database TID2013: peculiarities, results and perspectives", Signal '
        'Processing: Image Communication 30, 2015',
    ),
    KnownSet(
        key='kadid10k', title='KADID-10k', photos=10125, mos_range=(1, 5), read=read_kadid,
        files='`dmos.csv`, `images/`', group_column='ref', subset_column='distortion',
        range_note='its column is called dmos, but higher is better',
        source='H. Lin, V. Hosu and D. Saupe, "KADID-10k: a large-scale artificially distorted IQA database", '
        'QoMEX 2019',
    ),
    KnownSet(
        key='pipal', title='PIPAL (training part)', photos=23200, mos_range=(800, 1900), read=read_pipal,
        files='`Train_Label/*.txt`, `Train_Dist/` (or `Distortion_1/` to `Distortion_4/`)',
        group_column='ref', subset_column='distortion', meta_range=(0, 1),
        range_note='Elo ratings have no ends; these hold the training part, 868 to 1857',
        source='J. Gu et al., "PIPAL: a large-scale image quality assessment dataset for perceptual image '
        'restoration", ECCV 2020',
    ),
)  # fmt: skip

SETS: dict[str, KnownSet] = {row.key: row for row in _ROWS}
"""By key, the paper's five first."""
