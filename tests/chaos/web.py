"""Places keyed orders over HTTP as a careful client does, and keeps every answer that it was given."""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import dataclass, field
from typing import Any

from brokerbus.errors import BY_CODE
from chaos.workers import Told
from processes import Deployment, token_of

TERMS = {"tradeType": "Securities", "region": "US", "symbol": "AAPL", "direction": "BUY", "orderType": "Limit"}
TERMS |= {"timeInForce": "GTC", "lifecycle": "RTH", "qty": 1, "price": 1.5}
ANSWER_SECONDS = 40.0
"""The front answers an order within 30 s."""


@dataclass
class Caller:
    """One client of one instance over either surface; ``answers`` has all, ``lost`` the requests without one."""

    made: Deployment
    instance: str
    v1: bool
    answers: list[Told] = field(default_factory=list)
    lost: int = 0
    slowest: float = 0.0

    def place(self, tag: str, until: float) -> Told | None:
        """Asks until the order has an answer, or until ``until`` (CLOCK_MONOTONIC); the last answer, if there was one.

        Asks once when that is over: only what never reached the front is asked again.
        """
        last = None
        while True:
            start = time.monotonic()
            told = self._ask(tag)
            self.slowest = max(self.slowest, time.monotonic() - start)
            if told is not None:
                self.answers.append(told)
                last = told
            if last is not None and last.code in ("ok", "rejected"):
                return last
            if time.monotonic() >= until:
                return last
            time.sleep(0.1)

    def _ask(self, tag: str) -> Told | None:
        connection = http.client.HTTPConnection("127.0.0.1", self.made.port, timeout=ANSWER_SECONDS)
        try:
            self._connect(connection)
            try:
                connection.request("POST", *self._request(tag))
                response = connection.getresponse()
                return self._told(tag, response.status, json.loads(response.read()))
            except (OSError, http.client.HTTPException):
                self.lost += 1
                return None
        finally:
            connection.close()

    def _connect(self, connection: http.client.HTTPConnection) -> None:
        """Connects as soon as a front listens: so far nothing can have been sent."""
        deadline = time.monotonic() + 20
        while True:
            try:
                connection.connect()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def _request(self, tag: str) -> tuple[str, str, dict[str, str]]:
        token = token_of(self.instance)
        if self.v1:
            body: dict[str, Any] = {"contract": "US.AAPL", "clientOrderId": tag}
            body |= {name: TERMS[name] for name in ("direction", "orderType", "timeInForce", "qty", "price")}
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            return f"/v1/instances/{self.instance}/orders", json.dumps(body), headers
        path = f"/httptrading/api/{self.instance}/order/place"
        return path, json.dumps({**TERMS, "clientOrderId": tag}), {"HT-TOKEN": token}

    def _told(self, tag: str, status: int, answer: dict[str, Any]) -> Told:
        code = answer.get("code", "ok") if self.v1 else (answer["ex"] or "ok").partition(":")[0]
        text = str(answer.get("detail" if self.v1 else "ex") or "")
        if code == "ok":
            assert answer["clientOrderId"] == tag, (status, answer)
            return Told(tag, code, "ok", str(answer["orderId"]))
        assert code in BY_CODE, (status, answer)
        return Told(tag, code, BY_CODE[code].outcome, text=text)
