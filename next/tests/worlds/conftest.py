import pytest

from tests.worlds.stages import ThreadStage, VirtualStage


@pytest.fixture(params=[ThreadStage, VirtualStage], ids=["threads", "virtual time"])
def stage(request):
    stage = request.param()
    yield stage
    stage.close()
