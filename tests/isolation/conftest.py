"""Tests of isolation start servers as users do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from warm_servers import WarmServers


@pytest.fixture(autouse=True, scope="module")
def cold_servers(warm_servers: WarmServers | None) -> Iterator[None]:
    """Undoes what `warm_servers` does to pools."""
    if warm_servers is None:
        yield
        return
    from plantkit.isolation.backends.process import ChildProcess

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ChildProcess, "start_processes", warm_servers.start)
        yield
