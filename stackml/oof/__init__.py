"""The out-of-fold engine: plan what to fit, fit it once, hand over the meta-features.

Read in this order: `plan` (which fits), `board` (which of them, and when), `engine` (who runs them),
`result` (what comes out); `pacing` and `admission` are the board's rules, `budget` what may be spent,
`fitting` is one fit, `shared` what fits have in common, `cache` what survives a crash.
"""

from stackml.oof.cache import TaskCache as TaskCache
from stackml.oof.engine import Engine as Engine
from stackml.oof.plan import FitTask as FitTask
from stackml.oof.plan import plan_fits as plan_fits
from stackml.oof.result import LearnerRun as LearnerRun
from stackml.oof.result import OofResult as OofResult
