"""The reader: what the decoder needs of a window, remembered for the clicks that follow the first one."""

from __future__ import annotations

import threading
from collections import OrderedDict

import torch
from torch import Tensor

from backend.heads.segmenter.guide import Guide
from backend.heads.segmenter.network import SegmenterNetwork
from backend.heads.segmenter.sight import PictureSight
from backend.lvm.tiles import Tile

__all__ = ["WindowReader"]

REMEMBERED = 24
"""Windows: 2 MB each. An annotator clicks in two or three of a picture."""


class WindowReader:
    """Reads windows for one network, which never changes."""

    def __init__(self, network: SegmenterNetwork) -> None:
        self.network = network
        self._kept: OrderedDict[tuple[str, Tile], tuple[Tensor, Guide]] = OrderedDict()
        self._lock = threading.Lock()

    @torch.no_grad()
    def read(self, sight: PictureSight, window: Tile) -> tuple[Tensor, Guide]:
        """The image embedding of a window, shape (1, width, cells, cells), and its guide.

        Raises
        ------
        ImageError
            If the picture is needed and cannot be read.
        """
        name = None if sight.key is None else (sight.key, window)
        if name is not None:
            with self._lock:
                if name in self._kept:
                    self._kept.move_to_end(name)
                    return self._kept[name]
        seen = sight.see(window)
        read = self.network.embed(seen), Guide.of(self.network, seen)
        if name is not None:
            with self._lock:
                self._kept[name] = read
                while len(self._kept) > REMEMBERED:
                    self._kept.popitem(last=False)
        return read
