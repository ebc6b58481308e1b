import pytest

from stackml.foundation.errors import SpecError
from stackml.learners.lightgbm import LightGBMLearner
from stackml.workflow.spec import apply_sets, load_spec, parse_spec

WHERE = "pipelines/fraud/pipeline.yaml"
HEAD = "name: fraud\ndataset: fraud_sim\nmetrics: [roc_auc]\n"


def said(text: str) -> list[str]:
    with pytest.raises(SpecError, match="line") as caught:
        parse_spec(text, WHERE)
    return str(caught.value).splitlines()


def test_wrong_key_names_file_line_part_and_nearest_key():
    assert said(f"{HEAD}stack:\n  learnres: fast\n") == [
        "pipelines/fraud/pipeline.yaml, line 5: unknown key 'learnres' in 'stack'; did you mean 'learners'?"
    ]


def test_key_of_another_part_is_pointed_to():
    assert "did you mean 'split.folds'?" in said(f"{HEAD}stack:\n  folds: 3\n")[0]


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("split:\n  kind: tempral\n", 5, "'split.kind': unknown value 'tempral'; did you mean 'temporal'?"),
        ("split:\n  folds: three\n", 5, "'split.folds' should be a valid integer"),
        ("split:\n  holdout: 1.5\n", 5, "'split.holdout' should be less than 0.9; found 1.5"),
        ("split: 3\n", 4, "'split' holds keys of its own (kind, holdout, folds, embargo); found 3"),
        ("stack:\n  learners: [lightgmb]\n", 5, "unknown learner 'lightgmb'; did you mean 'lightgbm'?"),
        ("stack:\n  learners: fst\n", 5, "unknown preset or learner 'fst'; did you mean 'fast'?"),
        ("stack:\n  learners: []\n", 5, "give a preset (fast, balanced, best) or a list of learners"),
        (
            "stack:\n  learners: [lightgbm: {num_leavs: 3}]\n",
            5,
            "no parameter 'num_leavs'; did you mean 'num_leaves'?",
        ),
        ("stack:\n  combiner: simplx\n", 5, "unknown combiner 'simplx'; did you mean 'simplex'?"),
        ("stack:\n  metric: roc_uac\n", 5, "unknown metric 'roc_uac'; did you mean 'roc_auc'?"),
        (
            "datasets:\n  banksim:\n    tim: step\n",
            6,
            "unknown key 'tim' in 'datasets.banksim'; did you mean",
        ),
        ("desicion: {}\n", 4, "unknown key 'desicion'; did you mean 'decision'?"),
        ("seed: 1\nseed: 2\n", 5, "key 'seed' is given twice, first in line 4"),
        ("split: [1\n", 5, "expected"),
        ("\tseed: 1\n", 4, "found character"),
    ],
)
def test_a_mistake_is_told_with_its_line(text, line, what):
    (told,) = said(HEAD + text)
    assert told.startswith(f"{WHERE}, line {line}: ")
    assert what in told


def test_several_mistakes_are_told_at_once_in_the_order_of_the_file():
    told = said("name: a b\ndataset: fraud_sim\nmetrics: [nonsense]\nstack:\n  learnres: fast\n  layers: 0\n")
    assert [line.split(":")[0].rsplit(" ", 1)[1] for line in told] == ["1", "3", "5", "6"]


def test_missing_key_is_told():
    assert "'metrics' is missing" in "\n".join(said("name: a\ndataset: fraud_sim\n"))


def test_text_that_is_no_mapping_is_told():
    assert said("- fraud\n") == [f"{WHERE}, line 1: expected keys with values, as 'name: fraud'"]


def test_learners_may_have_parameters():
    spec = parse_spec(f"{HEAD}stack:\n  learners: [lightgbm: {{num_leaves: 7}}, logistic]\n", WHERE)
    (name, learner), plain = spec.stack.wanted()
    assert (name, plain) == ("lightgbm", "logistic")
    assert isinstance(learner, LightGBMLearner)
    assert learner.num_leaves == 7


def test_a_table_without_entries_is_as_the_catalog_has_it():
    spec = parse_spec(f"{HEAD}datasets:\n  banksim:\n", WHERE)
    assert spec.tables == ("fraud_sim", "banksim")


