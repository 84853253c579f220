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

from plantkit.challenges.bundles import Challenge
from plantkit.errors import UsageError
from plantkit.networks import PerceptronSpec, bias_name, weight_name
from plantkit.networks.perceptron import reached_units, reaching_units
from plantkit.networks.training import Samples, single_threaded

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
    spare: entries that were dropped together and lost at most the tolerance.
    spare_without_loss: likewise without any loss.
    """

    effort: Effort
    entries: tuple[EntryLosses, ...]
    screened: int
    spare: int
    spare_without_loss: int

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
    generator = torch.Generator().manual_seed(int(challenge.digest[:12], 16))
    with torch.no_grad(), single_threaded():
        ticket = _Ticket(challenge)
        judged = _Judged(challenge, ticket)
        screening = _first(challenge.train, effort.screening)
        few = ticket.traced(screening)
        found: list[EntryLosses] = []
        screened = 0
        for done, (layer, row, column) in enumerate(ticket.entries, start=1):
            out = torch.tensor([[row, column]])
            candidates = ticket.live[layer]
            if len(candidates) > effort.candidates:
                drawn = torch.randperm(len(candidates), generator=generator)
                candidates = candidates[drawn[: effort.candidates]]
            best = ticket.screen(few, screening, layer, out, candidates)[: effort.measured]
            is_bias = column == ticket.widths[layer]
            screened += len(candidates)
            found.append(
                EntryLosses(
                    parameter=bias_name(layer) if is_bias else weight_name(layer),
                    row=int(ticket.units[layer + 1][row]),
                    column=None if is_bias else int(ticket.units[layer][column]),
                    effect=judged.effect(layer, out),
                    dropped=judged.losses(layer, out, None)[0],
                    exchanged=tuple(judged.losses(layer, out, best)) if len(best) else (),
                )
            )
            progress(f"{challenge.id}: exchanging entries", done, len(ticket.entries))
        alone = [(entry.dropped, place) for entry, place in zip(found, ticket.entries, strict=True)]
        return Neighbourhood(
            effort=effort,
            entries=tuple(found),
            screened=screened,
            spare=judged.spare(alone, effort.tolerance),
            spare_without_loss=judged.spare(alone, NO_LOSS),
        )


#: Layer, row and column of an entry; the column after the last is the bias.
_Place = tuple[int, int, int]
#: (count, 2): row and column of entries of one layer.
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
        small = PerceptronSpec(widths=tuple(self.widths))
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

    def traced(self, data: Samples, *, without: Sequence[_Place] = ()) -> _Trace:
        """Returns what goes through the ticket less some entries."""
        left = [values.clone() for values in self._masked]
        for layer, row, column in without:
            left[layer][row, column] = 0
        sources, preactivations = [], []
        below = data.inputs
        for values in left:
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
        left = self._masked[layer][row].clone()
        left[column] = 0
        base = trace.preactivations[layer].clone()
        base[:, row] = source @ left  # to take it from the sum would leave rounding errors
        changed = base.unsqueeze(0)
        if into is not None:
            rows, columns = into.unbind(dim=1)
            changed = changed.repeat(len(into), 1, 1)
            added = (source[:, columns] * self._values[layer][rows, columns]).T
            changed[torch.arange(len(into)), :, rows] += added
        for values in self._masked[layer + 1 :]:
            changed = functional.linear(torch.relu_(changed), values[:, :-1], values[:, -1])
        return changed

    def screen(
        self, trace: _Trace, data: Samples, layer: int, out: _Places, candidates: _Places
    ) -> _Places:
        """Returns `candidates`, the exchange that performs best on `data` first.

        Of equal performance, the one that changes the outputs least comes first.
        """
        if not len(candidates):
            return candidates
        accuracies, changes = [], []
        for into in torch.split(candidates, _AT_ONCE):
            outputs = self.outputs(trace, layer, out, into)
            factors = self._task.output_factors(outputs, data.targets)
            accuracies.append(self._task.accuracy(outputs * factors.unsqueeze(1), data.targets))
            changes.append((outputs - trace.outputs).square().sum(dim=(1, 2)))
        nearest = torch.cat(changes).argsort(stable=True)
        reached = torch.cat(accuracies).nan_to_num(nan=-torch.inf)
        best = reached[nearest].argsort(stable=True, descending=True)
        return candidates[nearest[best]]


class _Judged:
    """Tickets next to a ticket, measured as scoring measures."""

    def __init__(self, challenge: Challenge, ticket: _Ticket) -> None:
        self._challenge = challenge
        self._ticket = ticket
        self._training = ticket.traced(challenge.train)
        self._test = ticket.traced(challenge.truth.test)
        self._whole = self._performances(
            self._training.outputs.unsqueeze(0), self._test.outputs.unsqueeze(0)
        )
        outputs = self._test.outputs.double()
        self._deviations = (outputs - outputs.mean(dim=0)).square().sum()

    def losses(self, layer: int, out: _Places, into: _Places | None) -> list[float]:
        """Returns what the ticket less `out` loses with each of `into`; see `_Ticket.outputs`."""
        return self._losses(
            self._ticket.outputs(self._training, layer, out, into),
            self._ticket.outputs(self._test, layer, out, into),
        )

    def effect(self, layer: int, out: _Places) -> float:
        """Returns the change of the outputs without `out`, over their standard deviation."""
        outputs = self._ticket.outputs(self._test, layer, out, None)[0]
        changes = (outputs - self._test.outputs).double().square().sum()
        return float((changes / self._deviations).sqrt())

    def spare(self, alone: Sequence[tuple[float, _Place]], most: float) -> int:
        """Returns how many entries were dropped together and lost at most `most`.

        alone: what each entry loses when it is dropped alone, and where it is.
        """
        dropped: list[_Place] = []
        for loss, place in sorted(alone):
            if loss > most:
                break
            tried = [*dropped, place]
            [together] = self._losses(
                self._ticket.traced(self._challenge.train, without=tried).outputs.unsqueeze(0),
                self._ticket.traced(self._challenge.truth.test, without=tried).outputs.unsqueeze(0),
            )
            if together <= most:
                dropped = tried
        return len(dropped)

    def _losses(self, training: Tensor, test: Tensor) -> list[float]:
        lost = self._whole - self._performances(training, test)
        shares = lost / (self._whole - self._challenge.trivial)
        return [float(share) for share in shares.nan_to_num(_MOST_LOSS).clamp(max=_MOST_LOSS)]

    def _performances(self, training: Tensor, test: Tensor) -> Tensor:
        """Returns the test performance (count,) of outputs (count, n, d_out) on both data."""
        challenge = self._challenge
        factors = challenge.task.output_factors(training, challenge.train.targets)
        targets = challenge.truth.test.targets
        return challenge.task.accuracy(test * factors.unsqueeze(1), targets)


def _touched_units(spec: PerceptronSpec, ticket: Mapping[str, Tensor]) -> list[Tensor]:
    """Returns the units of each layer of neurons that an entry leads to or from.

    All inputs and outputs are among them.
    """
    units = [torch.arange(spec.inputs)]
    for layer in spec.layers[:-1]:
        fed = ticket[weight_name(layer)].any(dim=1) | ticket[bias_name(layer)]
        read = ticket[weight_name(layer + 1)].any(dim=0)
        units.append((fed | read).nonzero().squeeze(1))
    return [*units, torch.arange(spec.outputs)]


def _first(data: Samples, count: int) -> Samples:
    return Samples(inputs=data.inputs[:count], targets=data.targets[:count])
