"""The tickets next to the planted one: an entry less, or one entry exchanged for another.

An exchange takes one entry out of the ticket and puts one parameter of the same layer, weight or
bias, in its place. Only *live* parameters are tried: those that the ticket leads to and that lead
on to an output. Any other changes nothing, so that such an exchange is the entry's removal.

For every entry a bounded random sample of live parameters is screened, each exchange by its
performance on a few training samples; the best of them are measured as scoring measures: one
factor an output from all training data, performance on the test data. So shares and counts of
exchanges are lower bounds.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from plantkit.bundles import Challenge
from plantkit.errors import UsageError
from plantkit.networks import NetworkSpec, bias_name, weight_name
from plantkit.networks.mlp import reached_units, reaching_units
from plantkit.training import Samples, single_threaded

#: Share of the ticket's gain below which a difference is rounding.
NO_LOSS = 1e-6
#: What stands for more than that, and for the loss of outputs that are no numbers.
_MOST_LOSS = 1e12
#: Exchanges evaluated at once: what they need stays in a core's cache.
_AT_ONCE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How far the neighbourhood is searched.

    tolerance: the share of the ticket's gain over the constant predictor, in (0, 1), that an
        alternative may lose and still count as good.
    candidates: live parameters that are screened for every entry, at most.
    measured: of these, how many are measured on all data.
    screening: training samples to screen on, at most.

    Raises:
        UsageError: a value out of range.
    """

    tolerance: float = 0.01
    candidates: int = 4096
    measured: int = 32
    screening: int = 512

    def __post_init__(self) -> None:
        if not 0 < self.tolerance < 1:
            raise UsageError(f"tolerance is {self.tolerance}; expected a number within 0 and 1")
        for name in ("candidates", "measured", "screening"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} is {getattr(self, name)}; expected 1 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryLosses:
    """What becomes of the ticket without one entry.

    Losses are shares of the ticket's gain over the constant predictor in strong performance;
    below 0 where it does better.

    parameter, row, column: where the entry is; a bias has column None.
    effect: root mean square by which the outputs on the test data change when it is dropped, in
        their standard deviations.
    dropped: lost when it is dropped.
    exchanged: lost by each measured exchange, the best on the screening samples first.
    """

    parameter: str
    row: int
    column: int | None
    effect: float
    dropped: float
    exchanged: tuple[float, ...]

    def is_droppable(self, most: float) -> bool:
        """Returns whether dropping it loses at most `most`."""
        return self.dropped <= most

    def is_exchangeable(self, most: float) -> bool:
        """Returns whether an exchange loses at most `most`, be it for a parameter that does
        nothing."""
        return self.dropped <= most or any(loss <= most for loss in self.exchanged)


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbourhood:
    """What the search around a ticket found, entry by entry.

    screened: exchanges that were screened.
    """

    effort: Effort
    entries: tuple[EntryLosses, ...]
    screened: int

    @property
    def measured(self) -> int:
        return sum(len(entry.exchanged) for entry in self.entries)

    @property
    def smallest_effect(self) -> float:
        return min(entry.effect for entry in self.entries)

    @property
    def smallest_loss(self) -> float:
        return min(entry.dropped for entry in self.entries)

    @property
    def median_loss(self) -> float:
        return statistics.median(entry.dropped for entry in self.entries)

    def droppable(self, most: float) -> float:
        """Returns the share of entries that can be dropped alone and lose at most `most`."""
        return statistics.fmean(entry.is_droppable(most) for entry in self.entries)

    def exchangeable(self, most: float) -> float:
        """Returns the share of entries that an exchange, or dropping, loses at most `most` of."""
        return statistics.fmean(entry.is_exchangeable(most) for entry in self.entries)

    def tickets(self, most: float) -> int:
        """Returns how many measured exchanges lose at most `most`.

        Each is a mask of its own, as sparse as the ticket and with all but one of its entries.
        """
        return sum(loss <= most for entry in self.entries for loss in entry.exchanged)


