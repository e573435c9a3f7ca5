"""The predictor: predicts Label Studio tasks.

It returns exactly one prediction per task, in order. A task on which a head fails gets an empty prediction and a log line. Of a
task whose image cannot be read, which is logged, only heads that work with columns or a spectrum alone predict their controls.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from backend.heads.detection.fcos.detector import LearnedDetector
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.prediction.base_classifier import BaseClassifier
from backend.prediction.control_models import ControlModel, create_models
from backend.prediction.features import FeatureExtractor
from backend.prediction.image_features import ImageFeatures
from backend.prediction.image_groups import group_images
from backend.prediction.prediction import EMPTY_SCORE, Draft, Prediction, PredictionTask
from backend.prediction.project_heads import ProjectHeads, controls_to_predict
from backend.prediction.prompts import answer_prompts
from backend.prediction.task_blocks import TaskBlocks
from backend.prediction.task_features import Place, extract_task_features, reference_of
from sync.errors.failures import attempt, attempt_together, reason_of_item
from sync.errors.images import ImageError
from sync.label_studio.task_images import images_of_control
from sync.label_studio.validation import sort_regions
from sync.labelling.config import LabelConfig

__all__ = ["CHUNK", "EMPTY_SCORE", "Prediction", "PredictionTask", "Predictor"]

log = logging.getLogger("galaxyloop.predictor")

CHUNK = 64
"""Images whose features are extracted together: bounds the pixels in memory."""


class Predictor:
    """Predicts the controls of one project with the heads of one version.

    Parameters
    ----------
    config : LabelConfig
        Decides which controls are predicted.
    heads : ProjectHeads
        The version's heads; shipped heads are used for the controls that it has none for.
    extractor : FeatureExtractor
    base : BaseClassifier
        The shipped classifier.
    masks : PromptedMasks
        The shipped segmenter, used if the version has no head for prompts.
    version : str
        Model version that the predictions state.
    detector : LearnedDetector, optional
        The shipped detector, if there is one for the encoder in use.
    blocks : TaskBlocks, optional
        Reads the feature blocks of tasks; by default the columns of their data.
    """

    def __init__(
        self,
        config: LabelConfig,
        heads: ProjectHeads,
        *,
        extractor: FeatureExtractor,
        base: BaseClassifier,
        masks: PromptedMasks,
        version: str,
        detector: LearnedDetector | None = None,
        blocks: TaskBlocks | None = None,
    ) -> None:
        self.config = config
        self.version = version
        self.extractor = extractor
        self._blocks = blocks or TaskBlocks()
        self.masks = heads.prompted_masks or masks
        self.models = create_models(controls_to_predict(config), heads, base=base, masks=self.masks, detector=detector)

    @cached_property
    def _by_image(self) -> dict[str, list[ControlModel]]:
        """The models of each Image tag that has any, by the tag's name."""
        models_of_image: dict[str, list[ControlModel]] = {}
        for model in self.models:
            for name in model.control.to_names if model.control.marks_objects else (model.control.to_name,):
                models_of_image.setdefault(name, []).append(model)
        return models_of_image

    @property
    def data_keys(self) -> frozenset[str]:
        """Keys of a task's data that predictions are computed from: image references, and what heads use beside the image."""
        return frozenset(self.config.image_key.values()).union(*(model.data_keys for model in self.models))

    @property
    def blocks(self) -> TaskBlocks:
        """The reader of the feature blocks of tasks."""
        return self._blocks

    @property
    def answers_prompts(self) -> bool:
        """Whether the labelling config has a tool for prompts."""
        return any(control.smart for control in self.config.controls)

    def image_key(self) -> str:
        """Return the only key of a task's data that holds an image, for callers that have images and no tasks.

        Raises
        ------
        ValueError
            If no control can be predicted, or a task has several images; the message is one sentence.
        """
        keys = sorted({self.config.image_key[name] for name in self._by_image})
        if not keys:
            raise ValueError("the labelling config has no control that the heads can predict")
        if len(keys) > 1:
            raise ValueError(f"the labelling config has several images a task ({', '.join(keys)}): use a config with one Image")
        return keys[0]

    def predict(self, tasks: Sequence[PredictionTask], *, stop: Callable[[], bool] = lambda: False) -> list[Prediction]:
        """Predict tasks, one prediction each, in order.

        Parameters
        ----------
        tasks : sequence of PredictionTask
        stop : callable
            Called before every `CHUNK` tasks; if it returns True the remaining tasks are left out.
        """
        predictions: list[Prediction] = []
        for start in range(0, len(tasks), CHUNK):
            if stop():
                break
            predictions += self._predict_chunk(tasks[start : start + CHUNK])
        return predictions

    def answer(self, tasks: Sequence[PredictionTask], context: Mapping[str, Any]) -> list[Prediction]:
        """Answer the prompts of an interactive request; Label Studio reads the first task's answer only.

        A context without prompts, which Label Studio sends after a submit, gets an empty answer: Label Studio would draw any
        other prediction over the annotator's regions.

        Parameters
        ----------
        tasks : sequence of PredictionTask
        context : mapping
            The context of the request, with the prompts under ``result``.

        Returns
        -------
        list of Prediction
            One per task; empty for all but the first, and for the first if its prompts cannot be answered.
        """
        predictions = [Prediction([], EMPTY_SCORE, self.version) for _ in tasks]
        if not tasks:
            return predictions
        try:
            regions = answer_prompts(
                context.get("result"),
                task=tasks[0].stored_results,
                config=self.config,
                head=self.masks,
                windowed_image_of=lambda name, page: self.extractor.windowed_image(
                    reference_of(tasks[0], (name, page), self.config)
                ),
            )
        except Exception as error:
            reason = error if isinstance(error, ValueError) else reason_of_item(error)
            log.warning("event=prompt_not_answered task=%d version=%s reason=%r", tasks[0].id, self.version, str(reason))
            return predictions
        regions = self._drop_invalid(regions, tasks[0])
        if regions:
            score = float(np.mean([region.get("score", 0.5) for region in regions]))
            predictions[0] = Prediction(regions, score, self.version)
        return predictions

    def prefetch(self, task: PredictionTask) -> None:
        """Compute the features that clicks on the objects of a task need; images that cannot be read are left out."""
        for to_name, models in self._by_image.items():
            finders = [model for model in models if model.finds_objects]
            if not finders:
                continue
            images = [image for image in images_of_control(task.data, self.config, finders[0].control) if image[0] == to_name]
            for features in self._extract_features([task], [(0, image) for image in images], finders):
                outcome = attempt(partial(self._prefetch_image, features, finders))
                if isinstance(outcome, ImageError):
                    log.warning("event=not_prefetched task=%d version=%s reason=%r", task.id, self.version, str(outcome))

    def _prefetch_image(self, features: ImageFeatures, finders: Sequence[ControlModel]) -> None:
        if features.windowed_image is not None:
            boxes = [box for model in finders for box in model.prompt_boxes(features)]
            self.masks.prefetch(features.windowed_image, boxes)

    def _predict_chunk(self, tasks: Sequence[PredictionTask]) -> list[Prediction]:
        """Predict tasks image by image; the features of images with the same models are extracted together."""
        drafts = [Draft() for _ in tasks]
        for to_name, models in self._by_image.items():
            groups, problems = group_images(tasks, self.config, to_name, models)
            for index, problem in problems.items():
                drafts[index].problem = problem
            for places, models_of_places in groups:
                for start in range(0, len(places), CHUNK):
                    self._predict_images(tasks, places[start : start + CHUNK], models_of_places, drafts)
        return [self._finish(task, draft) for task, draft in zip(tasks, drafts, strict=True)]

    def _predict_images(
        self, tasks: Sequence[PredictionTask], places: Sequence[Place], models: Sequence[ControlModel], drafts: Sequence[Draft]
    ) -> None:
        """Predict images with the same models, and add their regions to the drafts of their tasks."""
        features_of_places = dict(zip(places, self._extract_features(tasks, places, models), strict=True))
        for (index, _), features in features_of_places.items():
            drafts[index].problem = features.problem or drafts[index].problem
        for model in models:
            usable = {place: each for place, each in features_of_places.items() if each.image or model.blocks_without_image}
            predictions = attempt_together(model.predict_regions, list(usable.values()))
            for (index, image), prediction in zip(usable, predictions, strict=True):
                if isinstance(prediction, ImageError):
                    drafts[index].problem = str(prediction)
                    log.warning(
                        "event=control_not_predicted task=%d version=%s control=%s reason=%r",
                        tasks[index].id, self.version, model.control.name, str(prediction),
                    )  # fmt: skip
                    continue
                # A task whose image annotators cannot see comes last, however uncertain its prediction is.
                own = prediction if usable[index, image].image is not None else replace(prediction, confidence=None)
                drafts[index].region_predictions.append((model.control, image, own))

    def _finish(self, task: PredictionTask, draft: Draft) -> Prediction:
        prediction = attempt(partial(draft.finish, self.config, self.version))
        if not isinstance(prediction, ImageError):
            return replace(prediction, result=self._drop_invalid(prediction.result, task))
        log.warning("event=task_not_predicted task=%d version=%s reason=%r", task.id, self.version, str(prediction))
        return Prediction([], EMPTY_SCORE, self.version, str(prediction))

    def _drop_invalid(self, regions: list[dict[str, Any]], task: PredictionTask) -> list[dict[str, Any]]:
        """Return the regions that Label Studio can display; the others would break the annotator's page, and are logged."""
        valid, faults = sort_regions(regions, self.config)
        for fault in faults:
            log.error("event=region_dropped task=%d version=%s reason=%r", task.id, self.version, fault)
        return valid

    def _extract_features(
        self, tasks: Sequence[PredictionTask], places: Sequence[Place], models: Sequence[ControlModel]
    ) -> list[ImageFeatures]:
        return extract_task_features(
            self.extractor, self.config, tasks, places, models, blocks=self._blocks, version=self.version
        )
