"""The demo shop's orders: a little database of the shop's own, and the API that the desk calls.

It stands for the order system that a real shop has: another process, another database, reached
over HTTP with a key and told for which customer it is asked. Orders of others are not there for
whoever asks. Everything in it is invented, and its dates move along so that it never looks old.
"""

from __future__ import annotations

import hmac
import json
import re
import sqlite3
import threading
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

API_PREFIX: Final = "/api/orders/"
BODY_MOST: Final = 4096
_PATH = re.compile(r"/api/orders/([0-9]{6})(/delivery|/address)?")
_ADDRESS_MOST: Final = 200

CUSTOMERS: Final[Mapping[str, Mapping[str, str]]] = {
    "demo-lin": {"zh": "林晓", "en": "Lin Xiao"},
    "demo-wang": {"zh": "王敏", "en": "Wang Min"},
}
"""Who may be logged in to the demo shop, with their names by language."""

# number, customer, goods (zh, en), quantity, amount, days since ordered, sent, delivered, address
_ORDERS: Final = (
    ("123456", "demo-lin", "水洗棉四件套", "Washed cotton bedding set", 1, 459, 1, None, None,
     "上海市静安区愚园路 168 号 3 楼"),
    ("123457", "demo-lin", "细口手冲壶", "Gooseneck kettle", 1, 329, 3, 2, None,
     "上海市静安区愚园路 168 号 3 楼"),
    ("123458", "demo-lin", "粗陶茶杯一对", "Pair of stoneware cups", 2, 256, 9, 8, 5,
     "上海市静安区愚园路 168 号 3 楼"),
    ("234567", "demo-wang", "纸罩床头灯", "Paper bedside lamp", 1, 269, 1, None, None,
     "杭州市西湖区文三路 20 号 502 室"),
)  # fmt: skip
_CARRIER: Final = {"zh": "顺丰速运", "en": "SF Express"}
_PLACE: Final = {"zh": "苏州转运中心", "en": "the Suzhou hub"}


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """A status and what the body says."""

    status: HTTPStatus
    body: dict[str, Any] = field(default_factory=dict)


