"""Grades a submission by a rubric, and writes the grade in the forms that hosts read."""
