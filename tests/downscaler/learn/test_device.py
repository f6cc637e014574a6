"""A GPU that is asked for and not there is refused, where XGBoost alone would quietly take the CPU."""

from dataclasses import replace

import pytest
import xgboost as xgb

from downscaler.errors import ModelError, TrainingDeviceError
from downscaler.ground.grid import M09
from downscaler.learn.device import require_device
from downscaler.learn.training import train

BUILT_FOR_GPU = bool(xgb.build_info().get("USE_CUDA", False))


def test_the_cpu_is_always_there():
    require_device("cpu")


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cpu:1", ""])
def test_an_unknown_device_is_refused(device):
    with pytest.raises(TrainingDeviceError, match="cuda:N"):
        require_device(device)


@pytest.mark.skipif(BUILT_FOR_GPU, reason="XGBoost is built for GPUs here")
@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
def test_xgboost_without_cuda_is_refused_with_what_to_install(device):
    with pytest.raises(TrainingDeviceError, match=f"device {device}.*xgboost-cpu") as refused:
        require_device(device)
    assert isinstance(refused.value, ModelError)
    assert refused.value.exit_code == 34


@pytest.mark.skipif(BUILT_FOR_GPU, reason="XGBoost is built for GPUs here")
def test_training_on_a_gpu_that_is_not_there_is_refused_before_any_row_is_drawn(chain):
    with pytest.raises(TrainingDeviceError):
        train(chain.prior, grids=[M09], options=replace(chain.options, device="cuda"))
