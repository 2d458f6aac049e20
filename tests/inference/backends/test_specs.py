"""The setting that names the engines, in both of its forms."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference.backends.specs import BackendsInvalid, BackendSpec, backends_parse


def test_nothing_set_means_no_engines() -> None:
    assert backends_parse("  ") == ()


def test_addresses_on_one_line_carry_their_options_in_the_query() -> None:
    first, second = backends_parse(
        "http://gpu1:8000/v1?model=Qwen/Qwen3-8B&weight=2.5&tier=0&timeout=15&first_token=1.5"
        "&name=big&key=secret&omit=top_k,stream_options \n https://hosted.example/mode/v1/"
    )
    assert first == BackendSpec(
        url="http://gpu1:8000/v1",
        name="big",
        model="Qwen/Qwen3-8B",
        key="secret",
        weight=2.5,
        tier=0,
        timeout=15.0,
        first_token=1.5,
        omit=("top_k", "stream_options"),
    )
    assert second == BackendSpec(url="https://hosted.example/mode/v1", name="hosted.example")
    assert first.host == "gpu1:8000"


def test_toml_says_the_same_and_may_add_fields_to_each_request(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("from a file\n")
    [spec] = backends_parse(
        f"""
        # remote engines
        [[engine]]
        url = "http://gpu1:8000/v1"
        model = "Qwen3-8B"
        key_file = "{key}"
        weight = 3
        tier = 2
        omit = ["top_k"]
        [engine.body]
        seed = 7
        """
    )
    assert spec == BackendSpec(
        url="http://gpu1:8000/v1",
        name="gpu1:8000",
        model="Qwen3-8B",
        key="from a file",
        weight=3.0,
        tier=2,
        omit=("top_k",),
        body={"seed": 7},
    )


def test_a_key_may_lie_in_a_variable_of_the_environment() -> None:
    [spec] = backends_parse("http://a/v1?key_env=QWEN_KEY", {"QWEN_KEY": "k"})
    assert spec.key == "k"


def test_keys_and_credentials_are_shown_nowhere() -> None:
    [spec] = backends_parse("http://user:pass@a:1/v1?key=secret")
    assert "secret" not in repr(spec)
    assert spec.name == spec.host == "a:1"
    with pytest.raises(BackendsInvalid) as raised:
        backends_parse("http://user:pass@a:1/v1?key=secret&tier=x")
    assert "secret" not in str(raised.value)
    assert "pass" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("gpu1:8000", "gpu1:8000: an address must look like http://host:8000/v1"),
        ("ftp://gpu1/v1", "must look like"),
        ("http://gpu1:99999/v1", "http://gpu1:99999/v1: Port out of range"),
        ("http://[::1/v1", "Invalid IPv6"),
        ("http://a/v1?weight=0", "http://a/v1: weight must be a number above 0 and up to 1000"),
        ("http://a/v1?weight=nan", "weight must be"),
        ("http://a/v1?weight=", "weight must be"),
        ("http://a/v1?timeout=-3", "timeout must be a number above 0 and up to 3600, not '-3'"),
        ("http://a/v1?first_token=soon", "first_token must be"),
        ("http://a/v1?tier=1.5", "tier must be a whole number from 0 to 100, not '1.5'"),
        ("http://a/v1?tier=101", "tier must be"),
        ("http://a/v1?wieght=2", "there is no option 'wieght'"),
        ("http://a/v1?weight", "must be name=value"),
        ("http://a/v1?weight=1&weight=2", "weight is given twice"),
        ("http://a/v1 http://a/v1", "two engines are called 'a'"),
        ("http://a/v1?key=x&key_env=Y", "give only one of key and key_env"),
        ("http://a/v1?key_env=MISSING", "the environment has no MISSING"),
        ("http://a/v1?key_file=/nowhere/key", "key_file '/nowhere/key' cannot be read"),
        ("[[engine]", "it is no TOML"),
        ("[engine]\nurl = 'http://a'", r"\[\[engine\]\] tables"),
        ("[[engine]]\nmodel = 'x'", "engine 1 has no url"),
        ("[[engine]]\nurl = 'http://a?x=1'", "options do not belong into the url"),
        ("[[engine]]\nurl = 'http://a'\nweight = true", "weight must be"),
        ("[[engine]]\nurl = 'http://a'\ntier = true", "tier must be"),
        ("[[engine]]\nurl = 'http://a'\nmodel = 3", r"engine 1 \(http://a\): model must be text"),
        ("[[engine]]\nurl = 'http://a'\nomit = 'top_k'", "omit must be a list"),
        ("[[engine]]\nurl = 'http://a'\nbody = 3", "body must be a table"),
        ("# only a comment", r"\[\[engine\]\] tables"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(text: str, complaint: str) -> None:
    with pytest.raises(BackendsInvalid, match=complaint):
        backends_parse(text, {})
