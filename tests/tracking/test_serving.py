"""What `mlflow models serve` answers: its own scoring server over real HTTP."""

import json
import threading
import time
import urllib.error
import urllib.request

import numpy as np
import pandas as pd
import pytest


@pytest.fixture(scope="module")
def served(classifier, rows, tmp_path_factory):
    import mlflow.pyfunc
    import uvicorn
    from mlflow.pyfunc.scoring_server import init

    from stackml.tracking import save_model

    patch = pytest.MonkeyPatch()
    patch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    patch.setenv("_MLFLOW_IS_IN_SERVING_ENVIRONMENT", "true")  # `init` sets it; so it is taken back
    path = tmp_path_factory.mktemp("served") / "model"
    save_model(classifier, path, input_example=rows)
    app = init(mlflow.pyfunc.load_model(str(path)))
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 20
    while not server.started and time.monotonic() < until:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield path, f"http://127.0.0.1:{port}/invocations"
    server.should_exit = True
    thread.join(20)
    patch.undo()


def post(url, body):
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    kind = "application/vnd.apache.parquet" if isinstance(body, bytes) else "application/json"
    request = urllib.request.Request(url, data, {"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return pd.DataFrame(json.loads(answer.read())["predictions"])


def as_json(rows, orient):
    return json.loads(rows.to_json(orient=orient, date_format="iso", double_precision=15))


@pytest.mark.parametrize("orient", ["split", "records"])
def test_rows_as_json_are_scored_bit_for_bit(classifier, served, rows, orient):
    sent = as_json(rows.head(30).round({"amount": 6}), orient)
    found = post(served[1], {f"dataframe_{orient}": sent})
    expected = classifier.predict_proba(rows.head(30).round({"amount": 6}))
    np.testing.assert_array_equal(found[["probability_0", "probability_1"]], expected)


def test_whole_numbers_and_nulls_are_scored(classifier, served, rows):
    odd = rows.head(4).assign(amount=[1, 2, 3, 4], region=[1, 2, 3, 4])
    sent = as_json(odd, "split")
    sent["data"][1][0] = None
    sent["data"][2][2] = None
    found = post(served[1], {"dataframe_split": sent})
    odd = odd.astype({"amount": float})
    odd.loc[odd.index[1], "amount"] = np.nan
    odd.loc[odd.index[2], "channel"] = None
    np.testing.assert_array_equal(found["probability_1"], classifier.predict_proba(odd)[:, 1])


def test_rows_as_inputs_and_as_parquet_are_scored(classifier, served, rows):
    some = rows.head(5)
    expected = classifier.predict_proba(some)[:, 1]
    found = post(served[1], {"inputs": as_json(some, "records")})
    np.testing.assert_allclose(found["probability_1"], expected, rtol=1e-9)  # the JSON has 15 digits
    found = post(served[1], some.to_parquet())
    np.testing.assert_array_equal(found["probability_1"], expected)


def test_params_choose_the_method(served, rows):
    found = post(
        served[1], {"dataframe_split": as_json(rows.head(3), "split"), "params": {"method": "predict"}}
    )
    assert list(found.columns) == ["prediction"]


def test_the_serving_example_in_the_folder_is_scored(served):
    example = json.loads((served[0] / "serving_input_example.json").read_text())
    assert len(post(served[1], example)) == 5


def test_a_missing_column_is_refused_by_name(served, rows):
    with pytest.raises(urllib.error.HTTPError, match="400") as refused:
        post(served[1], {"dataframe_split": as_json(rows.head(3).drop(columns="channel"), "split")})
    assert "channel" in refused.value.read().decode()
