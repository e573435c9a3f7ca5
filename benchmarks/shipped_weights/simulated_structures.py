"""Write simulated galaxies with structures of known strength to a Parquet file for `galaxyloop pretrain`.

Run: .venv/bin/python -m benchmarks.shipped_weights.simulated_structures DATA OUTPUT

DATA holds structure_priors/ and fields/. Each row is a JPEG and columns `question/answer`, so that the objective `votes` reads
strengths like shares of volunteers: a bar of strength 0.7 is `sim_bar/yes` 0.7 and `sim_bar/no` 0.3. Sersic indices and axis
ratios are those of real galaxies (without the rows that other scripts hold out); skies are synthetic, or SDSS frames of the
train part.
"""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
import typer
from numpy.typing import NDArray
from PIL import Image
from rich.progress import track
from scipy import ndimage

from backend.heads.structure.priors import read_priors
from backend.scenes.folders import load_frames
from backend.scenes.light import to_image
from backend.scenes.skies import SkySource, SyntheticSky
from backend.scenes.stars import draw_star
from benchmarks.shipped_weights.simulated_galaxies import Galaxy, draw_galaxy

__all__ = ["observe", "shares_of"]

SIDE = 192
RADIUS_PX = (11.0, 34.0)
"""Range of the effective radius; a galaxy then covers a third to all of the image, as in cut-outs of surveys."""
PSF_PX = (0.8, 2.4)
BRIGHTNESS = (-1.15, 0.15)
"""Range of log10(light) at the effective radius: from just above the noise to the brightest galaxies of SDSS."""
FRAME_SHARE, GREY_SHARE = 0.5, 0.4
"""Shares of galaxies on a survey frame, and with the weak colours of the DECaLS pictures."""
OLD_COLOUR = np.array((1.3, 1.0, 0.65), np.float32)
YOUNG_COLOUR = np.array((0.88, 1.0, 1.1), np.float32)
JPEG_QUALITY = (80, 96)
ARM_NUMBERS = ("1", "2", "3", "4")

Image3 = NDArray[np.uint8]


def observe(rng: np.random.Generator, galaxy: Galaxy, sky: SkySource) -> Image3:
    """Return the survey image of a galaxy, shape (side, side, 3): with colours, seeing, sky, stars and photon noise, stretched.

    Parameters
    ----------
    rng : Generator
    galaxy : Galaxy
    sky : SkySource
        A source of skies without galaxies.
    """
    psf, side = rng.uniform(*PSF_PX), galaxy.old.shape[0]
    light = np.zeros((side, side, 3), np.float32)
    saturation = rng.uniform(0.15, 0.6) if rng.random() < GREY_SHARE else rng.uniform(0.7, 1.3)
    for part, colour in ((galaxy.old, OLD_COLOUR), (galaxy.young, YOUNG_COLOUR)):
        tilt = rng.normal(0, 0.08)
        bands = 1 + saturation * (colour * np.exp([tilt, 0, -tilt]) - 1)
        light += ndimage.gaussian_filter(part, psf, truncate=3.5)[..., None] * bands.astype(np.float32)
    light *= np.float32(10 ** rng.uniform(*BRIGHTNESS))
    for _ in range(rng.poisson(1.5)):
        star = draw_star(rng, psf=psf)
        part, window = star.place(*rng.uniform(0, side, 2), side=side)
        light[window] += part
    grain = np.float32(10 ** rng.uniform(-3.6, -2.8))
    photons = np.sqrt(np.maximum(light, 0) * grain) * rng.standard_normal(light.shape, dtype=np.float32)
    image = to_image(np.asarray(light + photons + sky.draw(rng, side), np.float32))
    return np.asarray(np.rint(image * 255), np.uint8)


def shares_of(galaxy: Galaxy) -> dict[str, float]:
    """Return the columns `question/answer` of a galaxy; the number and the winding of arms count as much as the arms."""
    shares: dict[str, float] = {}
    for name, strength in galaxy.strengths.items():
        shares |= {f"sim_{name}/yes": strength, f"sim_{name}/no": 1 - strength}
    arms = galaxy.strengths["arms"]
    shares |= {f"sim_arm_number/{number}": arms * (int(number) == galaxy.arms) for number in ARM_NUMBERS}
    return shares | {"sim_winding/tight": arms * galaxy.tightness, "sim_winding/loose": arms * (1 - galaxy.tightness)}


def encode_jpeg(image: Image3, *, quality: int) -> bytes:
    """Return an image as a JPEG file."""
    with io.BytesIO() as file:
        Image.fromarray(image).save(file, "JPEG", quality=quality)
        return file.getvalue()


def main(
    data: Path,
    output: Path,
    count: Annotated[int, typer.Option(min=1, help="Number of galaxies.")] = 12_000,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Simulate the galaxies and write the file."""
    shapes = read_priors(data / "structure_priors", held_out=False).shapes
    frames = load_frames(data / "fields", part="train")
    rows = []
    for number in track(range(count), "simulating", transient=True):
        rng = np.random.default_rng((seed, number))
        _, index, q = shapes[rng.integers(len(shapes))]
        radius = math.exp(rng.uniform(*np.log(RADIUS_PX)))
        galaxy = draw_galaxy(rng, index=float(index), q=float(q), radius=radius, side=SIDE)
        sky: SkySource = frames[rng.integers(len(frames))] if rng.random() < FRAME_SHARE else SyntheticSky()
        content = encode_jpeg(observe(rng, galaxy, sky), quality=int(rng.integers(*JPEG_QUALITY)))
        rows.append({"id": f"simulated {seed}/{number}", "image": content} | shares_of(galaxy))
    output.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.Table.from_pylist(rows), output)
    print(f"wrote {len(rows)} galaxies with {len(rows[0]) - 2} answers to {output}")


if __name__ == "__main__":
    typer.run(main)
