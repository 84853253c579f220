"""From a rubric and a submission to a grade, and from a grade to what grading hosts read."""
