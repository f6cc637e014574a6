"""vadose, the product's face: COGs, STAC, stores."""
