"""`plant-n-seek`: the experiments of "Plant 'n' Seek" (arXiv 2111.11153), ICLR 2022."""
