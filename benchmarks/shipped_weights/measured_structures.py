"""Add measured structures to the galaxies of Parquet files, as further columns `question/answer` for `galaxyloop pretrain`.

Run: .venv/bin/python -m benchmarks.shipped_weights.measured_structures OUTPUT INPUT...

Axis ratio, concentration, asymmetry, clumpiness, colours, Fourier amplitudes along ellipses (bars, arms), an outward rise of
the profile (rings), and light beside the galaxy need no volunteers. Each is replaced with its rank among all galaxies, 0 to 1:
the column `measured_asymmetry/yes` of 0.9 means that nine in ten galaxies are more symmetric.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import typer
from numpy.typing import NDArray
from rich.progress import track
from scipy import ndimage, stats

from backend.lvm.cropping import frame
from backend.scenes.light import to_light
from sync.images.decode import decode

__all__ = ["measure_structures"]

SIDE, MARGIN = 128, 1.4
RADII, AZIMUTHS = 24, 64
Plane = NDArray[np.float32]


def measure_structures(pixels: NDArray[np.float32]) -> dict[str, float]:
    """Measure the structures of the galaxy in the middle of an image.

    Parameters
    ----------
    pixels : ndarray, shape (height, width, 3)
        Brightness in [0, 1].

    Returns
    -------
    dict of str to float
        In any units; only their order matters.
    """
    light = to_light(frame(pixels, side=SIDE, margin=MARGIN))
    light = light - np.median(light, axis=(0, 1))
    flux = light.mean(axis=2)
    noise = 1.4826 * float(np.median(np.abs(flux - np.median(flux)))) + 1e-4
    labels, count = ndimage.label(ndimage.gaussian_filter(flux, 1) > 2 * noise)
    middle = labels[SIDE // 2 - 6 : SIDE // 2 + 6, SIDE // 2 - 6 : SIDE // 2 + 6]
    label = int(np.bincount(middle.ravel(), minlength=count + 1)[1:].argmax()) + 1 if middle.any() else 0
    inside = labels == label if label else np.hypot(*(np.indices(flux.shape) - SIDE / 2)) < SIDE / 4
    weight = np.where(inside, np.clip(flux, 0, None), 0) + 1e-9
    rows, columns = np.indices(flux.shape, dtype=np.float32)
    y, x = float((weight * rows).sum() / weight.sum()), float((weight * columns).sum() / weight.sum())
    xx, yy, xy = (float((weight * a * b).sum() / weight.sum()) for a, b in _pairs(columns - x, rows - y))
    angle = 0.5 * np.arctan2(2 * xy, xx - yy)
    spread = np.hypot((xx - yy) / 2, xy)
    q = float(np.sqrt(max((xx + yy) / 2 - spread, 0.1) / ((xx + yy) / 2 + spread)))
    radius = float(np.sqrt((xx + yy) / 2 + spread)) + 1e-3

    grid = np.linspace(0.15, 2.4, RADII, dtype=np.float32)[:, None] * np.float32(radius)
    azimuth = np.linspace(0, 2 * np.pi, AZIMUTHS, endpoint=False, dtype=np.float32)[None]
    a, b = grid * np.cos(azimuth), grid * np.sin(azimuth) * np.float32(max(q, 0.25))
    places = np.stack([y + a * np.sin(angle) + b * np.cos(angle), x + a * np.cos(angle) - b * np.sin(angle)])
    polar = ndimage.map_coordinates(flux, places, order=1, mode="nearest")
    modes = np.fft.rfft(polar, axis=1) / AZIMUTHS
    profile = np.maximum(np.median(polar, axis=1), noise)
    amplitude = np.abs(modes[:, 1:5]) / np.maximum(np.abs(modes[:, :1]), noise)
    decades = np.log10(profile)
    growth = np.cumsum(np.clip(polar.mean(axis=1), 0, None) * grid[:, 0])
    r20, r80 = (np.interp(share * growth[-1], growth, grid[:, 0]) for share in (0.2, 0.8))
    centred_flux = ndimage.shift(flux, (SIDE / 2 - 0.5 - y, SIDE / 2 - 0.5 - x), order=1)
    body = ndimage.shift(inside.astype(np.float32), (SIDE / 2 - 0.5 - y, SIDE / 2 - 0.5 - x), order=1) > 0.5
    total = float(np.abs(centred_flux[body]).sum()) + 1e-6
    fine = np.abs(flux - ndimage.gaussian_filter(flux, 0.12 * radius))
    red, green, blue = (light[..., band] for band in range(3))
    core = inside & (np.hypot(rows - y, columns - x) < 0.6 * radius)
    winding = np.angle(modes[1:18, 2] * np.conj(modes[:17, 2])) * np.minimum(amplitude[1:18, 1], amplitude[:17, 1])
    return {
        "round": q,
        "concentration": float(r80 / max(r20, 1e-3)),
        "asymmetry": float(np.abs(centred_flux - centred_flux[::-1, ::-1])[body].sum()) / total,
        "clumps": float(fine[inside].sum()) / (float(flux[inside].sum()) + 1e-6),
        "red": float((red - blue)[inside].sum()) / (float(green[inside].sum()) + 1e-6),
        "red_centre": _colour(red, blue, green, core) - _colour(red, blue, green, inside & ~core),
        "lopsided": float(amplitude[4:16, 0].mean()),
        "bar": float(amplitude[2:9, 1].max()),
        "two_arms": float(amplitude[8:18, 1].mean()),
        "three_arms": float(amplitude[6:18, 2].mean()),
        "four_fold": float(amplitude[4:18, 3].mean()),
        "winding": float(abs(winding.sum())),
        "ring": float(np.max(decades[2:] - np.minimum.accumulate(decades)[:-2])),
        "outer_bend": float(np.abs(np.diff(decades[:20], 2)).max()),
        "neighbours": float(np.clip(flux, 0, None)[(labels > 0) & ~inside].sum()) / (float(weight.sum()) + 1e-6),
        "bright": float(profile[4] / noise),
    }


def _pairs(x: Plane, y: Plane) -> tuple[tuple[Plane, Plane], ...]:
    return ((x, x), (y, y), (x, y))


def _colour(red: Plane, blue: Plane, green: Plane, mask: NDArray[np.bool_]) -> float:
    return float((red - blue)[mask].sum()) / (float(np.clip(green, 0, None)[mask].sum()) + 1e-3)


def main(output: Path, inputs: list[Path], without: Annotated[str, typer.Option(help="Source to leave out.")] = "") -> None:
    """Measure all galaxies, rank them and write the file."""
    rows = [row for path in inputs for row in parquet.read_table(path).to_pylist()]
    left_out = set(without.split(","))
    rows = [row for row in rows if row.get("source") not in left_out]
    measures = [measure_structures(decode(row["image"])) for row in track(rows, "measuring", transient=True)]
    for name in measures[0]:
        ranks = (stats.rankdata([values[name] for values in measures]) - 0.5) / len(rows)
        for row, rank in zip(rows, ranks, strict=True):
            row |= {f"measured_{name}/yes": float(rank), f"measured_{name}/no": float(1 - rank)}
    columns = [name for name in dict.fromkeys(name for row in rows for name in row) if name in ("id", "image") or "/" in name]
    table = pa.table({name: [row.get(name) for row in rows] for name in columns})
    parquet.write_table(table, output)
    print(f"{len(rows)} galaxies, {len(columns) - 2} answers")


if __name__ == "__main__":
    typer.run(main)
