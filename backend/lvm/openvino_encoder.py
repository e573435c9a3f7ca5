"""The encoder computed by OpenVINO in bfloat16, for the optional extra `fast`.

On a processor with bfloat16 instructions it takes 36 to 45 % of PyTorch's time in float32. The results differ in the third
digit, so the cache keys of all features name the arithmetic (`Encoder.numerics`), and `load_fastest_encoder` compares both
before it uses OpenVINO.
"""

from __future__ import annotations

import importlib.util
import logging
import threading
import warnings
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from backend.lvm.backbones.efficientnet import EfficientNetConfig
from backend.lvm.checkpoint import load_encoder
from backend.lvm.encoder import Encoder, quarter_turns

__all__ = ["OpenVinoEncoder", "load_fastest_encoder"]

log = logging.getLogger("galaxyloop.encoder")

LEAST_AGREEMENT, LEAST_MAP_AGREEMENT = 0.999, 0.995
"""Smallest mean cosine of embeddings, and smallest cosine of maps, by OpenVINO and by PyTorch, with which OpenVINO is used.

On 240 galaxies of five sets the cosines of embeddings are 0.9996 on average and at least 0.9988; those of maps are at least
0.998.
"""
VIEWS_AT_ONCE = 32
CHECKED_SIDES_PX = (256, 160)
"""Sides of the images on which feature maps are compared: that of the windows of the segmenter, and another one."""


