"""Challenge bundles on disk: their manifest, files and keys, and how new ones are drafted."""
