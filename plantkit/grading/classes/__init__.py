"""Grades what a whole class handed in, and keeps who got what when."""
