"""The encoders of a data folder, each in a folder of its own that never changes; versions name them by their fingerprint.

An encoder is copied here once. Afterwards neither the network nor the folder that it came from is needed.
Torch is loaded where an encoder is added or opened, and not to list encoders.
"""

from __future__ import annotations

import json
import math
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from backend.lvm.checkpoint_files import SHIPPED_CHECKPOINT, CheckpointError, fingerprint
from backend.lvm.encoder_records import (
    CHECKPOINT_NAME,
    IMPORTED,
    OURS,
    RECORD_NAME,
    SHIPPED,
    SHIPPED_CLASSIFIER,
    StoredEncoder,
    hash_files,
    read_record,
)
from backend.lvm.encoder_specs import find_checkpoint, find_timm_folder
from backend.lvm.shipped_names import shipped_names
from sync.files.atomic import UNFINISHED, flush_folder, rename_folder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from backend.lvm.embeddings import Embedder, EmbeddingSource
    from backend.lvm.encoder_files import WriteEncoder
    from sync.files.cache import Cache

__all__ = ["EncoderStore"]

RETRY_S = 600.0
"""Wait before an encoder of the settings is tried again: without a network, the hub's client takes half a minute to fail."""


class EncoderStore:
    """Adds encoders to a folder and opens them.

    Parameters
    ----------
    folder : Path
        Created by the first encoder that is added.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        names = shipped_names()
        self.shipped_name = names.whole
        self._shipped_by_spec = {
            spec: StoredEncoder(name, spec, OURS, 0, 0, 0.0)
            for spec, name in ((SHIPPED, names.whole), (SHIPPED_CLASSIFIER, names.classifier))
        }
        self._by_spec: dict[str, StoredEncoder] = {}
        self._failures: dict[str, tuple[float, CheckpointError]] = {}

    @property
    def shipped_encoders(self) -> tuple[StoredEncoder, ...]:
        """The shipped encoder, and the network of the shipped classifier alone."""
        return tuple(self._shipped_by_spec.values())

    def encoders(self) -> list[StoredEncoder]:
        """List the added encoders, the oldest first."""
        records = [read_record(file.parent) for file in sorted(self.folder.glob(f"[!.]*/{RECORD_NAME}"))]
        return sorted((record for record in records if record is not None), key=lambda record: record.added_at)

    def get(self, name: str) -> StoredEncoder | None:
        """Return an encoder by its fingerprint; None if it is not here."""
        return next((encoder for encoder in self.shipped_encoders if encoder.fingerprint == name), None) or read_record(
            self.folder / name
        )

    def find(self, spec: str) -> StoredEncoder | None:
        """Return the encoder that was added last by a specification; None if none was."""
        if spec in self._shipped_by_spec:
            return self._shipped_by_spec[spec]
        return next((record for record in reversed(self.encoders()) if record.spec == spec), None)

    def resolve(self, spec: str) -> StoredEncoder:
        """Return the encoder of a setting, and add it if it is not here; a failure is tried again after `RETRY_S`.

        Raises
        ------
        CheckpointError
            As `add`.
        """
        if spec not in self._by_spec:
            failed_at, failure = self._failures.get(spec, (-math.inf, None))
            if failure is not None and time.monotonic() - failed_at < RETRY_S:
                raise failure
            try:
                self._by_spec[spec] = self.find(spec) or self.add(spec)
            except CheckpointError as error:
                self._failures[spec] = time.monotonic(), error
                raise
        return self._by_spec[spec]

    def add(self, spec: str) -> StoredEncoder:
        """Copy an encoder into the store, unless the same files are there already, and check that it embeds an image.

        Raises
        ------
        CheckpointError
            If it cannot be read, downloaded or used; the message is one sentence, and the store is unchanged.
        """
        if spec in self._shipped_by_spec:
            return self._shipped_by_spec[spec]
        checkpoint = find_checkpoint(spec)
        source = find_timm_folder(spec) if checkpoint is None else Path()

        def write(folder: Path) -> tuple[str, int, int]:
            from backend.lvm.encoder_files import write_checkpoint, write_timm

            return write_timm(source, folder, spec) if checkpoint is None else write_checkpoint(checkpoint, folder)

        return self._add(spec, write)

    def add_vectors(self, spec: str, references: Sequence[str], vectors: NDArray[np.float32]) -> StoredEncoder:
        """Add embeddings that another program has computed; each of their numbers is divided by its standard deviation.

        Parameters
        ----------
        spec : str
            Where they come from.
        references : sequence of str, length n
            References of the images in the data of tasks.
        vectors : ndarray, shape (n, d)
        """

        import numpy as np

        from backend.lvm.standardisation import deviations_of
        from backend.lvm.vectors import save_vectors

        def write(folder: Path) -> tuple[str, int, int]:
            # Heads take the numbers of an embedding for values in one unit.
            save_vectors(folder, references, (vectors / deviations_of(vectors)).astype(np.float32))
            return IMPORTED, int(vectors.shape[1]), 0

        return self._add(spec, write)

    def open(self, name: str, cache: Cache) -> EmbeddingSource:
        """Open an encoder by its fingerprint.

        Parameters
        ----------
        name : str
        cache : Cache
            Stores its embeddings.

        Raises
        ------
        CheckpointError
            If it is not here, or its files have changed.
        """
        record = read_record(self.folder / name)
        if record is None:
            raise CheckpointError(f"the encoder {name} is not in {self.folder}: add it again with galaxyloop encoder use")
        folder = self.folder / name
        if hash_files(folder) != name:
            raise CheckpointError(f"the files of the encoder {record.spec} in {folder} were changed: add it again")
        if record.kind == IMPORTED:
            from backend.lvm.vectors import ImportedVectors

            return ImportedVectors(folder)
        from backend.lvm.embeddings import Embeddings
        from backend.lvm.encoder_files import load_network

        return Embeddings(load_network(record, folder), cache, fingerprint=name)

    def embedder(self, name: str) -> Embedder | None:
        """Load the network of an encoder, to measure its speed; None for imported embeddings.

        Raises
        ------
        CheckpointError
            As `open`.
        """
        from backend.lvm.encoder_files import load_network
        from backend.lvm.openvino_encoder import load_fastest_encoder
        from backend.lvm.shipped_encoder import load_shipped_encoder

        names = shipped_names()
        if name == names.whole:
            return load_shipped_encoder()
        if name == names.classifier:
            return load_fastest_encoder(SHIPPED_CHECKPOINT)
        record = read_record(self.folder / name)
        if record is None:
            raise CheckpointError(f"the encoder {name} is not in {self.folder}: add it again with galaxyloop encoder use")
        return None if record.kind == IMPORTED else load_network(record, self.folder / name)

    def _add(self, spec: str, write: WriteEncoder) -> StoredEncoder:
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=self.folder) as place:
            temporary = Path(place) / "encoder"
            temporary.mkdir()
            kind, dimension, image_px = write(temporary)
            name = hash_files(temporary)
            record = StoredEncoder(name, spec, kind, dimension, image_px, time.time())
            if (
                kind == OURS
                and fingerprint(temporary / CHECKPOINT_NAME) == self._shipped_by_spec[SHIPPED_CLASSIFIER].fingerprint
            ):
                return self._shipped_by_spec[SHIPPED_CLASSIFIER]
            if read_record(self.folder / name) is None:
                (temporary / RECORD_NAME).write_text(json.dumps(asdict(record)))
                flush_folder(temporary)
                rename_folder(temporary, self.folder / name)
        return read_record(self.folder / name) or record
