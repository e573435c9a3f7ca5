"""Encoders of timm: a folder with `config.json` and weights, as timm and the Hugging Face Hub store them.

Weights are safetensors, or a file of PyTorch that holds tensors only: nothing that could run code is unpickled.
"""

from __future__ import annotations

import json
import pickle
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import timm
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from timm.data.config import resolve_model_data_config
from torch import Tensor, nn

from backend.lvm.checkpoint import CheckpointError

__all__ = ["CONFIG_NAME", "WEIGHTS_NAME", "TimmEncoder", "copy_timm_folder", "load_timm_encoder"]

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"
PICKLED_NAMES = ("pytorch_model.bin", "pytorch_model.pth", "model.pth")
"""Names of weights in PyTorch's own format, which are read without unpickling anything but tensors."""
LARGEST_SIDE_PX = 2048
"""Bounds the memory of one image: the largest networks of timm read 1024 px."""
CHANNELS = (1, 3)
"""Numbers of channels that an encoder may expect: brightness, or red, green and blue."""
LONGEST_REASON = 200


class TimmEncoder:
    """A frozen network of timm without its classifier.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode; its configuration has the size, mean and standard deviation of its images.

    Attributes
    ----------
    image_px : int
        Side of its images, pixels.
    channels : int
        1 for an encoder of brightness, 3 for one of colour images.
    dimension : int
        Length of an embedding.

    Raises
    ------
    CheckpointError
        If the network is no encoder of square images with 1 or 3 channels, or its embeddings are not finite.
    """

    numerics: ClassVar[str] = ""

    def __init__(self, network: nn.Module) -> None:
        config: dict[str, Any] = resolve_model_data_config(network)  # type: ignore[no-untyped-call]
        self.channels, height, width = (int(side) for side in config["input_size"])
        if height != width or self.channels not in CHANNELS:
            raise CheckpointError(
                f"it expects images of {self.channels} channels and {width} x {height} pixels: "
                "galaxyloop needs an encoder of square images with 1 or 3 channels"
            )
        if height > LARGEST_SIDE_PX:
            raise CheckpointError(f"it expects images of {height} x {height} pixels, and at most {LARGEST_SIDE_PX} are allowed")
        self.image_px = height
        # A mean for each channel of ImageNet becomes one for an encoder of brightness.
        mean, deviation = (torch.tensor(config[name], dtype=torch.float32).flatten() for name in ("mean", "std"))
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        shape = (1, -1, 1, 1)
        self._mean = (mean.mean() if self.channels == 1 else mean).reshape(shape).to(self._device)
        self._deviation = (deviation.mean() if self.channels == 1 else deviation).reshape(shape).to(self._device)
        self._network = network.requires_grad_(False).to(self._device).to(memory_format=torch.channels_last)
        self.dimension = self._measure_dimension()

    @torch.inference_mode()
    def embed(self, images: Tensor) -> Tensor:
        """Embed images; they are not rotated, since these networks cost ten times as much as the shipped one.

        Parameters
        ----------
        images : Tensor, shape (n, 3, image_px, image_px)
            Gamma-encoded brightness in [0, 1], as in the pictures that these networks were trained on.

        Returns
        -------
        Tensor, shape (n, dimension), float32, on the CPU
        """
        images_on_device = images.to(self._device)
        channels = images_on_device.mean(dim=1, keepdim=True) if self.channels == 1 else images_on_device
        embedding: Tensor = self._network((channels - self._mean) / self._deviation)
        return embedding.float().cpu()

    def _measure_dimension(self) -> int:
        """Embed a grey image; a network that has loaded, but has another form than an encoder, fails here."""
        probe = self.embed(torch.full((1, 3, self.image_px, self.image_px), 0.5))
        if probe.ndim != 2 or probe.shape[0] != 1:
            raise CheckpointError(f"its output for one image has the shape {tuple(probe.shape)}, and not that of an embedding")
        if not torch.isfinite(probe).all():
            raise CheckpointError("its embedding of a grey image is not finite")
        return probe.shape[1]


