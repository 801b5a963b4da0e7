"""The model: an estimator over deviations, and how it is kept on disk without pickle."""
