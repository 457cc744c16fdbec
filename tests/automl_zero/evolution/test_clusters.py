"""The same search on clusters: Ray with a machine that is lost, and Dask."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from automl_zero.evolution import ProgramSearch, SearchResult
from automl_zero.evolution.executors import RayExecutor
from tests.automl_zero.evolution.test_kill_and_resume import assert_same_run
from tests.killed_search import config, search

pytestmark = pytest.mark.slow

STORE = 80 * 2**20  # bytes; the least that Ray takes is 75 MiB


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> SearchResult:
    """The search in this thread."""
    return search(tmp_path_factory.mktemp("whole") / "run")


def test_a_ray_cluster_that_loses_a_machine_makes_the_same_run(
    whole: SearchResult, tmp_path: Path
) -> None:
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    machine = {"num_cpus": 1, "object_store_memory": STORE, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=machine)
    removed: list[Any] = []

    def remove_a_machine() -> bool:
        """Polled by the search: takes a machine away in the middle, and never stops it."""
        checkpoints = list((tmp_path / "run" / "checkpoints").glob("*.arrow"))
        if not removed and any(int(path.stem) >= 10 for path in checkpoints):
            removed.append(cluster.worker_nodes.copy().pop())
            cluster.remove_node(removed[0], allow_graceful=False)
        return False

    try:
        for _ in range(2):
            cluster.add_node(**machine)
        with RayExecutor(cluster.address) as executor:
            ProgramSearch(config()).run(
                tmp_path / "run",
                executor=executor,
                should_stop=remove_a_machine,
                checkpoint_seconds=0,
            )
    finally:
        cluster.shutdown()
    assert removed
    assert_same_run(whole, tmp_path / "run")


def test_dask_makes_the_same_run(whole: SearchResult, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            processes=True,
            n_workers=2,
            threads_per_worker=1,
            dashboard_address=None,
            silence_logs="CRITICAL",
        ) as cluster,
        distributed.Client(cluster) as client,
        client.get_executor(pure=False) as executor,
    ):
        search(tmp_path / "run", executor)
    assert_same_run(whole, tmp_path / "run")
