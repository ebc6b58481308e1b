"""Decision: from scores to decisions. Calibration, thresholds by cost or measure, review capacity."""

from stackml.decision.base import Calibrator as Calibrator
from stackml.decision.base import FittedCalibrator as FittedCalibrator
from stackml.decision.beta import BetaCalibrator as BetaCalibrator
from stackml.decision.calibration import CalibrationRecord as CalibrationRecord
from stackml.decision.calibration import choose_calibrator as choose_calibrator
from stackml.decision.capacity import Capacity as Capacity
from stackml.decision.capacity import capacity_threshold as capacity_threshold
from stackml.decision.catalog import CALIBRATORS as CALIBRATORS
from stackml.decision.catalog import make_calibrator as make_calibrator
from stackml.decision.catalog import restore_calibrator as restore_calibrator
from stackml.decision.identity import FittedIdentity as FittedIdentity
from stackml.decision.identity import IdentityCalibrator as IdentityCalibrator
from stackml.decision.isotonic import IsotonicCalibrator as IsotonicCalibrator
from stackml.decision.temperature import TemperatureCalibrator as TemperatureCalibrator
from stackml.decision.thresholds import Threshold as Threshold
from stackml.decision.thresholds import balanced_accuracy_threshold as balanced_accuracy_threshold
from stackml.decision.thresholds import bayes_threshold as bayes_threshold
from stackml.decision.thresholds import cost_threshold as cost_threshold
from stackml.decision.thresholds import f1_threshold as f1_threshold
