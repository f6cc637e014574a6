"""How good the hybrid is on days and places that it has not seen."""
