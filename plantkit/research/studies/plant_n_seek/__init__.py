"""`plant-n-seek`: the experiments of "Plant 'n' Seek" (arXiv 2111.11153), ICLR 2022."""

from __future__ import annotations

from plantkit.research.studies.plant_n_seek.study import PlantNSeek

STUDY = PlantNSeek()
