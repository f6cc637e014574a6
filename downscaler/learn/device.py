"""Checks that XGBoost can train on the requested device; it would silently use another."""

from __future__ import annotations

import json

import numpy as np
import xgboost as xgb

from downscaler.errors import TrainingDeviceError


def require_device(device: str) -> None:
    """Check that training runs on ``device`` ("cpu", "cuda" or "cuda:N").

    XGBoost without a GPU, or built without CUDA (xgboost-cpu, which vadose installs), trains on the CPU and merely
    warns; so a tree is grown on two rows and its booster is asked where that was.

    Raises:
        TrainingDeviceError: it does not.
    """
    kind, _, number = device.partition(":")
    if kind not in ("cpu", "cuda") or (number and not (kind == "cuda" and number.isdigit())):
        raise TrainingDeviceError("Unknown device", value=device, allowed=("cpu", "cuda", "cuda:N"))
    if kind == "cpu":
        return
    if not xgb.build_info().get("USE_CUDA", False):
        raise TrainingDeviceError(
            "XGBoost is installed without CUDA and cannot train on a GPU",
            value=f"device {device}, XGBoost {xgb.__version__}",
            allowed="cpu",
            remedy='Use device "cpu", or install the package xgboost in place of xgboost-cpu.',
        )
    found = _device_of_a_tree(device)
    if not found.startswith("cuda"):
        raise TrainingDeviceError(
            "XGBoost cannot use this GPU",
            value=device,
            allowed="cpu",
            remedy=f"XGBoost reports: {found}. Check nvidia-smi.",
        )


def _device_of_a_tree(device: str) -> str:
    """Where XGBoost grows a tree when asked for a device, or its complaint."""
    rows = xgb.DMatrix(np.zeros((2, 1)), label=np.zeros(2))
    try:
        booster = xgb.train({"device": device, "tree_method": "hist", "verbosity": 0}, rows, 1)
    except xgb.core.XGBoostError as error:
        return str(error).splitlines()[0]
    return str(json.loads(booster.save_config())["learner"]["generic_param"]["device"])
