"""The annotator: Label Studio tasks in, predictions out (config, images, embeddings and sources, heads, regions and a score).

Exactly one prediction a task, in order. A picture that cannot be read, or on which a head fails, gives its task an empty
prediction and a logged sentence, and the other tasks are predicted all the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from backend.heads.classification.morphology import Morphology
from backend.heads.detection.fcos.detector import LearnedDetector
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.prediction.control_models import Filled, Filler, ObjectFiller, fillers_of
from backend.prediction.features import FeatureExtractor, ImageFeatures
from backend.prediction.project_heads import ProjectHeads, controls_to_fill
from backend.prediction.prompts import answer_prompts
from sync.errors.failures import attempt, attempt_together, reason_of_item
from sync.errors.images import ImageError
from sync.label_studio.task_images import images_of_control, place_region, references_of, value_at
from sync.label_studio.validation import sort_regions
from sync.labelling.config import Control, LabelConfig
from sync.labelling.visibility import hidden_controls

__all__ = ["Prediction", "Predictor", "Task"]

log = logging.getLogger("galaxyloop.annotator")

CHUNK = 64
"""Images looked at together: bounds the pixels in memory."""
_Image = tuple[str, int]
"""Name of an Image tag and number of a page."""
NOTHING_TO_ASK = 1.0
"""Score of an empty prediction: uncertainty sampling shows the lowest first, and a broken picture is not useful to label."""


@dataclass(frozen=True, slots=True)
class Task:
    """A Label Studio task.

    Attributes
    ----------
    id : int
    data : mapping
    stored : mapping
        Its `predictions`, `annotations` and `drafts` as an interactive request has them; empty elsewhere.
    """

    id: int
    data: Mapping[str, Any]
    stored: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is said of one task.

    Attributes
    ----------
    result : list of dict
        Label Studio regions; empty where nothing can be said.
    score : float
        How sure the heads are, in [0, 1]; the lowest is the most useful task to label next.
    model_version : str
        Name of the version that made it.
    problem : str
        Why a picture could not be read or a control not be filled, in a sentence; empty where all could.
    """

    result: list[dict[str, Any]]
    score: float
    model_version: str
    problem: str = ""

    def as_json(self) -> dict[str, Any]:
        """As Label Studio takes it."""
        return {"result": self.result, "score": self.score, "model_version": self.model_version}


