"""What people hand in: a file, a notebook, a folder, a zip or standard input.

A submission is read here without running any of it, within bounds, into the files that it consists
of. `loading` imports these files, in the child process alone.
"""
