"""What the batched families share: tensors of shape (B, C, H, W), one parameter an image, mirrored borders.

Sums that must be exact or nearly so are taken in :func:`sum_type`. Borders (reflect-101) hold for images of any size,
as in OpenCV. Places in a batch are counted in int32.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from mmqpt.degradations._filter import gaussian_reach


def sum_type(device: torch.device) -> torch.dtype:
    """float64 on a GPU, where float32 products and convolutions may be TF32 (10 bits); float32 on a CPU."""
    return torch.float64 if device.type == 'cuda' else torch.float32


def column(values: np.ndarray | Sequence[float], like: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """One number an image, as (B, 1, 1, 1) on the device of ``like``."""
    return torch.as_tensor(np.asarray(values), dtype=dtype, device=like.device).view(-1, 1, 1, 1)


def to_bytes(values: Tensor) -> Tensor:
    """Round half to even, clip to 0..255, and store as uint8: what OpenCV does."""
    return values.round().clamp_(0, 255).to(torch.uint8)


def pick(values: Tensor, places: np.ndarray, axis: int) -> Tensor:
    """Rows (axis 2) or columns (axis 3) of each image at ``places`` (B, N)."""
    index = torch.from_numpy(places.astype(np.int32)).to(values.device)[:, None]
    index = index[..., None] if axis == 2 else index[:, :, None]
    return pick_at(values, index, axis)


def pick_at(values: Tensor, places: Tensor, axis: int) -> Tensor:
    """:func:`pick` for ``places`` that broadcast with an image but for ``axis``: int32, of 4 dimensions."""
    batch, channels, height, width = values.shape
    planes = torch.arange(batch * channels, dtype=torch.int32, device=values.device).view(batch, channels, 1, 1)
    if axis == 2:
        lines = torch.arange(width, dtype=torch.int32, device=values.device)
        index = planes * (height * width) + places * width + lines
    else:
        lines = torch.arange(height, dtype=torch.int32, device=values.device)[:, None]
        index = planes * (height * width) + lines * width + places
    return values.flatten().index_select(0, index.flatten()).view(index.shape)


def lookup(images: Tensor, tables: Tensor) -> Tensor:
    """Replace uint8 values (B, C, H, W) by those of ``tables``: (B, 256), or (B, C, 256) for one a channel."""
    channels = tables.shape[1] if tables.dim() == 3 else 1
    first = torch.arange(len(images) * channels, dtype=torch.int32, device=images.device) * 256
    index = images + first.view(-1, channels, 1, 1)
    return tables.flatten().index_select(0, index.flatten()).view(images.shape)


def shifted(values: Tensor, offsets: Tensor) -> Tensor:
    """Each image's values ``offsets`` (B) places further on in memory; what runs over the end is meaningless."""
    index = torch.arange(values.numel(), dtype=torch.int32, device=values.device).view(values.shape)
    index = index + offsets.to(torch.int32).view(-1, 1, 1, 1)
    return values.flatten().index_select(0, index.clamp_(0, values.numel() - 1).flatten()).view(values.shape)


def luma(images: Tensor) -> Tensor:
    """BT.601 luma (B, 1, H, W) uint8, in the fixed point of OpenCV."""
    red, green, blue = images.int().split(1, 1)
    return ((red * 9798 + green * 19235 + blue * 3735 + (1 << 14)) >> 15).to(torch.uint8)


def add_luma(images: Tensor, change: Tensor) -> Tensor:
    """Add integers (B, 1, H, W) to all three channels."""
    return (images + change).clamp_(0, 255).to(torch.uint8)


def to_ycrcb(images: Tensor) -> Tensor:
    """RGB -> Y, Cr, Cb, both uint8, in the fixed point of OpenCV."""
    red, green, blue = images.int().split(1, 1)
    y = (red * 4899 + green * 9617 + blue * 1868 + (1 << 13)) >> 14
    centre = (128 << 14) + (1 << 13)
    parts = torch.cat([y, ((red - y) * 11682 + centre) >> 14, ((blue - y) * 9241 + centre) >> 14], 1)
    return parts.clamp_(0, 255).to(torch.uint8)


def from_ycrcb(parts: Tensor) -> Tensor:
    """Y, Cr, Cb -> RGB, both uint8, in the fixed point of OpenCV."""
    y, cr, cb = parts.int().split(1, 1)
    cr, cb, half = cr - 128, cb - 128, 1 << 13
    red = y + ((cr * 22987 + half) >> 14)
    green = y + ((cb * -5636 + cr * -11698 + half) >> 14)
    blue = y + ((cb * 29049 + half) >> 14)
    return torch.cat([red, green, blue], 1).clamp_(0, 255).to(torch.uint8)


def mirrored(places: Tensor, count: int) -> Tensor:
    """Where whole-px places outside 0..count - 1 lie after mirroring."""
    if count == 1:
        return torch.zeros_like(places)
    places = places.remainder(2 * (count - 1))
    return torch.minimum(places, 2 * (count - 1) - places)


def pad(values: Tensor, y: int, x: int) -> Tensor:
    """Add ``y`` rows above and below and ``x`` columns on either side, mirrored."""
    height, width = values.shape[2:]
    if y < height and x < width and values.is_floating_point():
        return F.pad(values, (x, x, y, y), mode='reflect')
    rows = mirrored(torch.arange(-y, height + y, device=values.device), height)
    columns = mirrored(torch.arange(-x, width + x, device=values.device), width)
    return values.index_select(2, rows).index_select(3, columns)


