import pytest

from tests.worlds.stages import LoopStage, ThreadStage, VirtualStage


@pytest.fixture(params=[ThreadStage, LoopStage, VirtualStage],
                ids=["threads", "loop", "virtual time"])
def stage(request):
    stage = request.param()
    yield stage
    stage.close()
