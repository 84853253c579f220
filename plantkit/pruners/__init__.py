"""What a pruner is, and what it is given: the problem, base class, exact selection, schedules."""
