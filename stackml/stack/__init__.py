"""The stack itself: the method on one page (`building`), what it leaves behind, estimators and file."""

from stackml.stack.estimators import StackClassifier as StackClassifier
from stackml.stack.estimators import StackRegressor as StackRegressor
from stackml.stack.fitted import FittedStack as FittedStack
