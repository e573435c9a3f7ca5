"""The shipped model in other programs: embeddings, classes and objects of images.

The first call imports torch and loads the weights, about four seconds; they stay in memory. Several threads may call the
functions, which compute one after the other.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterable, Sequence
from functools import cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from galaxyloop.images import Image, require_image

if TYPE_CHECKING:
    from astropy.table import Table

    from backend.images.store import StoredImage
    from backend.prediction.factory import PredictorFactory
    from backend.prediction.predictor import Predictor
    from backend.prediction.rows import ImageRows

__all__ = ["classify", "detect", "embed"]

MAX_PIXELS = 100_000_000
CACHE_BYTES = 256 * 2**20
_lock = threading.RLock()


def embed(images: Image | Sequence[Image], *, encoder: str | None = None) -> NDArray[np.float32]:
    """Compute the embeddings of images.

    Parameters
    ----------
    images : Image or sequence of Image
        n images from `load_image`.
    encoder : {"shipped", "shipped-classifier"}
        ``shipped`` gives 2,108 numbers; ``shipped-classifier`` gives the first 1,280 of them, which are those by the network of
        the shipped classifier. Without it, ``shipped-classifier`` is used, with a `DeprecationWarning`: the next release
        will use ``shipped``.

    Returns
    -------
    ndarray of float32, shape (n, d)

    Raises
    ------
    ImageError
        If an image cannot be embedded.
    TypeError
        If an image is not from `load_image`.
    ValueError
        If there is no image, or the encoder is unknown.

    Examples
    --------
    >>> galaxyloop.embed([galaxyloop.load_image(path) for path in paths], encoder="shipped").shape
    (2, 2108)
    """
    from backend.lvm.shipped_names import shipped_names
    from backend.prediction.control_models.training_data import embedding_of
    from sync.errors.images import ImageError

    if encoder is None:
        message = "the next release of galaxyloop.embed returns 2,108 numbers: name the encoder, shipped or shipped-classifier"
        warnings.warn(message, DeprecationWarning, stacklevel=2)
    encoders = {None: (), "shipped-classifier": (), "shipped": (shipped_names().whole,)}
    if encoder not in encoders:
        raise ValueError(f"unknown encoder {encoder!r}: write shipped or shipped-classifier")
    with _lock:
        factory = _open_factory()[0].on(*encoders[encoder])
        outcomes = factory.extractor.extract_features(_give_images(images), embed=True)
    embeddings: list[NDArray[np.float32]] = []
    for outcome in outcomes:
        if isinstance(outcome, ImageError):
            raise outcome
        embeddings.append(embedding_of(outcome))
    return np.stack(embeddings)


def classify(images: Image | Sequence[Image], *, config: str = "morphology") -> Table:
    """Predict the class of each image with the shipped classifier.

    Parameters
    ----------
    images : Image or sequence of Image
    config : str
        A name from labeling_configs; its first Choices or Taxonomy control determines the classes.

    Returns
    -------
    Table
        One row per image, one column per label with its probability.

    Raises
    ------
    ImageError
        If an image cannot be classified.
    TypeError
        If an image is not from `load_image`.
    ValueError
        If there is no image, or the config does not exist or has no classes that the shipped classifier predicts.

    Examples
    --------
    >>> table = galaxyloop.classify(galaxyloop.load_image("m51.fits"))
    >>> table["Spiral"][0]
    0.93
    """
    from astropy.table import Table

    rows = [
        next((row.value for row in controls.values() if isinstance(row.value, dict)), None)
        for _, controls in _predict(images, config)
    ]
    if any(row is None for row in rows):
        raise ValueError(f"the config {config} has no classes that the shipped classifier predicts")
    return Table(rows=rows)


def detect(image: Image, *, config: str = "boxes") -> Table:
    """Find the objects of an image.

    Parameters
    ----------
    image : Image
    config : str
        A name from labeling_configs; its first control of objects determines the labels.

    Returns
    -------
    Table
        One row per object: `label`, `score` (0 to 1), `x`, `y` (centre of the box), `width`, `height` (pixels from the top left
        corner of the image; the centre of the first pixel is (0.5, 0.5)), and `ra`, `dec` (degrees, ICRS) if the image has sky
        coordinates.

    Raises
    ------
    ImageError
        If objects cannot be found in the image.
    ValueError
        If the config does not exist or has no control of objects.
    """
    from astropy import units as u
    from astropy.table import Table

    ((_, controls),) = _predict(require_image(image), config)
    objects = next((row.value for row in controls.values() if isinstance(row.value, list)), None)
    if objects is None:
        raise ValueError(f"the config {config} has no control of objects")
    boxes = np.array([[row[name] for name in ("x", "y", "width", "height")] for row in objects], np.float64).reshape(-1, 4)
    table = Table(
        {"label": np.array([row["label"] or "" for row in objects], str), "score": [float(row["score"]) for row in objects]}
    )
    for name, values in (("x", boxes[:, 0] + boxes[:, 2] / 2), ("y", boxes[:, 1] + boxes[:, 3] / 2)):
        table[name] = values * u.pix
    table["width"], table["height"] = boxes[:, 2] * u.pix, boxes[:, 3] * u.pix
    sky = image.positions(np.asarray(table["x"]), np.asarray(table["y"]))
    if sky is not None:
        table["ra"], table["dec"] = sky[:, 0] * u.deg, sky[:, 1] * u.deg
    return table


class _ImagesOfCall:
    """The images of one call, by number; an `ImageSource`."""

    def __init__(self) -> None:
        self.images: list[StoredImage] = []

    def open(self, reference: str) -> StoredImage:
        return self.images[int(reference)]


@cache
def _open_factory() -> tuple[PredictorFactory, _ImagesOfCall]:
    from backend.prediction.factory import PredictorFactory
    from sync.files.cache import MemoryCache

    images = _ImagesOfCall()
    memory = MemoryCache(max_bytes=CACHE_BYTES)
    return PredictorFactory(images, memory, memory), images


@cache
def _open_predictor(config: str) -> Predictor:
    from backend.prediction.factory import SHIPPED_VERSION
    from backend.prediction.project_heads import ProjectHeads
    from sync.labelling.config import parse

    file = files("labeling_configs").joinpath(f"{config}.xml")
    if not file.is_file():
        raise ValueError(f"there is no config {config} in labeling_configs")
    return _open_factory()[0].build(parse(file.read_text("utf-8")), ProjectHeads(), version=SHIPPED_VERSION)


def _predict(images: Image | Sequence[Image], config: str) -> Iterable[ImageRows]:
    """Predict the controls of a config for each image; raise the error of the first image that fails."""
    from backend.prediction.rows import predict_rows
    from sync.errors.images import ImageError

    with _lock:
        predictor = _open_predictor(config)
        rows = predict_rows(_give_images(images), predictor.models, _open_factory()[0].extractor)
    for row in rows:
        if isinstance(row, ImageError):
            raise row
        yield row


def _give_images(images: Image | Sequence[Image]) -> list[str]:
    """Give images to the factory; return the references by which it opens them."""
    from backend.images.store import StoredImage, image_key

    if isinstance(images, str | bytes | np.ndarray) or not isinstance(images, Image | Iterable):
        require_image(images)
    image_list = [images] if isinstance(images, Image) else [require_image(image) for image in images]
    if not image_list:
        raise ValueError("give at least one image")
    source = _open_factory()[1]
    source.images = [StoredImage(image_key(image.content), partial(_content, image), MAX_PIXELS) for image in image_list]
    return [str(number) for number in range(len(image_list))]


def _content(image: Image) -> bytes:
    return image.content
