"""An attacker that sees the whole network at once: messages along its entries, in torch.

Boosting judges an entry by a row of numbers that people thought of. Here every unit has a state,
sends it along its entries, forwards and backwards, in a few rounds. An entry is then judged by its
value and the states at its two ends. So the attacker can learn what a path or a set of units has in
common. It is a gated message-passing network (Gilmer et al., arXiv 1704.01212; gates as by Li et
al., arXiv 1511.05493). It does not know the order of the units: where a layer's units are permuted,
so are the scores.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import softplus

from plantkit.networks import Network, bias_name, weight_name
from plantkit.planting.exposed import Attacker, Case, Exposed
from plantkit.planting.exposed.cases import positives
from plantkit.planting.initialization import standard_deviations

ROUNDS = 3
CHANNELS = 16
"""Numbers in a unit's state."""

CODES = 5
"""Numbers that an entry's value is seen as."""

DROPOUT = 0.2
"""Share of these that a training step does not see: otherwise the attacker learns its networks by
heart."""

BATCH = 4
LEARNING_RATE = 2e-3
WEIGHT_DECAY = 0.01
EPOCHS = 60
PATIENCE = 5
"""Epochs without a better figure on the networks held out, after which training ends."""

MODELS = 4
"""So many are trained and their log odds averaged; each has its own share of the training networks
held out, to tell when to stop."""

Batch = Mapping[str, Tensor]
"""Parameter name to (networks, ...)."""


class Messenger(nn.Module):
    """From the whitened parameters of networks of one shape to the log odds of every entry."""

    def __init__(self, spec: Network) -> None:
        super().__init__()
        self.wiring = spec.wiring
        self.start = nn.Parameter(0.1 * torch.randn(len(self.wiring.columns), CHANNELS))
        self.forwards = nn.ModuleList(_Sender() for _ in range(ROUNDS))
        self.backwards = nn.ModuleList(_Sender() for _ in range(ROUNDS))
        self.gates = nn.ModuleList(
            nn.GRUCell(2 * CHANNELS + CODES, CHANNELS) for _ in range(ROUNDS)
        )
        self.weights = nn.ModuleList(_Judge(ends=2) for _ in self.wiring.links)
        self.biases = nn.ModuleList(_Judge(ends=1) for _ in self.wiring.links)
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, whitened: Batch) -> dict[str, Tensor]:
        """Returns log odds (networks, entries) by the parameters' names."""
        links = self.wiring.links
        codes = {name: self.dropout(encode(value)) for name, value in whitened.items()}
        grids = [
            codes[weight_name(layer)].reshape(-1, *self.wiring.grid(layer), CODES)
            for layer in range(len(links))
        ]
        networks = len(grids[0])
        biased = [torch.zeros(networks, channels, CODES) for channels in self.wiring.columns]
        for layer, link in enumerate(links):
            if bias_name(layer) in codes:
                biased[link.target] = biased[link.target] + codes[bias_name(layer)]
        states = [
            start.expand(networks, channels, -1)
            for start, channels in zip(self.start, self.wiring.columns, strict=True)
        ]
        rounds = zip(self.forwards, self.backwards, self.gates, strict=True)
        for forwards, backwards, gate in rounds:
            states = self._exchange(grids, biased, states, forwards, backwards, gate)
        odds: dict[str, Tensor] = {}
        for layer, link in enumerate(links):
            source, target = states[link.source], states[link.target]
            odds[weight_name(layer)] = self.weights[layer](
                grids[layer], target[:, :, None, None], source[:, None, :, None]
            ).flatten(1)
            if bias_name(layer) in codes:
                odds[bias_name(layer)] = self.biases[layer](codes[bias_name(layer)], target)
        return odds

    def _exchange(
        self,
        grids: Sequence[Tensor],
        biased: Sequence[Tensor],
        states: Sequence[Tensor],
        forwards: nn.Module,
        backwards: nn.Module,
        gate: nn.Module,
    ) -> list[Tensor]:
        """Returns the states after one round; a shortcut passes states on as they are."""
        incoming = [torch.zeros_like(state) for state in states]
        outgoing = [torch.zeros_like(state) for state in states]
        for grid, link in zip(grids, self.wiring.links, strict=True):
            joins = grid.sum(dim=3)
            sent = forwards(joins, states[link.source])
            returned = backwards(joins.transpose(1, 2), states[link.target])
            incoming[link.target] = incoming[link.target] + sent
            outgoing[link.source] = outgoing[link.source] + returned
        for start, end in self.wiring.shortcuts:
            incoming[end] = incoming[end] + states[start]
            outgoing[start] = outgoing[start] + states[end]
        told = [torch.cat(heard, dim=-1) for heard in zip(incoming, outgoing, biased, strict=True)]
        return [
            gate(heard.flatten(0, 1), state.flatten(0, 1)).reshape(state.shape)
            for heard, state in zip(told, states, strict=True)
        ]


