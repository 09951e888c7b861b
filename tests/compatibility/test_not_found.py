"""Whatever httptrading answers with its 404, brokerbus answers with the same bytes."""

from __future__ import annotations

import pytest

from .exchange import BASE, INSTANCE, RIGHT, TOKEN, Call, Pair

PING = f"{BASE}/ping/state"


def other(path: str) -> Call:
    return Call("GET", path)


def as_whom(token: str, method: str = "GET") -> Call:
    return Call(method, PING, headers={"HT-TOKEN": token})


CALLS = {
    "unknown id": other("/httptrading/api/ZZZZZZZZZZZZZZZZ/ping/state"),
    "short id": other("/httptrading/api/ZZZ/ping/state"),
    "id of 33": other(f"/httptrading/api/{'A' * 33}/ping/state"),
    "id with a hyphen": other("/httptrading/api/WyLqtMhDvAn-b6a3/ping/state"),
    "id beyond ASCII": other(f"/httptrading/api/{'%C3%A9' * 16}/ping/state"),
    "no id": other("/httptrading/api//ping/state"),
    "no token": Call("GET", PING, headers={}),
    "empty token": as_whom(""),
    "wrong token": as_whom("x" * 16),
    "short token": as_whom(TOKEN[:15]),
    "long token": as_whom("x" * 65),
    "token as bearer": Call("GET", PING, headers={"Authorization": f"Bearer {TOKEN}"}),
    "token in the query": Call("GET", f"{PING}?HT-TOKEN={TOKEN}&token={TOKEN}", headers={}),
    "root of the api": other("/httptrading/api"),
    "unknown path": other(f"{BASE}/nothing"),
    "unknown path outside": other("/httptrading/nothing"),
    "half a route": other(f"{BASE}/order"),
    "slash at the end": other(f"{PING}/"),
    "doubled slash": other(f"{BASE}//ping/state"),
    "escaped slash": other(f"{BASE}/ping%2Fstate"),
    "other case": other(f"{BASE}/Ping/State"),
    "dots": other(f"{BASE}/x/../ping/state"),
    "wrong method, no token": Call("POST", PING, headers={}),
    "wrong method, wrong token": as_whom("x" * 16, "DELETE"),
    "wrong method, unknown id": Call("PUT", "/httptrading/api/ZZZZZZZZZZZZZZZZ/ping/state"),
    "wrong method, unknown path": Call("POST", f"{BASE}/nothing", b"{}"),
    "HEAD, no token": Call("HEAD", PING, headers={}),
    "HEAD, unknown path": Call("HEAD", f"{BASE}/nothing"),
    "OPTIONS, no token": Call("OPTIONS", PING, headers={"Origin": "http://x", "Access-Control-Request-Method": "GET"}),
    "order, no token": Call("POST", f"{BASE}/order/place", {"qty": 1}, headers={}),
    "order, wrong token, junk": Call("POST", f"{BASE}/order/place", b"{", headers={"HT-TOKEN": "x" * 16}),
    "quote, wrong token, no query": Call("GET", f"{BASE}/market/quote", headers={"HT-TOKEN": "x" * 16}),
}

SERVED = {
    "escaped id": other(PING.replace(INSTANCE, INSTANCE.replace("W", "%57", 1))),
    "lower-case header": Call("GET", PING, headers={"ht-token": TOKEN}),
    "blanks around the token": Call("GET", PING, headers={"HT-TOKEN": f"  {TOKEN}  "}),
    "a body that nobody reads": Call("GET", PING, {"a": 1}),
    "a query that nobody reads": other(f"{PING}?a=1&a=2&=&%zz"),
    "both tokens": Call("GET", PING, headers={**RIGHT, "Authorization": "Bearer nothing"}),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_the_same_404(pair: Pair, call: Call) -> None:
    """Status, content-type, content-length and body are httptrading's, whatever part of the request is wrong."""
    theirs, ours = pair.ask(call)
    assert theirs.status == 404
    assert ours == theirs


@pytest.mark.parametrize("call", SERVED.values(), ids=SERVED.keys())
def test_served_all_the_same(pair: Pair, call: Call) -> None:
    """Requests that only look odd are served by both."""
    theirs, ours = pair.values(call)
    assert theirs["pong"] is True
    assert ours == theirs
