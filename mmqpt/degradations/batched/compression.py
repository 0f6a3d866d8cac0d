"""JPEG and JPEG 2000, there and back, in batches: uint8 tensors (B, 3, H, W), one value an image.

JPEG follows libjpeg in whole numbers: colours, 4:2:0 chroma, "slow" integer cosine transform, quantiser and "fancy"
upsampling. The transform is a product with an integer matrix, rounded where libjpeg rounds, in float64, which holds
every sum. Entropy coding loses nothing and is left out.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmqpt.degradations.batched._tensors import column, from_ycrcb, to_ycrcb
from mmqpt.degradations.batched._wavelet import through_wavelet


def jpeg(images: Tensor, values: np.ndarray) -> Tensor:
    height, width = images.shape[2:]
    luma, chroma = _to_jpeg_colours(images)
    luma = F.pad(luma, (0, -width % 8, 0, -height % 8), mode='replicate')
    rows, columns = -(-height // 2), -(-width // 2)
    chroma = F.pad(chroma, (0, -width % 16, 0, -height % 2), mode='replicate')
    bias = 1 + torch.arange(chroma.shape[3] // 2, device=images.device) % 2
    pairs = chroma[:, :, 0::2] + chroma[:, :, 1::2]
    chroma = ((pairs[..., 0::2] + pairs[..., 1::2] + bias) / 4).floor_()
    chroma = F.pad(chroma, (0, 0, 0, -rows % 8), mode='replicate')
    tables = [np.stack([quantiser(table, value) for value in values]) for table in (_LUMA, _CHROMA)]
    luma, chroma = (_through_blocks(part, table) for part, table in zip((luma, chroma), tables, strict=True))
    chroma = _enlarge(chroma[:, :, :rows, :columns])[:, :, :height, :width]
    return _from_jpeg_colours(luma[:, :, :height, :width], chroma)


def jpeg2000(images: Tensor, values: np.ndarray) -> Tensor:
    step = column(values, images)

    def quantise(band: Tensor) -> Tensor:
        whole = (band * (1 / step)).trunc_()
        return (whole + whole.clamp(-0.5, 0.5)) * step

    parts = through_wavelet(to_ycrcb(images).float() - 128, 5, quantise)
    return from_ycrcb((parts + 128).round_().clamp_(0, 255).to(torch.uint8))


def quantiser(table: np.ndarray, quality: float) -> np.ndarray:
    """libjpeg's table (8, 8) at a quality of 0 to 100, for baseline files."""
    quality = min(max(int(quality), 1), 100)
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return ((table * scale + 50) // 100).clip(1, 255)


def _transform() -> np.ndarray:
    """The 8-point cosine transform of libjpeg's jfdctint.c, times 2^13: rows are frequencies."""
    c0_298, c0_390, c0_541, c0_765, c0_899, c1_175 = 2446, 3196, 4433, 6270, 7373, 9633
    c1_501, c1_847, c1_961, c2_053, c2_562, c3_072 = 12299, 15137, 16069, 16819, 20995, 25172
    x = np.eye(8, dtype=np.int64)
    low, high = x[:4] + x[:3:-1], x[:4] - x[:3:-1]
    t10, t13, t11, t12 = low[0] + low[3], low[0] - low[3], low[1] + low[2], low[1] - low[2]
    out = np.zeros((8, 8), np.int64)
    out[0], out[4] = (t10 + t11) << 13, (t10 - t11) << 13
    z1 = (t12 + t13) * c0_541
    out[2], out[6] = z1 + t13 * c0_765, z1 - t12 * c1_847
    t7, t6, t5, t4 = high
    z1, z2, z3, z4 = t4 + t7, t5 + t6, t4 + t6, t5 + t7
    z5 = (z3 + z4) * c1_175
    z1, z2, z3, z4 = -z1 * c0_899, -z2 * c2_562, z5 - z3 * c1_961, z5 - z4 * c0_390
    out[7], out[5] = t4 * c0_298 + z1 + z3, t5 * c2_053 + z2 + z4
    out[3], out[1] = t6 * c3_072 + z2 + z3, t7 * c1_501 + z1 + z4
    return out


_DCT = _transform()


def _through_blocks(planes: Tensor, tables: np.ndarray) -> Tensor:
    """Transform, quantise and transform back planes (B, C, H, W) of 0 to 255 whose sides are multiples of 8."""
    batch, channels, height, width = planes.shape
    blocks = planes.double().view(batch, channels, height // 8, 8, width // 8, 8).transpose(3, 4) - 128
    forward = torch.from_numpy(_DCT).to(planes.device, torch.float64)
    steps = torch.from_numpy(tables).to(planes.device, torch.float64).view(batch, 1, 1, 1, 8, 8)
    coded = _shift(forward @ _shift(blocks @ forward.T, 11), 15)  # 8 times the coefficients
    whole = ((coded.abs() + 4 * steps) / (8 * steps)).floor_().copysign(coded)
    back = _shift(forward.T @ (whole * steps), 11)  # libjpeg: columns first
    back = _shift(back @ forward, 18)
    return (back + 128).clamp_(0, 255).transpose(3, 4).reshape(planes.shape)


def _shift(values: Tensor, bits: int) -> Tensor:
    """Divide whole numbers by 2^bits, halves upwards."""
    return ((values + 2.0 ** (bits - 1)) * 2.0**-bits).floor_()


def _enlarge(planes: Tensor) -> Tensor:
    """Twice as many rows and columns: libjpeg's fancy upsampling, which repeats pixels where there are but two columns.

    Else 3/4 of the nearer and 1/4 of the farther pixel.
    """
    if planes.shape[3] <= 2:
        return planes.repeat_interleave(2, 2).repeat_interleave(2, 3)
    above = torch.cat([planes[:, :, :1], planes[:, :, :-1]], 2)
    below = torch.cat([planes[:, :, 1:], planes[:, :, -1:]], 2)
    tall = torch.stack([3 * planes + above, 3 * planes + below], 3).flatten(2, 3)
    left = torch.cat([tall[..., :1], tall[..., :-1]], 3)
    right = torch.cat([tall[..., 1:], tall[..., -1:]], 3)
    wide = torch.stack([3 * tall + left + 8, 3 * tall + right + 7], 4).flatten(3, 4)
    return (wide / 16).floor_()


def _to_jpeg_colours(images: Tensor) -> tuple[Tensor, Tensor]:
    """Y (B, 1, H, W), and Cb and Cr (B, 2, H, W), whole numbers in float32, in libjpeg's fixed point."""
    red, green, blue = images.int().split(1, 1)
    half = 1 << 15
    y = (red * 19595 + green * 38470 + blue * 7471 + half) >> 16
    centre = (128 << 16) + half - 1
    cb = (red * -11059 + green * -21709 + blue * 32768 + centre) >> 16
    cr = (red * 32768 + green * -27439 + blue * -5329 + centre) >> 16
    return y.float(), torch.cat([cb, cr], 1).float()


def _from_jpeg_colours(luma: Tensor, chroma: Tensor) -> Tensor:
    y = luma.int()
    cb, cr = (chroma.int() - 128).split(1, 1)
    half = 1 << 15
    red = y + ((cr * 91881 + half) >> 16)
    green = y + ((cb * -22554 + cr * -46802 + half) >> 16)
    blue = y + ((cb * 116130 + half) >> 16)
    return torch.cat([red, green, blue], 1).clamp_(0, 255).to(torch.uint8)


_LUMA = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
_CHROMA = np.full((8, 8), 99)
_CHROMA[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]
