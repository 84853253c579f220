"""What a planted network shows to somebody who has its parameters and no data, and who attacks it.

The audit (`plantkit.research.audit`) trains attackers on networks whose tickets are known, and
lets them loose on others. A new attacker is a subclass of `Attacker`.
"""

from __future__ import annotations

from plantkit.planting.exposed.attacker import Attacker, Scorer, Scores
from plantkit.planting.exposed.cases import Case, Exposed

__all__ = ["Attacker", "Case", "Exposed", "Scorer", "Scores"]
