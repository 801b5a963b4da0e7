"""Would it have been seen, when, and how much would have gone? Dumps and truth in, measures out."""

from detector.evaluate.evaluation import EvaluateSettings, Evaluation, evaluate, render
from detector.evaluate.scored import Detector, Scored
from detector.evaluate.truth import Truth, read_truth

__all__ = ["Detector", "EvaluateSettings", "Evaluation", "Scored", "Truth", "evaluate", "read_truth", "render"]