class OrderBook:
    """The orders in a file; several threads may ask at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._fill()

    def order(self, number: str, customer: str) -> dict[str, Any] | None:
        """An order of this customer; ``None`` for those of others, too."""
        row = self._row(number, customer)
        return _told(row) if row is not None else None

    def delivery(self, number: str, customer: str) -> dict[str, Any] | None:
        """Where the parcel of an order is."""
        told = self.order(number, customer)
        if told is None:
            return None
        names = ("number", "state", "carrier", "tracking", "ship_by", "expected_on", "delivered_on")
        on_its_way = told["state"] == "sent"
        return {
            **{name: told[name] for name in names},
            "place": _PLACE if on_its_way else None,
            "place_on": _day(0) if on_its_way else None,
        }

    def address_change(self, number: str, customer: str, address: str, key: str) -> ApiAnswer:
        """Change the address of an order that has not been sent.

        The same ``key`` again gives the first answer again and changes nothing.
        """
        with self._lock, closing(self._open()) as database, database:
            done = database.execute(
                "SELECT status, body FROM replies WHERE key = ? AND number = ? AND customer = ?",
                (key, number, customer),
            ).fetchone()
            if done is not None:
                return ApiAnswer(HTTPStatus(done["status"]), json.loads(done["body"]))
            row = database.execute(
                "SELECT * FROM orders WHERE number = ? AND customer = ?", (number, customer)
            ).fetchone()
            if row is None:
                return ApiAnswer(HTTPStatus.NOT_FOUND, {"error": "not found"})
            if row["sent_days"] is not None:
                answer = ApiAnswer(HTTPStatus.CONFLICT, {"error": "sent already"})
            else:
                database.execute(
                    "UPDATE orders SET address = ?, changes = changes + 1 WHERE number = ?",
                    (address, number),
                )
                answer = ApiAnswer(HTTPStatus.OK, {"order": {"number": number, "address": address}})
            database.execute(
                "INSERT INTO replies (key, number, customer, status, body) VALUES (?, ?, ?, ?, ?)",
                (key, number, customer, int(answer.status), json.dumps(answer.body)),
            )
            return answer

    def changes(self, number: str) -> int:
        """How often the address of an order was changed."""
        with closing(self._open()) as database:
            row = database.execute(
                "SELECT changes FROM orders WHERE number = ?", (number,)
            ).fetchone()
            return int(row["changes"])

    def _row(self, number: str, customer: str) -> sqlite3.Row | None:
        if not self._path.is_file():  # the demo was removed while the shop still runs
            return None
        with closing(self._open()) as database:
            row: sqlite3.Row | None = database.execute(
                "SELECT * FROM orders WHERE number = ? AND customer = ?", (number, customer)
            ).fetchone()
            return row

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=5)
        database.row_factory = sqlite3.Row
        return database

    def _fill(self) -> None:
        with self._lock, closing(self._open()) as database, database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS orders (number TEXT PRIMARY KEY, customer TEXT NOT NULL,"
                " item_zh TEXT NOT NULL, item_en TEXT NOT NULL, quantity INTEGER NOT NULL,"
                " amount INTEGER NOT NULL, ordered_days INTEGER NOT NULL, sent_days INTEGER,"
                " delivered_days INTEGER, address TEXT NOT NULL, changes INTEGER NOT NULL DEFAULT 0)"
            )
            database.execute(
                "CREATE TABLE IF NOT EXISTS replies (key TEXT, number TEXT, customer TEXT,"
                " status INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (key, number, customer))"
            )
            database.executemany(
                "INSERT OR IGNORE INTO orders (number, customer, item_zh, item_en, quantity, amount,"
                " ordered_days, sent_days, delivered_days, address)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                _ORDERS,
            )


@dataclass(frozen=True, slots=True)
class OrderApi:
    """The HTTP side: ``key`` is what the desk must show as a bearer token."""

    book: OrderBook
    key: str

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> ApiAnswer:
        """Answer a request; names of headers in any case."""
        headers = {name.lower(): value for name, value in headers.items()}
        shown = headers.get("authorization", "")
        if not self.key or not hmac.compare_digest(
            shown.encode("utf-8", "replace"), f"Bearer {self.key}".encode()
        ):
            return ApiAnswer(HTTPStatus.UNAUTHORIZED, {"error": "no valid key"})
        found = _PATH.fullmatch(path)
        if found is None:
            return ApiAnswer(HTTPStatus.NOT_FOUND, {"error": "not found"})
        number, part = found[1], found[2] or ""
        customer = headers.get("x-customer-id", "")
        if (method, part) == ("PUT", "/address"):
            return self._address_change(number, customer, headers, body)
        if method != "GET" or part == "/address":
            return ApiAnswer(HTTPStatus.METHOD_NOT_ALLOWED, {"error": "method not allowed"})
        told = (self.book.delivery if part else self.book.order)(number, customer)
        if told is None:
            return ApiAnswer(HTTPStatus.NOT_FOUND, {"error": "not found"})
        return ApiAnswer(HTTPStatus.OK, {"delivery" if part else "order": told})

    def _address_change(
        self, number: str, customer: str, headers: Mapping[str, str], body: bytes
    ) -> ApiAnswer:
        key = headers.get("idempotency-key", "")
        try:
            address = json.loads(body)["address"]
        except (ValueError, KeyError, TypeError):
            address = None
        if not isinstance(address, str) or not 6 <= len(address) <= _ADDRESS_MOST or not key:
            return ApiAnswer(HTTPStatus.BAD_REQUEST, {"error": "an address and a key are needed"})
        return self.book.address_change(number, customer, address, key)


def _told(row: sqlite3.Row) -> dict[str, Any]:
    sent, delivered = row["sent_days"], row["delivered_days"]
    state = "paid" if sent is None else "sent" if delivered is None else "delivered"
    return {
        "number": row["number"],
        "state": state,
        "item": {"zh": row["item_zh"], "en": row["item_en"]},
        "quantity": row["quantity"],
        "amount": row["amount"],
        "ordered_on": _day(-row["ordered_days"]),
        "ship_by": _day(1) if sent is None else None,
        "sent_on": _day(-sent) if sent is not None else None,
        "carrier": _CARRIER if sent is not None else None,
        "tracking": f"SF10{row['number']}88" if sent is not None else None,
        "expected_on": _day(1) if state == "sent" else None,
        "delivered_on": _day(-delivered) if delivered is not None else None,
        "address": row["address"],
        "can_change_address": sent is None,
    }


def _day(offset: int) -> str:
    return (date.today() + timedelta(days=offset)).isoformat()  # the shop's own day
