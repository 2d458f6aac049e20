"""Languages that the desk has no knowledge in are told by script and small words."""

from __future__ import annotations

import pytest

from inference.text.foreign import foreign_language_of
from inference.text.names import name_in


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ja", "返品はできますか？"),
        ("ja", "送料はいくらですか"),
        ("ja", "カナダへ発送できますか"),
        ("ko", "반품할 수 있나요?"),
        ("ko", "배송은 며칠 걸려요"),
        ("vi", "Tôi có thể trả hàng không?"),
        ("vi", "Có những cách thanh toán nào?"),
        ("vi", "phi giao hang bao nhieu"),
        ("th", "คืนสินค้าได้ไหม"),
        ("id", "Berapa lama pengiriman ke Bandung?"),
        ("id", "Apakah saya bisa menukar barang?"),
        ("ar", "هل يمكنني إرجاع المنتج؟"),
        ("es", "¿Puedo devolver el pedido?"),
        ("es", "cuanto cuesta el envio a mi casa"),
    ],
)
def test_a_question_in_another_language_is_told(language: str, text: str) -> None:
    assert foreign_language_of(text) == language


@pytest.mark.parametrize(
    "text",
    [
        "可以退货吗？",
        "鲜の每日草莓可以退吗",
        "iPhone 15 Pro 有货吗",
        "Can I return the lamp?",
        "Do you ship to El Paso?",
        "Is the La Mer vase in stock, and what does it cost?",
        "What does 退货 mean?",
        "ok",
        "2",
        "human",
        "订单 #A1023",
        "",
    ],
)
def test_chinese_english_and_what_does_not_tell_are_no_other_language(text: str) -> None:
    assert foreign_language_of(text) == ""


@pytest.mark.parametrize(
    ("name", "zh", "en"),
    [
        ("青禾家居 Greenstem Home", "青禾家居", "Greenstem Home"),
        ("绿茎 Greenstem", "绿茎", "Greenstem"),
        ("  青禾家居 ", "青禾家居", "青禾家居"),
        ("Lantern Tea", "Lantern Tea", "Lantern Tea"),
        ("青禾 3 号店", "青禾 3 号店", "青禾 3 号店"),
    ],
)
def test_a_name_in_two_languages_is_split(name: str, zh: str, en: str) -> None:
    assert (name_in(name, "zh-hans"), name_in(name, "en")) == (zh, en)
