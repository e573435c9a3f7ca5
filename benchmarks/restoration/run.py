"""Quality of restored images, against the Wiener filter and Richardson-Lucy deconvolution of scikit-image.

Run: OMP_NUM_THREADS=1 .venv/bin/python -m benchmarks.restoration.run DATA
(DATA holds structure_priors/, hst_cosmos/ and hsc_hst/: docs/restoration.md)

Protocol. Images of 64 px with white noise at fixed signal-to-noise ratios, seen through PSFs of HST (kept aside) and Moffat or
Gaussian PSFs of 2.2 to 7 px, each method at the target resolution: simulated galaxies of seeds of the `test` part, and HST
stamps of the `test` part, which no training saw. The balance of the Wiener filter and the number of Richardson-Lucy iterations
are those with the highest PSNR on `val`, for each signal-to-noise ratio. Intervals are 95 %, from a bootstrap over images.

Limitations. The PSF is exact. The HST stamps are shrunk and only their significant light counts as the true image.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from backend.heads.restoration.restorer import SHIPPED_RESTORER, Restorer
from backend.heads.structure.psf import make_psf
from benchmarks.report import RESULTS, machine_line, markdown_table, write_numbers, write_section
from benchmarks.restoration.figures import aperture_of, coverage, ellipticity, flux_error, psnr, relative_error, ssim
from benchmarks.restoration.methods import (
    BALANCES,
    ITERATIONS,
    Method,
    restored_by,
    richardson_lucy_with,
    tikhonov,
    wiener_with,
)
from benchmarks.restoration.observing import Observed
from benchmarks.restoration.pair import correlations
from benchmarks.restoration.training import Material, observe_kind

NAME = "restoration"
RATIOS = (20.0, 40.0, 200.0)
VAL_IMAGES, TEST_IMAGES, BATCH = 16, 96, 16
RESAMPLES = 1000
STAMPS, STAMP_PX = 100, 96


def main() -> None:
    """Choose on `val`, measure on `test`, and write the section of docs/benchmarks.md."""
    options = _options()
    torch.set_num_threads(options.threads)
    restorer = Restorer.load(SHIPPED_RESTORER)
    earlier_results = json.loads((RESULTS / f"{NAME}.json").read_text()) if options.keep_others else None
    val, test = (Material(options.data, part, pool=300) for part in ("val", "test"))
    results: dict[str, Any] = {"machine": machine_line(), "chosen": {}, "sets": {}}
    for ratio in RATIOS:
        methods: dict[str, Method] = {"galaxyloop": restored_by(restorer), "Tikhonov, SURE (its first step)": tikhonov}
        if earlier_results is None:
            others, results["chosen"][f"{ratio:g}"] = _other_methods(observe_kind(val, "simulated", ratio, VAL_IMAGES))
            methods |= others
        else:
            results["chosen"][f"{ratio:g}"] = earlier_results["chosen"][f"{ratio:g}"]
        for kind in ("simulated", "real"):
            figures = {name: _measure(method, observe_kind(test, kind, ratio, TEST_IMAGES)) for name, method in methods.items()}
            key = f"{kind} {ratio:g}"
            results["sets"][key] = figures if earlier_results is None else earlier_results["sets"][key] | figures
            print(kind, ratio, {name: (figure["psnr"][0], figure["ssim"][0]) for name, figure in figures.items()}, flush=True)
    results["pair"] = correlations(options.data, restorer)
    results["stamps_per_s"] = _speed(restorer, test)
    results["threads"] = options.threads
    write_numbers(NAME, results)
    write_section(NAME, _report(results))


def _other_methods(val: Iterator[Observed]) -> tuple[dict[str, Method], dict[str, float]]:
    """Return the other methods with the settings that are best on `val`, and these settings."""
    batches = list(val)
    balance = max(BALANCES, key=lambda value: _mean_psnr(wiener_with(value), batches))
    iterations = max(ITERATIONS, key=lambda value: _mean_psnr(richardson_lucy_with(value), batches))
    methods: dict[str, Method] = {
        "Wiener": wiener_with(balance),
        "Wiener, unsupervised": wiener_with(None),
        "Richardson-Lucy": richardson_lucy_with(iterations),
    }
    return methods, {"balance": balance, "iterations": iterations}


def _mean_psnr(method: Method, batches: list[Observed]) -> float:
    return float(
        np.mean(
            [
                psnr(image, target)
                for batch in batches
                for image, target in zip(method(batch).images, batch.target.numpy(), strict=True)
            ]
        )
    )


def _measure(method: Method, batches: Iterator[Observed]) -> dict[str, list[float]]:
    """Return each figure with its 95 % interval."""
    rows: list[dict[str, float]] = []
    for batch in batches:
        answer = method(batch)
        for index, target in enumerate(batch.target.numpy().astype(float)):
            image, aperture = answer.images[index], aperture_of(target)
            shape = ellipticity(image, aperture) - ellipticity(target, aperture)
            row = {
                "psnr": psnr(image, target),
                "ssim": ssim(image, target),
                "error": relative_error(image, target),
                "flux": flux_error(image, target, aperture),
                "ellipticity": float(np.hypot(*shape)),
            }
            if answer.spread is not None:
                row["coverage"], row["sky coverage"] = coverage(image, answer.spread[index], target)
            rows.append(row)
    return {name: _interval(np.array([row[name] for row in rows]), name) for name in rows[0]}


def _interval(values: np.ndarray[Any, np.dtype[np.float64]], name: str) -> list[float]:
    """Return the mean, or the median for errors with outliers, and its 95 % interval."""
    middle = np.nanmedian if name in ("flux", "ellipticity") else np.nanmean
    rng = np.random.default_rng(0)
    middles = [middle(values[rng.integers(len(values), size=len(values))]) for _ in range(RESAMPLES)]
    return [round(float(value), 5) for value in (middle(values), *np.percentile(middles, (2.5, 97.5)))]


def _speed(restorer: Restorer, test: Material) -> float:
    """Return stamps of 96 px per second of CPU time, each restored alone as from its file; other work uses the cores, too."""
    rng = np.random.default_rng(5)
    psf = make_psf(next(observe_kind(test, "simulated", RATIOS[0], BATCH)).psfs[0].numpy())
    stamps = rng.normal(size=(STAMPS, STAMP_PX, STAMP_PX))
    restorer.restore(stamps[0], psf)
    began = time.process_time()
    for stamp in stamps:
        restorer.restore(stamp, psf)
    return STAMPS / (time.process_time() - began)


def _report(results: dict[str, Any]) -> str:
    lines = [
        f"{TEST_IMAGES} images of 64 px in each set, {results['machine']}. Mean PSNR, SSIM and relative error; median error "
        "of the flux in an aperture of 3 half-light radii and of the ellipticity (weighted moments); in brackets: 95 %."
    ]
    columns = ["S/N", "method", "PSNR, dB", "SSIM", "relative error", "flux error, %", "ellipticity error"]
    for kind in ("simulated", "real"):
        rows = []
        for ratio in RATIOS:
            for name, figure in results["sets"][f"{kind} {ratio:g}"].items():
                flux = [f"{100 * value:+.2f}" for value in figure["flux"]]
                columns_shown = (("psnr", 1), ("ssim", 3), ("error", 3))
                quality = [_with_interval(figure[key], digits) for key, digits in columns_shown]
                shape = _with_interval(figure["ellipticity"], 3)
                rows.append([f"{ratio:g}", name, *quality, f"{flux[0]} [{flux[1]}, {flux[2]}]", shape])
        title = "Simulated galaxies" if kind == "simulated" else "Galaxies of HST, degraded"
        lines.append(markdown_table(columns, rows, title=title))
    coverages = [
        [key, *(_with_interval(figures["galaxyloop"][name], 3) for name in ("coverage", "sky coverage"))]
        for key, figures in results["sets"].items()
    ]
    columns = ["set", "pixels of objects", "sky"]
    lines.append(markdown_table(columns, coverages, title="Part of the pixels within one sigma (aim: 68 %)"))
    pair = results["pair"]
    lines.append(
        f"HSC i image of the pair: correlation with HST's image at the target resolution {pair['observed']:.3f} as observed, "
        f"{pair['restored']:.3f} restored. Speed: {results['stamps_per_s']:.1f} stamps of {STAMP_PX} px per second of CPU "
        f"time, with {results['threads']} thread(s)."
    )
    return "\n\n".join(lines)


def _with_interval(values: list[float], digits: int) -> str:
    middle, low, high = (f"{value:.{digits}f}" for value in values)
    return f"{middle} [{low}, {high}]"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the quality of restored images.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--keep-others", action="store_true", help="keep the stored figures of the other methods")
    return parser.parse_args()


if __name__ == "__main__":
    main()
