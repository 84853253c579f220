"""The one trainer and the one evaluation, for many runs of one network at once.

All runs share a leading axis. Masks are enforced in every step: a pruned parameter starts at
zero, its gradient is set to zero, and so it never moves. Runs are independent: on one machine
a run's result on the CPU, to the last bit, depends on its own start, mask and seed only, not
on the runs that train beside it. On a GPU, and for convolutional networks anywhere, it does so
up to rounding: there the runs are the groups of one convolution.

Idle units of perceptrons (`networks.connectivity.trainable_units`) are cut away before training
and put back afterwards, which is exact and makes very sparse runs cheap. A network whose hidden
units are all idle has a constant output and trains its output biases alone.

`recipe` holds what goes in, `cutting` the idle units, `groups` which runs train in one batch,
`gradients` the two ways to backpropagate, `engine` the steps, `trainer` the rest.
"""

from plantkit.networks.training.cutting import ALIGNMENT
from plantkit.networks.training.engine import StepHook
from plantkit.networks.training.groups import (
    BATCH_PARAMETERS,
    Device,
    Group,
    Workload,
    plan,
    plan_groups,
)
from plantkit.networks.training.recipe import Recipe, Run, Samples, data_order
from plantkit.networks.training.trainer import (
    EVALUATION_BATCH,
    evaluate,
    single_threaded,
    trace,
    train,
    train_group,
)

__all__ = [
    "ALIGNMENT",
    "BATCH_PARAMETERS",
    "EVALUATION_BATCH",
    "Device",
    "Group",
    "Recipe",
    "Run",
    "Samples",
    "StepHook",
    "Workload",
    "data_order",
    "evaluate",
    "plan",
    "plan_groups",
    "single_threaded",
    "trace",
    "train",
    "train_group",
]
