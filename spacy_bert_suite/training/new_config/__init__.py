"""Configs that train well at once: `python -m spacy bert init-config`."""

from .build import make_text, write
from .plan import Plan, Request, make_plan
from .task import Rate, TaskConfig

__all__ = ["Plan", "Rate", "Request", "TaskConfig", "make_plan", "make_text", "write"]