class OpenVinoEncoder(Encoder):
    """An encoder whose backbone is computed by OpenVINO, for images of any size.

    Parameters
    ----------
    encoder : Encoder
        Frozen, on the CPU. Its operations must not depend on the size of images, as those of a convolutional network.

    Raises
    ------
    RuntimeError
        If OpenVINO cannot convert or compile the network.
    """

    numerics: ClassVar[str] = "openvino-bf16"

    def __init__(self, encoder: Encoder) -> None:
        nn.Module.__init__(self)
        self.config, self.backbone = encoder.config, encoder.backbone
        network = _convert(encoder)
        levels, vector = tuple(range(len(encoder.config.strides))), len(encoder.config.strides)
        crops = (-1, 3, encoder.config.image_px, encoder.config.image_px)
        # A network that does not return the feature maps, or is compiled for one size of images, is faster.
        self._levels = _Compiled(network, levels, shape=(-1, 3, -1, -1))
        self._vector = _Compiled(network, (vector,), shape=crops)
        self._view = _Compiled(network, (vector, *levels), shape=crops)

    def embed_view(self, images: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Compute embeddings and pyramid of single views; see `Encoder.embed_view`."""
        if images.shape[-1] != self.config.image_px or images.shape[-2] != self.config.image_px:
            return super().embed_view(images)
        vectors, *levels = map(torch.from_numpy, self._view(images))
        return vectors, tuple(levels)

    def pyramid(self, images: Tensor) -> tuple[Tensor, ...]:
        """Compute the feature maps of images; see `Encoder.pyramid`."""
        height, width = images.shape[-2:]
        coarsest = self.config.strides[-1]
        padded_images = functional.pad(images, (0, -width % coarsest, 0, -height % coarsest))
        return tuple(
            torch.from_numpy(level)[:, :, : -(-height // stride), : -(-width // stride)]
            for level, stride in zip(self._levels(padded_images), self.config.strides, strict=True)
        )

    def embed(self, images: Tensor, *, turns: int = 4) -> Tensor:
        """Embed images, averaged over quarter turns; see `Encoder.embed`."""
        vectors: list[NDArray[np.float32]] = []
        for start in range(0, len(images), VIEWS_AT_ONCE // turns):
            batch = images[start : start + VIEWS_AT_ONCE // turns]
            views = torch.cat(quarter_turns(batch, turns))
            if images.shape[-1] == images.shape[-2] == self.config.image_px:
                (vector,) = self._vector(views)
            else:
                vector = self(views).numpy()
            vectors.append(vector.reshape(turns, len(batch), -1).mean(axis=0))
        return torch.from_numpy(np.concatenate(vectors)) if vectors else torch.empty(0, self.dimension)


class _Compiled:
    """A compiled network of OpenVINO with some of its outputs; threads take turns."""

    def __init__(self, network: Any, outputs: Sequence[int], *, shape: tuple[int, int, int, int]) -> None:
        import openvino

        copy = network.clone()  # the shape belongs to the parameters, which parts of one network share
        part = openvino.Model([copy.outputs[index] for index in outputs], copy.get_parameters(), "part")
        part.reshape(list(shape))
        options = {"INFERENCE_PRECISION_HINT": "bf16", "INFERENCE_NUM_THREADS": torch.get_num_threads(), "NUM_STREAMS": 1}
        self._request = openvino.Core().compile_model(part, "CPU", options).create_infer_request()
        self._count = len(outputs)
        self._lock = threading.Lock()

    def __call__(self, images: Tensor) -> list[NDArray[np.float32]]:
        content = images.contiguous().numpy()
        with self._lock:
            self._request.infer({0: content}, share_inputs=True)
            return [self._request.get_output_tensor(index).data.copy() for index in range(self._count)]


def load_fastest_encoder(path: Path) -> Encoder:
    """Read an encoder for inference as `load_encoder`, computed by OpenVINO where it is installed, fast and agrees.

    The last ones are kept, since the plan of a survey and its worker read the same file.

    Raises
    ------
    CheckpointError
        As `load_encoder`.
    """
    return _load(path, path.stat().st_mtime_ns if path.exists() else 0)


@lru_cache(maxsize=3)
def _load(path: Path, _changed_ns: int) -> Encoder:
    encoder = load_encoder(path)
    if importlib.util.find_spec("openvino") is None or not isinstance(encoder.config, EfficientNetConfig):
        return encoder
    try:
        import openvino

        if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            log.info("event=openvino_not_used reason='the processor has no bfloat16 instructions'")
            return encoder
        fast_encoder = OpenVinoEncoder(encoder)
        difference = _describe_difference(encoder, fast_encoder)
    except (ImportError, OSError, RuntimeError) as error:  # as openvino raises without a library, and from its own checks
        log.warning("event=openvino_not_used reason=%r", " ".join(str(error).split())[:200])
        return encoder
    if difference:
        log.warning("event=openvino_not_used reason=%r", difference)
        return encoder
    return fast_encoder


def _convert(encoder: Encoder) -> Any:
    """Convert the backbone: from images, shape (n, 3, h, w), to the feature maps and the embedding of one view.

    The frontend is called directly: `openvino.convert_model` reports its use over the network.
    """
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    side = 2 * encoder.config.strides[-1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's tracer is deprecated, and its checks of shapes become constants
        decoder = TorchScriptPythonDecoder(
            _LevelsAndVector(encoder).eval(),
            example_input=(torch.zeros(2, 3, side, side),),
            trace_kwargs={"check_trace": False},
        )
        frontend = FrontEndManager().load_by_framework("pytorch")
        return frontend.convert(frontend.load(decoder))


class _LevelsAndVector(nn.Module):
    """The part of an encoder that is equal for all sizes of images whose sides are multiples of its coarsest stride."""

    def __init__(self, encoder: Encoder) -> None:
        super().__init__()
        self.backbone = encoder.backbone

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        levels = self.backbone.levels(images.clamp(min=0).sqrt())
        return *levels, self.backbone.pool(levels[-1])


def _describe_difference(first: Encoder, second: Encoder) -> str:
    """Return how the features by two encoders differ on drawn galaxies; empty if they agree."""
    images = torch.cat([_draw_galaxy(first.image_px, radius=share * first.image_px) for share in (0.05, 0.1, 0.2, 0.3)])
    agreement = float(functional.cosine_similarity(first.embed(images), second.embed(images)).mean())
    if not agreement > LEAST_AGREEMENT:  # also for NaN
        return f"its embeddings have a cosine of {agreement:.4f} with those of PyTorch"
    for side in CHECKED_SIDES_PX:
        image = _draw_galaxy(side, radius=side / 8)
        with torch.no_grad():
            maps = list(zip(first.pyramid(image), second.pyramid(image), strict=True))
        agreement = min(float(functional.cosine_similarity(a.flatten(), b.flatten(), dim=0)) for a, b in maps)
        if not agreement > LEAST_MAP_AGREEMENT:
            return f"its feature maps have a cosine of {agreement:.4f} with those of PyTorch"
    return ""


def _draw_galaxy(side: int, *, radius: float) -> Tensor:
    """Return an exponential disc with noise, shape (1, 3, side, side)."""
    rows, columns = np.indices((side, side)) - side / 2
    light = 0.8 * np.exp(-np.hypot(columns, 2 * (rows - columns / 3)) / radius)
    noise = np.random.default_rng(0).normal(0.02, 0.01, (3, side, side))
    colours = np.array([1.0, 0.8, 0.6])[:, None, None]
    return torch.from_numpy((light * colours + noise).clip(0, 1).astype(np.float32))[None]
