"""Challenge bundles on disk: reading, checking, sealing and finding them, and making new ones."""
