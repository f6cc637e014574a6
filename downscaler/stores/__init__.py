"""Our own artefacts on disk: the prior, the model, SMAP's climatology."""
