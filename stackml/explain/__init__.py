"""Why a row is predicted as it is: the typical row, additive contributions, reasons in words."""

from stackml.explain.attribution import Attribution as Attribution
from stackml.explain.attribution import attribute as attribute
from stackml.explain.explanation import Explanation as Explanation
from stackml.explain.typical import typical_row as typical_row
