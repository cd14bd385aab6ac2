"""Tasks, one file each: what a network is trained for, and how it is scored.

A task is registered by `@task("name")`: a class that is built from the data, the recipe and the run of a trial, and
that implements `scaling.training.task.Task`.
"""

from collections.abc import Callable
from typing import TypeAlias, TypeVar

from scaling.data import Dataset
from scaling.study.config import Recipe
from scaling.study.registry import Registry
from scaling.training.task import Task
from scaling.training.training_run import TrainingRun

TaskFactory: TypeAlias = Callable[[Dataset, Recipe, TrainingRun], Task]
Factory = TypeVar("Factory", bound=TaskFactory)

TASKS: Registry[TaskFactory] = Registry("task", "scaling.tasks")


def task(name: str) -> Callable[[Factory], Factory]:
    """Register a task under `name`; to be used as a decorator."""

    def register(factory: Factory) -> Factory:
        TASKS.add(name, factory, module=factory.__module__)
        return factory

    return register
