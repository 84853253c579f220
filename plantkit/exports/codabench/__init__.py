"""Competition bundles for Codabench, and the programs that run in its containers.

The ingestion container sees the public half of the challenges and the submission; it runs the
submission and writes masks. The scoring container sees masks and truth, and no submission.
"""