class Predictor:
    """Fills the controls of one project with the heads of one version.

    Parameters
    ----------
    config : LabelConfig
        Decides what is filled.
    heads : ProjectHeads
        The version's; where one is missing the shipped head takes its place.
    observer : Observer
        Looks at the pictures.
    base : Morphology
        The shipped classifier.
    masks : PromptedMasks
        The shipped segmenter, where the version has learned none of its own.
    detector : LearnedDetector, optional
        The shipped one, if there is one for the encoder in use.
    version : str
        Name that the predictions carry.
    """

    def __init__(
        self,
        config: LabelConfig,
        heads: ProjectHeads,
        *,
        extractor: FeatureExtractor,
        base: Morphology,
        masks: PromptedMasks,
        version: str,
        detector: LearnedDetector | None = None,
    ) -> None:
        self.config = config
        self.version = version
        self._extractor = extractor
        self.masks = heads.prompted or masks
        self.fillers = fillers_of(controls_to_fill(config), heads, base=base, masks=self.masks, detector=detector)

    @cached_property
    def _by_image(self) -> dict[str, list[Filler]]:
        """The fillers of each Image tag that has any, by the tag's name."""
        grouped: dict[str, list[Filler]] = {}
        for filler in self.fillers:
            for name in filler.control.to_names if filler.control.marks_objects else (filler.control.to_name,):
                grouped.setdefault(name, []).append(filler)
        return grouped

    def image_key(self) -> str:
        """The one key of a task's data under which the image stands, for whoever has images and no tasks.

        Raises
        ------
        ValueError
            If there is nothing to fill, or a task has several images; in one sentence.
        """
        keys = sorted({self.config.image_key[name] for name in self._by_image})
        if not keys:
            raise ValueError("the labelling config has no control that the heads can fill")
        if len(keys) > 1:
            raise ValueError(
                f"the labelling config has several images a task ({', '.join(keys)}): one is all that can be filled"
            )
        return keys[0]

    def predict(self, tasks: Sequence[Task], *, stop: Callable[[], bool] = lambda: False) -> list[Prediction]:
        """Predict tasks, one prediction each, in order.

        Parameters
        ----------
        stop : callable
            Asked every `CHUNK` tasks whether to leave the rest.
        """
        predictions: list[Prediction] = []
        for start in range(0, len(tasks), CHUNK):
            if stop():
                break
            predictions += self._predict_chunk(tasks[start : start + CHUNK])
        return predictions

    def answer(self, tasks: Sequence[Task], context: Mapping[str, Any]) -> list[Prediction]:
        """Answer the prompts of an interactive request; Label Studio reads the first task's answer only.

        A context without prompts, as Label Studio sends after a submit, is answered with nothing: a batch prediction there
        would be drawn over the annotator's work.
        """
        predictions = [Prediction([], NOTHING_TO_ASK, self.version) for _ in tasks]
        if not tasks:
            return predictions
        try:
            regions = answer_prompts(
                context.get("result"),
                task=tasks[0].stored,
                config=self.config,
                head=self.masks,
                windowed_image_of=lambda name, page: self._extractor.windowed_image(self._reference(tasks[0], name, page)),
            )
        except Exception as error:
            reason = error if isinstance(error, ValueError) else reason_of_item(error)
            log.warning("event=prompt_not_answered task=%d version=%s reason=%r", tasks[0].id, self.version, str(reason))
            return predictions
        regions = self._valid(regions, tasks[0])
        if regions:
            score = float(np.mean([region.get("score", 0.5) for region in regions]))
            predictions[0] = Prediction(regions, score, self.version)
        return predictions

    @property
    def answers_prompts(self) -> bool:
        """Whether the labelling config has a tool for prompts."""
        return any(control.smart for control in self.config.controls)

    def prefetch(self, task: Task) -> None:
        """See what clicks on the objects of a task's pictures will need; a picture that cannot be read is passed over."""
        for to_name, fillers in self._by_image.items():
            finders = [filler for filler in fillers if isinstance(filler, ObjectFiller)]
            if not finders:
                continue
            places = [
                (0, image) for image in images_of_control(task.data, self.config, finders[0].control) if image[0] == to_name
            ]
            for one in self._extract_features([task], places, finders):
                if isinstance(one, ImageFeatures):
                    seen = attempt(partial(self._prefetch, one, finders))
                    if isinstance(seen, ImageError):
                        log.warning("event=not_seen_ahead task=%d version=%s reason=%r", task.id, self.version, str(seen))

    def _prefetch(self, seen: ImageFeatures, finders: Sequence[ObjectFiller]) -> None:
        if seen.windowed_image is not None:
            self.masks.prefetch(seen.windowed_image, [found.source.box for filler in finders for found in filler.detect(seen)])

    def _predict_chunk(self, tasks: Sequence[Task]) -> list[Prediction]:
        """Predict tasks image by image; images that the same fillers fill are looked at together."""
        drafts = [_Draft() for _ in tasks]
        for to_name, fillers in self._by_image.items():
            filled_on: dict[tuple[int, _Image], list[Filler]] = {}
            for index, task in enumerate(tasks):
                asked_on = attempt(partial(self._images_to_fill, task, to_name, fillers))
                if isinstance(asked_on, ImageError):
                    drafts[index].problem = str(asked_on)
                    continue
                for filler, image in asked_on:
                    filled_on.setdefault((index, image), []).append(filler)
            together: dict[tuple[int, ...], list[tuple[int, _Image]]] = {}
            for place, asked in filled_on.items():
                together.setdefault(tuple(map(id, asked)), []).append(place)
            for places in together.values():
                for start in range(0, len(places), CHUNK):
                    self._fill(tasks, places[start : start + CHUNK], filled_on[places[0]], drafts)
        return [self._put_together(task, draft) for task, draft in zip(tasks, drafts, strict=True)]

    def _images_to_fill(self, task: Task, to_name: str, fillers: Sequence[Filler]) -> list[tuple[Filler, _Image]]:
        """The images of an Image tag on which each filler is asked."""
        return [
            (filler, image)
            for filler in fillers
            for image in images_of_control(task.data, self.config, filler.control)
            if image[0] == to_name
        ]

    def _put_together(self, task: Task, draft: _Draft) -> Prediction:
        prediction = attempt(partial(draft.prediction, self.config, self.version))
        if not isinstance(prediction, ImageError):
            return replace(prediction, result=self._valid(prediction.result, task))
        log.warning("event=task_not_predicted task=%d version=%s reason=%r", task.id, self.version, str(prediction))
        return Prediction([], NOTHING_TO_ASK, self.version, str(prediction))

    def _valid(self, regions: list[dict[str, Any]], task: Task) -> list[dict[str, Any]]:
        """Return the regions that Label Studio may store; the others would break the annotator's page, and are logged."""
        valid, faults = sort_regions(regions, self.config)
        for fault in faults:
            log.error("event=region_dropped task=%d version=%s reason=%r", task.id, self.version, fault)
        return valid

    def _fill(
        self,
        tasks: Sequence[Task],
        places: Sequence[tuple[int, _Image]],
        fillers: Sequence[Filler],
        drafts: Sequence[_Draft],
    ) -> None:
        """Fill images, given by the place of their task and their own, with the same fillers."""
        observed = self._extract_features(tasks, places, fillers)
        for (index, _), seen in zip(places, observed, strict=True):
            if isinstance(seen, ImageError):
                drafts[index].problem = str(seen)
        good = [place for place, seen in zip(places, observed, strict=True) if isinstance(seen, ImageFeatures)]
        features_of_images = [seen for seen in observed if isinstance(seen, ImageFeatures)]
        for filler in fillers:
            for (index, image), filled in zip(good, attempt_together(filler.fill, features_of_images), strict=True):
                if isinstance(filled, ImageError):
                    drafts[index].problem = str(filled)
                    log.warning(
                        "event=control_not_filled task=%d version=%s control=%s reason=%r",
                        tasks[index].id, self.version, filler.control.name, str(filled),
                    )  # fmt: skip
                else:
                    drafts[index].filled.append((filler.control, image, filled))

    def _extract_features(
        self, tasks: Sequence[Task], places: Sequence[tuple[int, _Image]], fillers: Sequence[Filler]
    ) -> list[ImageFeatures | ImageError]:
        seen: dict[int, ImageFeatures | ImageError] = {}
        references: dict[int, str] = {}
        for number, (index, image) in enumerate(places):
            reference = attempt(partial(self._reference, tasks[index], *image))
            if isinstance(reference, ImageError):
                seen[number] = reference
            else:
                references[number] = reference
        observed = self._extractor.extract_features(
            list(references.values()),
            embed=any(filler.needs_embedding for filler in fillers),
            extractions=[settings for filler in fillers if (settings := filler.needs_sources)],
            look=any(filler.needs_look for filler in fillers),
        )
        seen |= zip(references, observed, strict=True)
        for number, one in seen.items():
            if isinstance(one, ImageError):
                task, (to_name, page) = tasks[places[number][0]], places[number][1]
                log.warning(
                    "event=picture_not_read task=%d version=%s image=%s page=%d reason=%r",
                    task.id, self.version, to_name, page, str(one),
                )  # fmt: skip
        return [seen[number] for number in range(len(places))]

    def _reference(self, task: Task, to_name: str, page: int) -> str:
        key = self.config.image_key.get(to_name)
        if key is None:
            raise ImageError(f"the labelling config has no Image called {to_name!r} that shows a key of the task's data")
        references = references_of(task.data, self.config, to_name)
        if page >= len(references):
            raise ImageError(f"the task has {len(references)} pages under {key!r}, and page {page + 1} is asked for")
        if not references[page]:
            where = f" on page {page + 1}" if len(references) > 1 else ""
            held = " but an object" if isinstance(value_at(task.data, key), Mapping) else ""
            raise ImageError(f"the task's data have no image reference under {key!r}{where}{held}")
        return references[page]


@dataclass
class _Draft:
    """What the fillers said of one task, image by image."""

    filled: list[tuple[Control, _Image, Filled]] = field(default_factory=list)
    problem: str = ""

    def prediction(self, config: LabelConfig, version: str) -> Prediction:
        """Put it together, ordered by Image tag, page and control, without the controls that Label Studio hides then."""
        order = {control.name: place for place, control in enumerate(config.controls)}
        tags = list(config.image_key)
        filled = sorted(self.filled, key=lambda each: (tags.index(each[1][0]), each[1][1], order[each[0].name]))
        hidden = hidden_controls([region for _, _, each in filled for region in each.regions], config)
        shown = [(image, each) for control, image, each in filled if control.name not in hidden]
        regions = [place_region(region, config, image) for image, each in shown for region in each.regions]
        sure = [each.confidence for _, each in shown if each.confidence is not None]
        score = float(np.mean(sure)) if sure else NOTHING_TO_ASK
        if not np.isfinite(score):
            raise ValueError(f"the score of the prediction is {score}")
        return Prediction(regions, score, version, self.problem)
