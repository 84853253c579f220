"""The registry of attackers. A new one is a new file and one line here, or a plugin's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from plantkit.errors import PluginError, UnknownNameError
from plantkit.planting.exposed import Attacker
from plantkit.planting.exposed.features import GROUPS
from plantkit.research.audit.joint import JointAttacker
from plantkit.research.audit.learners import BOLD, CAUTIOUS, SECOND_ORDER, LearnedAttacker
from plantkit.research.audit.messages import MessageAttacker
from plantkit.research.audit.position import PositionAttacker
from plantkit.research.audit.singles import SingleAttacker

_LEARNED = (
    LearnedAttacker(name="boosting", title="trees that learn strong leaks", learner=BOLD),
    LearnedAttacker(
        name="cautious boosting", title="trees that learn weak, smooth leaks", learner=CAUTIOUS
    ),
    LearnedAttacker(
        name="second order", title="products of an entry and what is around", learner=SECOND_ORDER
    ),
)

#: Those of the kit. Who builds on others comes after them.
ATTACKERS: tuple[Attacker, ...] = (
    *_LEARNED,
    JointAttacker(builds_on=tuple(one.name for one in _LEARNED)),
    MessageAttacker(),
    PositionAttacker(),
    *(
        SingleAttacker(name=group, title=f"the best single feature of {group}")
        for group in dict.fromkeys(GROUPS.values())
    ),
)


#: The row of an audit that stands for all attackers.
STRONGEST = "strongest"


def choose_attackers(
    names: Iterable[str] = (),
    others: Sequence[Attacker] = (),
    *,
    warn: Callable[[object], None] = lambda _: None,
) -> tuple[Attacker, ...]:
    """Returns the attackers of these names, and those that they build on, in order; all if none.

    Args:
        others: attackers besides the kit's, such as plugins'.
        warn: called with what is wrong with one of these, which is left out.

    Raises:
        UnknownNameError: a name is unknown, of these or of those that an attacker builds on.
    """
    known = {one.name: one for one in ATTACKERS}
    for one in others:
        if one.name in known or one.name == STRONGEST:
            warn(PluginError(f"attacker {one.name}", "the name is one of plantkit's own"))
        else:
            known[one.name] = one
    chosen: dict[str, Attacker | None] = {}

    def add(name: str) -> None:
        if name in chosen:
            return
        if name not in known:
            raise UnknownNameError("attacker", name, known, hint="see: plantkit list attackers")
        chosen[name] = None  # two that build on each other end here
        for needed in known[name].builds_on:
            add(needed)
        del chosen[name]
        chosen[name] = known[name]

    named = list(names)
    for name in named or known:
        try:
            add(name)
        except UnknownNameError as error:
            if named:
                raise
            warn(PluginError(f"attacker {name}", str(error)))
    return tuple(one for one in chosen.values() if one is not None)


def is_of_the_kit(attacker: Attacker) -> bool:
    """Returns whether an attacker ships with plantkit."""
    return any(attacker is one for one in ATTACKERS)
