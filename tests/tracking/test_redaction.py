import pytest

from stackml.tracking.redaction import looks_secret, scrubbed, without_credentials, without_secrets


@pytest.mark.parametrize(
    "key", ["password", "db_passwd", "API-KEY", "auth_token", "client.secret", "awsSecretAccessKey"]
)
def test_keys_that_name_secrets_are_known(key):
    assert looks_secret(key)


@pytest.mark.parametrize("key", ["learners", "metric", "passthrough", "random_state", "keys"])
def test_other_keys_are_not(key):
    assert not looks_secret(key)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://ann:pw@db:5432/x", "postgresql://db:5432/x"),
        ("https://ann:p@ss@host/x", "https://host/x"),
        ("see http://u:p@a/ and http://u:p@b/", "see http://a/ and http://b/"),
        ("s3://b/k?versionId=3&X-Amz-Signature=abc", "s3://b/k?versionId=3&X-Amz-Signature=[not logged]"),
        ("models:/fraud@champion", "models:/fraud@champion"),
        ("ann@example.org", "ann@example.org"),
    ],
)
def test_addresses_lose_their_credentials(text, expected):
    assert without_credentials(text) == expected


def test_params_are_flattened_without_secrets():
    found = without_secrets(
        {"a": {"b": 1, "password": "x"}, "list": [1, {"token": "x", "n": 2}, "http://u:p@h"], "none": None}
    )
    assert found == {"a.b": "1", "list": "[1, {n: 2}, http://h]", "none": "None"}


def test_yaml_loses_secret_values_and_nothing_else():
    text = "name: fraud\nsource:\n  - password: x y\n    uri: a\n'api_key' : z\n"
    assert scrubbed(text, "p.yaml") == (
        "name: fraud\nsource:\n  - password: '[not logged]'\n    uri: a\n'api_key' : '[not logged]'\n"
    )
    assert scrubbed("password: x", "notes.txt") == "password: x"
