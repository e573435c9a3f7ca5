"""Which filler fills a control: by its tag, and by what is trained for it."""

from __future__ import annotations

from collections.abc import Sequence

from backend.heads.classification.decision_tree import DecisionTree
from backend.heads.classification.morphology import Morphology
from backend.heads.detection.detection import Detection
from backend.heads.detection.fcos.detector import LearnedDetector
from backend.heads.regression import Parameters
from backend.heads.segmentation.prompted_masks import PromptedMasks
from backend.prediction.control_models.classes import ClassFiller
from backend.prediction.control_models.control_model import Filler
from backend.prediction.control_models.numbers import NumberFiller
from backend.prediction.control_models.objects import ObjectFiller
from backend.prediction.control_models.shared import shared_objects
from backend.prediction.project_heads import ProjectHeads
from sync.labelling.config import Control
from sync.labelling.matching import match_labels

__all__ = ["fillers_of"]


def fillers_of(
    controls: Sequence[Control],
    heads: ProjectHeads,
    *,
    base: Morphology,
    masks: PromptedMasks,
    detector: LearnedDetector | None = None,
) -> list[Filler]:
    """Choose the filler of each control; those that nothing can be said of yet are left out."""
    fillers: list[Filler] = []
    shared = shared_objects(controls, heads)
    for control in controls:
        head = heads.filling.get(control.name)
        if control.tag in ("Choices", "Taxonomy"):
            trained = head if isinstance(head, (Morphology, DecisionTree)) else None
            if trained or match_labels(base.classes, control):
                fillers.append(ClassFiller(control, trained, base))
        elif control.tag == "Number":
            if isinstance(head, Parameters):
                fillers.append(NumberFiller(control, head))
        elif control.labels:
            source = shared.get(control.name)
            owner = source.owner if source else control
            learned = heads.filling.get(owner.name)
            labels = tuple(label.value for label in owner.labels)
            finder = learned if isinstance(learned, Detection) else Detection.base(labels, detector=detector)
            fillers.append(ObjectFiller(control, finder, masks, shared=source))
    return fillers
