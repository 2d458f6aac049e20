"""Text is shown in whole characters, whatever the tokens cut apart."""

from hypothesis import given
from hypothesis import strategies as st

from inference.engines.detokenization import Detokenizer, _byte_of_character, token_bytes

CHARACTER_OF_BYTE = {byte: character for character, byte in _byte_of_character().items()}
# Token 0-255: one byte each; then an added token and a control token.
VOCABULARY = [CHARACTER_OF_BYTE[byte] for byte in range(256)] + ["<tool_call>", "<|im_end|>"]


def test_the_alphabet_has_every_byte_once() -> None:
    assert len(VOCABULARY[:256]) == len(set(VOCABULARY[:256])) == 256
    assert token_bytes("Ġthe") == b" the"
    assert token_bytes("Ċ") == b"\n"
    assert token_bytes("é") == b"\xe9"


def test_a_character_is_shown_when_its_last_byte_arrives() -> None:
    detokenizer = Detokenizer(VOCABULARY)
    assert [detokenizer.feed(byte) for byte in "退😀".encode()] == ["", "", "退", "", "", "", "😀"]


def test_half_a_character_before_another_is_dropped() -> None:
    detokenizer = Detokenizer(VOCABULARY)
    assert [detokenizer.feed(byte) for byte in b"\xe9\x80A\x80B"] == ["", "", "A", "", "B"]


def test_control_tokens_are_hidden_and_added_ones_are_text() -> None:
    detokenizer = Detokenizer(VOCABULARY, hidden=[257])
    assert detokenizer.feed(256) + detokenizer.feed(257) + detokenizer.feed(65) == "<tool_call>A"


@given(st.text(max_size=20))
def test_no_text_is_lost_or_changed(text: str) -> None:
    detokenizer = Detokenizer(VOCABULARY)
    shown = [detokenizer.feed(byte) for byte in text.encode()]
    assert "".join(shown) == text
    assert "�" in text or not any("�" in piece for piece in shown)
