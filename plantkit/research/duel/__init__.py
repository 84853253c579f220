"""The duel: planters, who hide tickets, against seekers, who look for them.

A planter is a family and a way to plant it. A seeker is a pruner, who has the training data, or an
attacker of the audit, who has none but has seen other networks planted likewise. All of them meet
on instances that nobody saw before. `plantkit evaluate` and `plantkit audit` do the work.
"""
