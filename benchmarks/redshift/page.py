"""The section of docs/benchmarks.md: one table for the redshifts of each set, and one for metallicities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.report import machine_line, markdown_table, write_section

__all__ = ["write_page"]

CLASS_NAMES = {
    "metals": "Thirds of the metallicities",
    "rings": "Galaxies with and without a ring",
}
NAMES = {"sdss": "SDSS, five bands", "zcosmos": "zCOSMOS-bright, nine bands"}


def write_page(results: Mapping[str, Any]) -> None:
    """Write the section from the results of all sets."""
    parts = [machine_line()]
    for name, title in NAMES.items():
        if name in results:
            result = results[name]
            rows = [
                [
                    method,
                    _format(scores, "sigma_nmad", 4),
                    _format(scores, "outliers", 2, scale=100, unit=" %"),
                    _format(scores, "bias", 4),
                    _format(scores, "coverage_68", 3),
                    _format(scores, "coverage_90", 3),
                    f"{scores['cpu_seconds']:.0f} s",
                ]
                for method, scores in result.items()
                if isinstance(scores, Mapping)
            ]
            columns = ["method", "σ_NMAD", "outliers", "bias", "in the 68 % interval", "in the 90 % interval", "CPU time"]
            title = f"{title}: {result['fitted']} galaxies to fit, {result['reported']} to report"
            parts.append(markdown_table(columns, rows, title=title))
    if "metallicity" in results:
        result = results["metallicity"]
        rows = [
            [arm, _format(scores, "rmse", 3), _format(scores, "coverage_68", 3), _format(scores, "coverage_90", 3)]
            for arm, scores in result.items()
            if isinstance(scores, Mapping) and "rmse" in scores
        ]
        title = f"12 + log(O/H), five-fold cross-validation over {result['galaxies']} galaxies"
        columns = ["inputs", "RMSE, dex", "in the 68 % interval", "in the 90 % interval"]
        parts.append(markdown_table(columns, rows, title=title))
        gains = [
            f"columns and image against {key.removeprefix('gain over ').removesuffix(', dex')}: {gain['value']:+.4f} dex "
            f"({gain['low']:+.4f} to {gain['high']:+.4f})"
            for key, gain in result.items()
            if key.startswith("gain over")
        ]
        parts.append(f"Gain in RMSE, {'; '.join(gains)}.")
    parts += [_class_table(results[name], title) for name, title in CLASS_NAMES.items() if name in results]
    write_section("redshift_and_metallicity", "\n\n".join(parts))


def _class_table(fields: Mapping[str, Any], title: str) -> str:
    arms = {name: arm for name, arm in fields.items() if isinstance(arm, Mapping)}
    rows = [
        [
            name,
            _format(arm, "log_loss", 3),
            _format(arm, "accuracy", 3),
            "" if "folds_with_columns" not in arm else f"{arm['folds_with_columns']} of 5",
        ]
        for name, arm in arms.items()
    ]
    columns = ["inputs", "log loss, nats", "accuracy", "fits that use columns"]
    return markdown_table(columns, rows, title=f"{title}: five-fold cross-validation over {fields['galaxies']}")


def _format(scores: Mapping[str, Any], name: str, digits: int, *, scale: float = 1, unit: str = "") -> str:
    """Return a score with its 95 % interval."""
    if name not in scores:
        return ""
    value, low, high = (scale * scores[name][key] for key in ("value", "low", "high"))
    return f"{value:.{digits}f}{unit} ({low:.{digits}f} to {high:.{digits}f})"
