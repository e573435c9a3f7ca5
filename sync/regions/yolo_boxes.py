"""Removes boxes of `detect/` that surround an outline of `segment/`, since both are the same object.

`galaxyloop export --format yolo` writes a project with boxes and outlines as two data sets, and adds a box for each outline to
the detection data set.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from sync.regions.marks import Mark, MarkedImage

__all__ = ["drop_boxes_of_outlines"]

SAME_BOX = 0.01
"""Largest difference between the edges of a box and those of the outline, as a fraction of the box's sides. The corners of an
outline of an ellipse lie inside its box."""

Edges = Callable[[Mark], NDArray[np.float64] | None]
"""Returns the left, top, right and bottom edges of a mark, as fractions of the image's sides; None for another kind of mark."""


def drop_boxes_of_outlines(images: Sequence[MarkedImage], *, box: Edges, outline: Edges) -> list[MarkedImage]:
    """Return images without the boxes that surround an outline of the same class in a file with the same name.

    Parameters
    ----------
    images : sequence of MarkedImage
    box, outline : callable
        Return the edges of a mark that is a box or an outline.
    """
    trees: dict[tuple[str, tuple[str, ...]], Any] = {}
    outlines: dict[tuple[str, tuple[str, ...]], list[NDArray[np.float64]]] = defaultdict(list)
    for image in images:
        for mark in image.marks:
            if (edges := outline(mark)) is not None:
                outlines[image.names[0], mark.labels].append(edges)
    for key, outlines_of_label in outlines.items():
        trees[key] = cKDTree(np.array(outlines_of_label))

    def lies_around_an_outline(image: MarkedImage, mark: Mark) -> bool:
        edges, tree = box(mark), trees.get((image.names[0], mark.labels))
        if edges is None or tree is None:
            return False
        width, height = edges[2:] - edges[:2]
        _, nearest = tree.query(edges, p=np.inf)
        differences: NDArray[np.float64] = np.abs(tree.data[nearest] - edges)
        return bool((differences <= SAME_BOX * np.array([width, height, width, height])).all())

    return [
        replace(image, marks=tuple(mark for mark in image.marks if not lies_around_an_outline(image, mark))) for image in images
    ]
