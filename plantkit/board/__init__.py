"""The board of a contest: teams, their submissions, what counts, and the pages that show it.

It is one SQLite file, which keeps the results of every submission with its masks. So it can be
ranked anew at any time, and checked by anybody once the tickets are published.
"""
