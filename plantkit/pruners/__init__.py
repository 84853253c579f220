"""What a pruner is and what it works with: problems, a base class, selection and schedules."""
