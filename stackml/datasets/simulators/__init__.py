"""Simulated tables for the three use cases: fraud, credit default and hospital readmission."""

from stackml.datasets.simulators.credit import simulate_credit as simulate_credit
from stackml.datasets.simulators.fraud import simulate_fraud as simulate_fraud
from stackml.datasets.simulators.readmission import simulate_readmission as simulate_readmission