class _Sender(nn.Module):
    """What units hear over their entries: the sum of codes times states, of about unit size."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Linear(CHANNELS, CODES * CHANNELS)
        self.norm = nn.LayerNorm(CHANNELS)

    def forward(self, joins: Tensor, states: Tensor) -> Tensor:
        """Returns (networks, hearing, channels) of codes (networks, hearing, sending, codes)."""
        mixed: Tensor = self.mix(states).unflatten(-1, (CODES, CHANNELS))
        heard = torch.einsum("bojk,bjkc->boc", joins, mixed)
        normed: Tensor = self.norm(heard / mixed.shape[1] ** 0.5)
        return normed


class _Judge(nn.Module):
    """The log odds of entries by their codes and the states at their ends."""

    def __init__(self, ends: int) -> None:
        super().__init__()
        self.value = nn.Linear(CODES, CHANNELS)
        self.ends = nn.ModuleList(nn.Linear(CHANNELS, CHANNELS, bias=False) for _ in range(ends))
        self.out = nn.Linear(CHANNELS, 1)

    def forward(self, codes: Tensor, *states: Tensor) -> Tensor:
        seen = self.value(codes)
        for end, state in zip(self.ends, states, strict=True):
            seen = seen + end(state)
        odds: Tensor = self.out(torch.relu(seen)).squeeze(-1)
        return odds


def encode(values: Tensor) -> Tensor:
    """Returns what entries (...) in initial standard deviations are seen as: (..., `CODES`)."""
    bounded = values.clamp(-4, 4)
    size = bounded.abs()
    codes = [bounded, size - 0.8, bounded * size / 2, torch.sigmoid(size - 0.7) - 0.5]
    return torch.stack([*codes, torch.exp(-4 * size)], dim=-1)


def whiten(case: Exposed) -> dict[str, Tensor]:
    """Returns a network's parameters in initial standard deviations, (1, ...) by name."""
    deviations = standard_deviations(case.spec)
    return {
        name: torch.as_tensor(case.parameters[name] / deviations[name]).float()[None]
        for name in case.spec.shapes
    }


class MessageAttacker(Attacker):
    """Sees the whole network, and no feature that people thought of."""

    name = "messages"
    title = "a message-passing network over units and entries"

    def train(self, cases: Sequence[Case], rng: np.random.Generator) -> Messages:
        return Messages(cases, int(rng.integers(2**31)))


class Messages:
    """What has learned from planted networks of one shape.

    Args:
        cases: the networks, two or more.
        seed: the same seed gives the same attacker.
    """

    def __init__(self, cases: Sequence[Case], seed: int) -> None:
        self._strata = [name for name in cases[0].spec.shapes if any(positives(cases, name))]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            order = [cases[place] for place in torch.randperm(len(cases)).tolist()]
            shares = [order[first::MODELS] or order[:1] for first in range(MODELS)]
            self._models = [
                _train([case for case in order if case not in share], share) for share in shares
            ]

    def __call__(self, case: Exposed) -> dict[str, NDArray[np.float32]]:
        """Returns the log odds (entries,) by name, of strata that it has seen tickets in."""
        with torch.no_grad():
            found = [model(whiten(case)) for model in self._models]
        return {
            name: torch.stack([odds[name][0] for odds in found]).mean(dim=0).numpy()
            for name in self._strata
        }


def _train(cases: Sequence[Case], held_out: Sequence[Case]) -> Messenger:
    """Returns the model after the epoch in which it did best on the networks held out."""
    model = Messenger(cases[0].spec)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    lessons = [(whiten(case), _answers(case)) for case in cases]
    trials = [(whiten(case), _answers(case)) for case in held_out]
    best, lowest, waited = copy.deepcopy(model.state_dict()), math.inf, 0
    for _ in range(EPOCHS):
        model.train()
        order = torch.randperm(len(lessons)).tolist()
        for first in range(0, len(order), BATCH):
            inputs, answers = zip(*(lessons[i] for i in order[first : first + BATCH]), strict=True)
            optimizer.zero_grad()
            loss(model(_join(inputs)), _join(answers)).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        model.eval()
        with torch.no_grad():
            found = sum(float(loss(model(inputs), answers)) for inputs, answers in trials)
        waited += 1
        if found < lowest:
            best, lowest, waited = copy.deepcopy(model.state_dict()), found, 0
        if waited == PATIENCE:
            break
    model.load_state_dict(best)
    return model.eval()


def loss(odds: Batch, answers: Batch) -> Tensor:
    """Returns the mean cross entropy of strata, in each ticket and rest weighing the same.

    Strata weigh by their ticket entries, as in the figures of the audit.
    """
    total, entries = torch.zeros((), requires_grad=True), 0
    for name, found in odds.items():
        ticket = answers[name]
        if ticket.all() or not ticket.any():
            continue
        count = int(ticket.sum())
        wrong = softplus(torch.where(ticket, -found, found))
        total = total + count * (wrong[ticket].mean() + wrong[~ticket].mean())
        entries += count
    return total / max(entries, 1)


def _answers(case: Case) -> dict[str, Tensor]:
    return {name: torch.tensor(labels)[None] for name, labels in case.labels.items()}


def _join(networks: Sequence[Batch]) -> dict[str, Tensor]:
    return {name: torch.cat([one[name] for one in networks]) for name in networks[0]}
