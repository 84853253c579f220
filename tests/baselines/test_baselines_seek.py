"""Seek: its model against differences of losses, exact answers, and an effort that it keeps to."""

from __future__ import annotations

import time

import pytest
import torch
from builders import plain_problem, tiny_problem
from plantkit_baselines.seek import Classes, Regression, Search, SeekPruner

from plantkit import ConvolutionSpec, FrozenNetwork, Problem, Samples
from plantkit.networks.tasks import make_task
