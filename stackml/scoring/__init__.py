"""Batch scoring: rows stream in, predictions stream out, in any number of batches the same."""

from stackml.scoring.batch import BatchSummary as BatchSummary
from stackml.scoring.batch import score_file as score_file