def explore(
    challenge: Challenge,
    effort: Effort | None = None,
    *,
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> Neighbourhood:
    """Returns what becomes of the planted ticket when entries are dropped or exchanged.

    The same challenge and effort give the same figures.

    Raises:
        UsageError: the ticket keeps nothing.
    """
    effort = Effort() if effort is None else effort
    ticket = _Ticket(challenge)
    training, test = challenge.train, challenge.truth.test
    screening = Samples(
        inputs=training.inputs[: effort.screening], targets=training.targets[: effort.screening]
    )
    generator = torch.Generator().manual_seed(int(challenge.digest[:12], 16))
    found: list[EntryLosses] = []
    screened = 0
    with torch.no_grad(), single_threaded():
        few, all_training, tested = (ticket.traced(data) for data in (screening, training, test))

        def losses(layer: int, out: _Places, into: _Places | None) -> list[float]:
            factors = ticket.factors(all_training, training, layer, out, into)
            outputs = ticket.outputs(tested, layer, out, into)
            reached = challenge.task.performance(outputs * factors.unsqueeze(1), test.targets)
            lost = (whole - reached) / (whole - challenge.trivial)
            return [float(loss) for loss in lost.nan_to_num(nan=_MOST_LOSS).clamp(max=_MOST_LOSS)]

        everything = challenge.task.output_factors(
            all_training.outputs.unsqueeze(0), training.targets
        )
        exact = tested.outputs.unsqueeze(0) * everything.unsqueeze(1)
        whole = challenge.task.performance(exact, test.targets)
        spread = (tested.outputs - tested.outputs.mean(dim=0)).double().square().sum()
        for done, (layer, row, column) in enumerate(ticket.entries, start=1):
            out = torch.tensor([[row, column]])
            dropped = ticket.outputs(tested, layer, out, None)[0]
            change = (dropped - tested.outputs).double().square().sum()
            candidates = ticket.live[layer]
            if len(candidates) > effort.candidates:
                drawn = torch.randperm(len(candidates), generator=generator)
                candidates = candidates[drawn[: effort.candidates]]
            best = ticket.screen(few, screening, layer, out, candidates)[: effort.measured]
            screened += len(candidates)
            found.append(
                EntryLosses(
                    parameter=weight_name(layer)
                    if column < ticket.widths[layer]
                    else bias_name(layer),
                    row=int(ticket.units[layer + 1][row]),
                    column=int(ticket.units[layer][column])
                    if column < ticket.widths[layer]
                    else None,
                    effect=float((change / spread).sqrt()),
                    dropped=losses(layer, out, None)[0],
                    exchanged=tuple(losses(layer, out, best)) if len(best) else (),
                )
            )
            progress(f"{challenge.id}: exchanging entries", done, len(ticket.entries))
    return Neighbourhood(effort=effort, entries=tuple(found), screened=screened)


#: (count, 2): row and column of entries of one layer; the column after the last is the bias.
_Places = Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trace:
    """What goes through the ticket for some samples.

    sources: (n, in + 1) a layer, the last column all ones. preactivations: (n, out) a layer.
    """

    sources: Sequence[Tensor]
    preactivations: Sequence[Tensor]

    @property
    def outputs(self) -> Tensor:
        return self.preactivations[-1]


class _Ticket:
    """A ticket on the units that it touches: no other unit is more than zero.

    Attributes:
        units: those units, of each layer of neurons.
        widths: their numbers.
        entries: layer, row and column of each of its entries, in the order of the network.
        live: (count, 2) a layer, the parameters outside of it that can make a difference.
    """

    def __init__(self, challenge: Challenge) -> None:
        spec, ticket = challenge.network, challenge.truth.ticket
        if not ticket.kept:
            raise UsageError(f"the ticket of {challenge.id!r} keeps nothing; there is no other")
        self._task = challenge.task
        self.units = _touched_units(spec, ticket)
        self.widths = [len(units) for units in self.units]
        self._values: list[Tensor] = []  # (out, in + 1) a layer, the bias last
        kept: list[Tensor] = []
        for layer in spec.layers:
            rows, columns = self.units[layer + 1], self.units[layer]
            for values, tensors in ((self._values, challenge.weights), (kept, ticket)):
                weights = tensors[weight_name(layer)][rows][:, columns]
                biases = tensors[bias_name(layer)][rows]
                values.append(torch.cat([weights, biases.unsqueeze(1)], dim=1))
        self._masked = [value * mask for value, mask in zip(self._values, kept, strict=True)]
        self.entries = [
            (layer, int(row), int(column))
            for layer, mask in enumerate(kept)
            for row, column in mask.nonzero()
        ]
        small = NetworkSpec(widths=tuple(self.widths))
        masks = {}
        for layer, mask in enumerate(kept):
            masks[weight_name(layer)] = mask[:, :-1].unsqueeze(0)
            masks[bias_name(layer)] = mask[:, -1].unsqueeze(0)
        reached = reached_units(small, masks, biases_feed=True)
        reaching = reaching_units(small, masks)
        always = torch.ones(1, dtype=torch.bool)
        self.live = [
            (
                reaching[layer + 1][0].unsqueeze(1)
                & torch.cat([reached[layer][0], always])
                & ~mask
                & (self._values[layer] != 0)
            ).nonzero()
            for layer, mask in enumerate(kept)
        ]

    def traced(self, data: Samples) -> _Trace:
        sources, preactivations = [], []
        below = data.inputs
        for values in self._masked:
            source = torch.cat([below, below.new_ones(len(below), 1)], dim=1)
            sources.append(source)
            preactivations.append(source @ values.T)
            below = torch.relu(preactivations[-1])
        return _Trace(sources=sources, preactivations=preactivations)

    def outputs(self, trace: _Trace, layer: int, out: _Places, into: _Places | None) -> Tensor:
        """Returns outputs (count, n, d_out) of the ticket less `out`, each with one of `into`.

        out: (1, 2), an entry. into: (count, 2), parameters; None for none, a count of 1.
        """
        source = trace.sources[layer]
        [[row, column]] = out.tolist()
        base = trace.preactivations[layer].clone()
        base[:, row] -= self._values[layer][row, column] * source[:, column]
        changed = base.unsqueeze(0)
        if into is not None:
            rows, columns = into.unbind(dim=1)
            changed = changed.repeat(len(into), 1, 1)
            added = (source[:, columns] * self._values[layer][rows, columns]).T
            changed[torch.arange(len(into)), :, rows] += added
        for values in self._masked[layer + 1 :]:
            changed = functional.linear(torch.relu_(changed), values[:, :-1], values[:, -1])
        return changed

    def factors(
        self, trace: _Trace, data: Samples, layer: int, out: _Places, into: _Places | None
    ) -> Tensor:
        return self._task.output_factors(self.outputs(trace, layer, out, into), data.targets)

    def screen(
        self, trace: _Trace, data: Samples, layer: int, out: _Places, candidates: _Places
    ) -> _Places:
        """Returns `candidates`, the exchange that performs best on `data` first.

        Of equal performance, the one that changes the outputs least comes first.
        """
        if not len(candidates):
            return candidates
        performances, changes = [], []
        for into in torch.split(candidates, _AT_ONCE):
            outputs = self.outputs(trace, layer, out, into)
            factors = self._task.output_factors(outputs, data.targets)
            performances.append(
                self._task.performance(outputs * factors.unsqueeze(1), data.targets)
            )
            changes.append((outputs - trace.outputs).square().sum(dim=(1, 2)))
        nearest = torch.cat(changes).argsort(stable=True)
        best = torch.cat(performances)[nearest].argsort(stable=True, descending=True)
        return candidates[nearest[best]]


def _touched_units(spec: NetworkSpec, ticket: Mapping[str, Tensor]) -> list[Tensor]:
    """Returns the units of each layer of neurons that an entry leads to or from.

    All inputs and outputs are among them.
    """
    units = [torch.arange(spec.inputs)]
    for layer in spec.layers[:-1]:
        fed = ticket[weight_name(layer)].any(dim=1) | ticket[bias_name(layer)]
        read = ticket[weight_name(layer + 1)].any(dim=0)
        units.append((fed | read).nonzero().squeeze(1))
    return [*units, torch.arange(spec.outputs)]
