import pytest

from tests.worlds.stages import LoopStage, Pair, ThreadStage, VirtualStage


@pytest.fixture(params=[ThreadStage, LoopStage, VirtualStage],
                ids=["threads", "loop", "virtual time"])
def stage(request):
    stage = request.param()
    yield stage
    stage.close()


@pytest.fixture
def pair(stage):
    """Two nodes of the stage, and a link between them that `a` has dialled."""
    return Pair(stage)
