"""What a validation has found, as its folder tells it."""


def entry(value):
    return {"value": value, "low": value - 0.01, "high": value + 0.01}


def document(**changes):
    figures = {name: entry(0.05) for name in ("bias", "rmsd", "ubrmsd", "r")}
    return {
        "period": ["2015-04-01", "2015-04-30"],
        "sites": 7,
        "stations": 8,
        "networks": ["SCAN", "USCRN"],
        "pairs": 120,
        "simulated": False,
        "notes": ["The prior has no data of 3 of 30 days; its climatology stands in for it there."],
        "estimates": {"product": figures, "smap": figures},
        "gains": {"smap": {name: entry(0.01) for name in ("rmsd", "ubrmsd", "r", "share_rmsd")}},
        "representativeness": {"refused": "no prior"},
    } | changes
