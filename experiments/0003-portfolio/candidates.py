"""The learners that compete for a place, those that matter most and cost least first."""

from stackml.learners.catalog import make_learner

FIRST = (
    "lightgbm", "logistic", "ridge", "extra_trees", "xgboost", "lightgbm_extra", "mlp", "random_forest",
    "neighbors", "isolation_forest", "hbos", "lightgbm_large", "catboost",
)  # fmt: skip


def _rows():
    """Yield name in the experiment, name in the catalog, parameters, seed."""
    lgb, xgb, cat = "lightgbm", "xgboost", "catboost"
    yield from ((name, name, {}, 0) for name in FIRST)
    yield "lgb_lr10", lgb, {"learning_rate": 0.1}, 0
    yield "lgb_small", lgb, {"num_leaves": 8}, 0
    half = {"colsample_bytree": 0.5, "subsample": 0.8}
    yield "xgb_d4", xgb, {"max_depth": 4, **half}, 0
    noisy = {"extra_trees": True, "learning_rate": 0.03, "feature_fraction": 0.45, "min_child_samples": 10}
    yield "lgb_extra_40", lgb, {"num_leaves": 40, **noisy}, 0
    yield "cat_lr10", cat, {"learning_rate": 0.1}, 0
    yield "mlp_wide", "mlp", {"hidden": (256, 128), "alpha": 0.01}, 0
    yield "mlp_seed2", "mlp", {}, 1
    yield "lgb_seed2", lgb, {}, 1
    yield "xt_full", "extra_trees", {"max_features": 1.0, "min_samples_leaf": 2}, 0
    strong = {"feature_fraction": 0.5, "bagging_fraction": 0.7, "min_child_samples": 50, "lambda_l2": 10.0}
    yield "lgb_strong", lgb, {"num_leaves": 16, **strong}, 0
    yield "xgb_d10", xgb, {"max_depth": 10, "min_child_weight": 3.0, **half}, 0
    yield "lgb_cat10", lgb, {"cat_smooth": 10.0, "cat_l2": 10.0, "min_data_per_group": 20}, 0
    yield "mlp_deep", "mlp", {"hidden": (128, 128, 64), "alpha": 0.1, "learning_rate": 2e-3}, 0
    yield "cat_d4", cat, {"depth": 4, "learning_rate": 0.1}, 0
    yield "rf_half", "random_forest", {"max_features": 0.5}, 0
    yield "lgb_half", lgb, {"feature_fraction": 0.5, "num_leaves": 64}, 0
    yield "mlp_small", "mlp", {"hidden": (64,), "alpha": 0.3}, 0
    yield "xt_deep", "extra_trees", {"min_samples_leaf": 2}, 0
    yield "knn_few", "neighbors", {"n_neighbors": 10, "least_relevance": 0.05}, 0
    yield "logistic_plain", "logistic", {"hinges": ()}, 0
    leaf = {"leafwise": True, "max_leaves": 31, "max_depth": 0, "colsample_bytree": 0.6}
    yield "xgb_leaf", xgb, leaf, 0
    yield "cat_d8", cat, {"depth": 8, "learning_rate": 0.1}, 0
    yield "lgb_lr02", lgb, {"learning_rate": 0.02}, 0
    yield "lgb_bin127", lgb, {"max_bin": 127}, 0
    yield "lgb_bin511", lgb, {"max_bin": 511}, 0
    large = {"extra_trees": True, "num_leaves": 180, "min_child_samples": 5, "feature_fraction": 0.7}
    yield "lgb_extra_180", lgb, large, 0
    yield "cat_ctr2", cat, {"max_ctr_complexity": 2, "learning_rate": 0.1}, 0


CANDIDATES = tuple((name, make_learner(row, **p), seed) for name, row, p, seed in _rows())
