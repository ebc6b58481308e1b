"""Known tables: the catalog, the simulators, loading, fetching and making."""

from stackml.datasets.catalog import DatasetCard as DatasetCard
from stackml.datasets.catalog import dataset_card as dataset_card
from stackml.datasets.catalog import dataset_cards as dataset_cards
from stackml.datasets.fetching import fetch_dataset as fetch_dataset
from stackml.datasets.files import verify_dataset as verify_dataset
from stackml.datasets.loading import Dataset as Dataset
from stackml.datasets.loading import load_dataset as load_dataset
from stackml.datasets.loading import simulate as simulate
from stackml.datasets.making import make_dataset as make_dataset