def test_own_file_comes_before_the_ready_one(tmp_path):
    own = tmp_path / "pipelines" / "fraud"
    own.mkdir(parents=True)
    (own / "pipeline.yaml").write_text(HEAD + "seed: 7\n")
    assert load_spec("fraud", folder=tmp_path).seed == 7
    assert load_spec("pipelines/fraud/pipeline.yaml", folder=tmp_path).seed == 7
    assert load_spec("pipelines/fraud", folder=tmp_path).seed == 7
    assert load_spec("credit", folder=tmp_path).name == "credit"
    (own / "pipeline.yaml").write_text(HEAD + "sed: 7\n")
    with pytest.raises(
        SpecError, match=r"^pipelines/fraud/pipeline.yaml, line 4: unknown key 'sed'; did you"
    ):
        load_spec("fraud", folder=tmp_path)


def test_unknown_pipeline_offers_the_nearest(tmp_path):
    with pytest.raises(SpecError, match="no pipeline 'fruad'; did you mean 'fraud'"):
        load_spec("fruad", folder=tmp_path)
    with pytest.raises(SpecError, match=r"no file 'my/pipeline.yaml'"):
        load_spec("my/pipeline.yaml", folder=tmp_path)


@pytest.fixture
def spec(tmp_path):
    return load_spec("fraud", folder=tmp_path)


def test_sets_are_yaml_values(spec):
    changed = apply_sets(
        spec,
        [
            "split.folds=3",
            "stack.learners=[lightgbm, mlp]",
            "stack.time_limit=null",
            "stack.strict=true",
            "datasets.mine.path=a.csv",
            "datasets.mine.target=y",
        ],
    )
    assert changed.split.folds == 3
    assert changed.stack.wanted() == ["lightgbm", "mlp"]
    assert changed.stack.time_limit is None
    assert changed.stack.strict is True
    assert changed.datasets["mine"].target == "y"
    assert spec.split.folds == 5, "the given spec is not changed"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("stack.folds=3", "did you mean 'split.folds'?"),
        ("stack.fold=3", "did you mean 'split.folds'?"),
        ("split.fold=3", "did you mean 'folds'?"),
        ("dataset=banksim", "choose a table with --dataset banksim"),
        ("stak.strict=true", "unknown key 'stak'; did you mean 'stack'?"),
        ("split.folds=three", "'split.folds' should be a valid integer"),
        ("seed.x=2", "'seed' holds a value, not keys of its own"),
        ("seed", "write it as path=value"),
        ("split.folds=[1", "the value is not YAML"),
        ("stack.combiner=simplx", "did you mean 'simplex'?"),
    ],
)
def test_a_wrong_set_names_itself_and_the_nearest(spec, text, what):
    with pytest.raises(SpecError, match="--set") as caught:
        apply_sets(spec, [text])
    assert str(caught.value).startswith(f"--set {text}: ")
    assert what in str(caught.value)


def test_a_set_that_was_written_as_an_option_is_told_as_one(spec):
    with pytest.raises(SpecError, match=r"^--rows 3: should be greater than or equal to 50; found 3$"):
        apply_sets(spec, ["n_rows=3"], options={"n_rows=3": "--rows 3"})


def test_only_the_default_table_gives_its_pipelines_name_to_a_model(spec):
    more = apply_sets(spec, ["datasets.my table/2.path=a.csv"])
    assert spec.registered_as("fraud_sim") == "fraud"
    assert spec.registered_as("banksim") == "fraud-banksim"
    assert more.registered_as("my table/2") == "fraud-my-table-2"
    assert more.registered_as("...") not in ("fraud", "fraud-"), "odd characters alone still give a name"
    named = apply_sets(spec, ["tracking.registered_model=ours"])
    assert named.registered_as("banksim") == named.registered_as("fraud_sim") == "ours"


def test_several_wrong_sets_are_told_at_once(spec):
    with pytest.raises(SpecError, match="--set") as caught:
        apply_sets(spec, ["split.folds=1", "stack.time_limit=-1"])
    assert len(str(caught.value).splitlines()) == 2