def stack_kernels(kernels: Sequence[np.ndarray], like: Tensor) -> Tensor:
    """Kernels of different odd sizes, centred in zeros: (B, rows, columns) in :func:`sum_type`."""
    rows, columns = (max(kernel.shape[axis] for kernel in kernels) for axis in (0, 1))
    out = np.zeros((len(kernels), rows, columns))
    for target, kernel in zip(out, kernels, strict=True):
        top, left = (rows - kernel.shape[0]) // 2, (columns - kernel.shape[1]) // 2
        target[top : top + kernel.shape[0], left : left + kernel.shape[1]] = kernel
    return torch.from_numpy(out).to(like.device, sum_type(like.device))


def correlate(padded: Tensor, kernels: Tensor) -> Tensor:
    """Filter each image with its kernel (B, rows, columns); the border of half a kernel is lost."""
    batch, channels = padded.shape[:2]
    weight = kernels.repeat_interleave(channels, 0)[:, None]
    flat = padded.to(kernels.dtype).reshape(1, batch * channels, *padded.shape[2:])
    done = F.conv2d(flat, weight, groups=batch * channels)
    return done.view(batch, channels, *done.shape[2:])


def correlate_axes(values: Tensor, taps: Tensor) -> Tensor:
    """Filter in x, then in y, with each image's ``taps`` (B, K); the size is kept."""
    reach = taps.shape[1] // 2
    padded = pad(values.to(taps.dtype), reach, reach)
    return correlate(correlate(padded, taps[:, None, :]), taps[:, :, None])


def gaussian_taps(sigma: float) -> np.ndarray:
    """A Gaussian of ``sigma`` px, cut at 3 sigma, with a sum of 1."""
    reach = gaussian_reach(sigma)
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return taps / taps.sum()


def gaussian_bytes(images: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Blur uint8 images with Gaussians, bit for bit as OpenCV: taps of 8 bits that pass their rounding on."""
    kernels = []
    for sigma in sigmas:
        exact = 256 * gaussian_taps(sigma)
        whole, error = np.zeros(exact.size), 0.0
        middle = exact.size // 2
        for i in range(middle):
            whole[i] = whole[-1 - i] = np.rint(exact[i] + error)
            error += exact[i] - whole[i]
        whole[middle] = 256 - whole.sum()
        kernels.append(whole[None])
    total = correlate_axes(images, stack_kernels(kernels, images)[:, 0])  # integers below 2^24
    return (total + 2.0**15).div_(2.0**16).floor_().to(torch.uint8)


def box_sums(values: Tensor, side: int) -> Tensor:
    """Sums over ``side`` x ``side`` px (odd) of integers, as differences of running sums."""
    reach = side // 2
    rows, columns = (mirrored(torch.arange(-reach - 1, n + reach, device=values.device), n) for n in values.shape[2:])
    total = values.index_select(3, columns).cumsum(3, dtype=torch.int32)
    total = total[..., side:] - total[..., :-side]
    total = total.index_select(2, rows).cumsum(2, dtype=torch.int32)
    return total[:, :, side:] - total[:, :, :-side]


def box(values: Tensor, side: int) -> Tensor:
    """Means over ``side`` x ``side`` px (odd) of integers."""
    return box_sums(values, side) / side**2


def sample(images: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Bilinear values of uint8 images at places ``x``, ``y`` (B, H, W) in px."""
    height, width = images.shape[2:]
    places = torch.stack([x * (2 / max(width - 1, 1)) - 1, y * (2 / max(height - 1, 1)) - 1], -1)
    source = images.float()
    return to_bytes(F.grid_sample(source, places.float(), 'bilinear', 'reflection', align_corners=True))


def grid(images: Tensor, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    """x of shape (1, 1, W) and y of shape (1, H, 1)."""
    height, width = images.shape[2:]
    x = torch.arange(width, dtype=dtype, device=images.device).view(1, 1, -1)
    return x, torch.arange(height, dtype=dtype, device=images.device).view(1, -1, 1)


def last_patches(corners: Sequence[np.ndarray], size: tuple[int, int], images: Tensor) -> tuple[Tensor, Tensor]:
    """Which of patches that are laid over a photo one after the other is seen where.

    Args:
        corners: for each image, (K, columns) integers that begin with the patches' y and x; K may differ.
        size: rows and columns of all patches, which lie inside the photo.
        images: (B, 3, H, W).

    Returns:
        (B, H W): 0, or the number of the patch from 1 on; and ``corners`` as a tensor (B, 1 + largest K, columns) whose
        row 0 is zeros.
    """
    batch, _, height, width = images.shape
    padded = np.full((batch, 1 + max(map(len, corners)), corners[0].shape[1]), -1, np.int64)
    padded[:, 0] = 0
    for target, own in zip(padded, corners, strict=True):
        target[1 : 1 + len(own)] = own
    table = torch.from_numpy(padded).to(images.device)
    x, y = grid(images, torch.int64)
    patch = (y[:, : size[0]] * width + x[..., : size[1]]).view(-1)
    places = (table[:, 1:, :1] * width + table[:, 1:, 1:2] + patch).masked_fill_(table[:, 1:, :1] < 0, height * width)
    numbers = torch.arange(1, table.shape[1], device=images.device)[:, None].expand(places.shape)
    seen = torch.zeros((batch, height * width + 1), dtype=torch.int64, device=images.device)
    seen.scatter_reduce_(1, places.flatten(1), numbers.flatten(1), 'amax')
    return seen[:, :-1], table
