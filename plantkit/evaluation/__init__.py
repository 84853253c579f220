"""One evaluation: who takes part, what is run where, and what is remembered of it."""