def load_timm_encoder(folder: Path) -> TimmEncoder:
    """Read an encoder from a folder with a configuration and weights of timm.

    Raises
    ------
    CheckpointError
        If the folder or a file is missing, the weights are a pickle of more than tensors, do not fit the network, or are not
        finite; the message is one sentence.
    """
    try:
        weights = _read_weights(folder)
        network = timm.create_model(f"local-dir:{folder}", pretrained=False, num_classes=0)
        _load_weights(network, weights)
        return TimmEncoder(network.eval())
    except CheckpointError as error:
        raise CheckpointError(f"the encoder in {folder} cannot be used: {error}") from error
    except Exception as error:  # timm raises what the network of the configuration raises
        detail = " ".join(str(error).split())[:LONGEST_REASON]
        raise CheckpointError(f"the encoder in {folder} cannot be used: {detail or type(error).__name__}") from error


def copy_timm_folder(folder: Path, target: Path) -> None:
    """Copy configuration and weights to another folder, the weights as safetensors.

    Raises
    ------
    CheckpointError
        As `load_timm_encoder`.
    """
    weights = _read_weights(folder)
    (target / CONFIG_NAME).write_bytes((folder / CONFIG_NAME).read_bytes())
    save_file({name: tensor.contiguous().clone() for name, tensor in weights.items()}, target / WEIGHTS_NAME)


def _read_weights(folder: Path) -> dict[str, Tensor]:
    """Read the weights of a folder."""
    if not (folder / CONFIG_NAME).is_file():
        raise CheckpointError(f"there is no file {CONFIG_NAME}, which names the network")
    try:
        config = json.loads((folder / CONFIG_NAME).read_bytes())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"its {CONFIG_NAME} cannot be read: {error}") from error
    if not isinstance(config, dict) or not isinstance(config.get("architecture"), str):
        raise CheckpointError(f"its {CONFIG_NAME} does not name a network of timm under architecture")
    if (folder / WEIGHTS_NAME).is_file():
        try:
            return load_file(folder / WEIGHTS_NAME)
        except (OSError, SafetensorError) as error:
            raise CheckpointError(f"its {WEIGHTS_NAME} cannot be read as safetensors: {error}") from error
    pickle_file = next((folder / name for name in PICKLED_NAMES if (folder / name).is_file()), None)
    if pickle_file is None:
        raise CheckpointError(f"there are no weights: {WEIGHTS_NAME} is missing")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of the version of the pickle
            read = torch.load(pickle_file, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise CheckpointError(
            f"its {pickle_file.name} is a pickle of more than weights, which could run code, or is damaged: "
            "use an encoder with safetensors"
        ) from error
    weights = read.get("state_dict", read) if isinstance(read, Mapping) else None
    if not isinstance(weights, Mapping) or not all(isinstance(tensor, Tensor) for tensor in weights.values()):
        raise CheckpointError(f"its {pickle_file.name} does not hold the weights of a network")
    return dict(weights)


def _load_weights(network: nn.Module, weights: dict[str, Tensor]) -> None:
    """Load the weights of a network; all of them must be there, so that no layer keeps its random initial weights."""
    bad = next((name for name, tensor in weights.items() if not torch.isfinite(tensor).all()), None)
    if bad is not None:
        raise CheckpointError(f"its weights {bad!r} have values that are not finite")
    convert: Any = getattr(sys.modules[type(network).__module__], "checkpoint_filter_fn", None)
    converted_weights = convert(weights, network) if convert else weights
    for name, tensor in network.state_dict().items():
        if name in converted_weights and converted_weights[name].shape != tensor.shape:
            shapes = f"{list(converted_weights[name].shape)}, and its network needs {list(tensor.shape)}"
            raise CheckpointError(f"its weights {name!r} have the shape {shapes}")
    load_result = network.load_state_dict(converted_weights, strict=False)
    if load_result.missing_keys:
        names = ", ".join(map(repr, load_result.missing_keys[:3]))
        raise CheckpointError(f"its weights lack {len(load_result.missing_keys)} tensors of the network, such as {names}")
