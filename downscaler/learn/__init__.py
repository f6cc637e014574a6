"""Training: samples, boosting, calibration of the intervals, and the model that ``method`` applies."""
