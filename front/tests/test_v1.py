"""/v1: what each route asks the worker, answers and refuses, and that the document tells the same."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from front_support import ONE, OTHER_TOKEN, TOKEN, TWO, Answer, Front, running
from raw_worker import CONTRACT, FILL, RESULTS
from raw_worker import ORDER as STATE

from brokerbus.errors import BY_CODE, Conflict
from brokerbus_front import problems
from brokerbus_front.v1.routes import ROUTES, Route, match

ORDER = {"contract": "US.AAPL", "direction": "BUY", "orderType": "Limit", "qty": 1, "price": 10.5}
PROBLEM = "application/problem+json"


def last(front: Front) -> tuple[str, dict[str, Any]]:
    """What the worker was asked last."""
    seen = front.seen()[-1]
    return seen["method"], seen["params"]


def problem(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """The body of an RFC 9457 problem."""
    assert (answer.status, answer.headers["content-type"]) == (status, PROBLEM), answer
    assert answer.json["code"] == code
    assert answer.json["status"] == status
    return answer.json


@pytest.mark.parametrize(
    ("path", "method", "params"),
    [
        ("/accounts", "accounts", {}),
        ("/cash", "cash", {}),
        ("/balances", "balances", {}),
        ("/positions", "positions", {}),
        ("/markets", "market_status", {}),
        ("/fills", "fills", {}),
        ("/fills?since=1700000000000", "fills", {"since": 1700000000000}),
        ("/orders", "orders", {"open": False}),
        ("/orders?open=true&since=2026-11-21T09:30:00Z", "orders", {"open": True, "since": 1795253400000}),
        ("/orders?since=2026-11-21T17:30:00.250%2B08:00", "orders", {"open": False, "since": 1795253400250}),
        ("/orders?since=2026-11-21T17:30:00+08:00", "orders", {"open": False, "since": 1795253400000}),
        ("/orders/o1", "order", {"orderId": "o1"}),
        ("/orders/a%2Fb%20c", "order", {"orderId": "a/b c"}),
        ("/quotes?symbols=AAPL.US", "quotes", {"contracts": [CONTRACT]}),
    ],
)
def test_reading(front: Front, path: str, method: str, params: dict) -> None:
    """A reading route asks one method and answers with its result whole, also what the front does not know of it."""
    answer = front.v1("GET", path)
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    assert answer.headers["cache-control"] == "no-store"
    assert last(front) == (method, params)
    assert answer.json == RESULTS[method]
    assert front.v1("HEAD", path).body == b""


def test_what_the_front_does_not_know_is_passed_on(front: Front) -> None:
    """Members that a worker adds to an order or a fill reach the client."""
    assert front.v1("GET", "/fills").json[0]["fee"] == FILL["fee"]
    assert front.v1("GET", "/orders/o1").json == STATE


def test_an_order_by_its_name(front: Front) -> None:
    """?clientOrderId= answers with a list of the one order, an empty one when there is none, or that it is unknown."""
    answer = front.v1("GET", "/orders?clientOrderId=c1")
    assert (answer.status, answer.json, last(front)) == (200, [STATE], ("order", {"clientOrderId": "c1"}))
    assert front.v1("GET", "/orders?clientOrderId=UNKNOWN").json == []
    problem(front.v1("GET", "/orders?clientOrderId=UNSURE"), 504, "unknown_outcome")
    problem(front.v1("GET", "/orders?clientOrderId=c1&open=true"), 400, "bad_request")
    problem(front.v1("GET", "/orders?clientOrderId=" + "x" * 33), 400, "bad_request")


def test_instances(home) -> None:
    """A token lists its own instances with what their workers say, or that there is no worker."""
    with running(home, (ONE,)) as front:
        headers = {"Authorization": f"Bearer {TOKEN}"}
        listed = front.ask("GET", "/v1/instances", headers=headers).json
        assert [one["id"] for one in listed] == [ONE]
        assert (listed[0]["state"], listed[0]["session"], listed[0]["halted"]) == ("ready", "up", None)
        assert front.v1("GET", "").json == {**listed[0], "capabilities": RESULTS["capabilities"]}
        other = front.ask("GET", f"/v1/instances/{TWO}", headers={"Authorization": f"Bearer {OTHER_TOKEN}"}).json
        assert (other["state"], other["session"], other["capabilities"]) == ("stopped", "unknown", None)


def test_placing(front: Front) -> None:
    """A new order is 201 with its Location; a name is made up, or taken from header or body."""
    answer = front.v1("POST", "/orders", ORDER)
    assert (answer.status, answer.json["orderId"]) == (201, "o1")
    assert answer.headers["location"] == f"/v1/instances/{ONE}/orders/o1"
    method, params = last(front)
    assert method == "place_order"
    assert params == {
        **ORDER,
        "contract": CONTRACT,
        "timeInForce": "DAY",
        "lifecycle": "RTH",
        "clientOrderId": answer.json["clientOrderId"],
    }
    for fields, headers in (({"clientOrderId": "c-1"}, {}), ({}, {"Idempotency-Key": "c-1"})):
        assert front.v1("POST", "/orders", {**ORDER, **fields}, headers=headers).json["clientOrderId"] == "c-1"
        assert last(front)[1]["clientOrderId"] == "c-1"


def test_httptradings_names_of_a_contract(front: Front) -> None:
    """tradeType, region and symbol name a contract here too; beside `contract` they are refused."""
    order = {key: value for key, value in ORDER.items() if key != "contract"}
    named = {"tradeType": "Securities", "region": "US", "symbol": "AAPL"}
    for fields in (named, {"symbol": "AAPL.US"}, {"contract": CONTRACT}):
        assert front.v1("POST", "/orders", {**order, **fields}).status == 201
        assert last(front)[1]["contract"] == CONTRACT
    problem(front.v1("POST", "/orders", {**ORDER, "symbol": "AAPL"}), 400, "bad_request")


def test_changing_and_cancelling(front: Front) -> None:
    """PATCH and DELETE are 202: asked for, not yet done."""
    answer = front.v1("PATCH", "/orders/o1", {"qty": 2, "price": None})
    assert (answer.status, answer.json) == (202, {"orderId": "o1"})
    assert last(front) == ("modify_order", {"orderId": "o1", "qty": 2})
    answer = front.v1("DELETE", "/orders/o1")
    assert (answer.status, answer.json) == (202, {"canceled": True})
    assert last(front) == ("cancel_order", {"orderId": "o1"})


def test_halt_and_resume(front: Front) -> None:
    """A halt needs no body in an emergency; what it says goes to the worker."""
    answer = front.v1("POST", "/halt", {"reason": "fat finger"})
    assert (answer.status, answer.json) == (200, {"halted": True, "reason": "fat finger"})
    assert last(front) == ("halt", {"reason": "fat finger"})
    assert front.v1("POST", "/halt").json["halted"] is True
    assert front.v1("POST", "/resume").json["halted"] is False
    assert last(front)[0] == "resume"


@pytest.mark.parametrize(
    ("verb", "path", "fields", "named"),
    [
        ("POST", "/orders", {**ORDER, "qtty": 5}, "qtty"),
        ("POST", "/orders", {**ORDER, "args": None}, "args"),
        ("POST", "/orders", {**ORDER, "price": "10.5"}, "price"),
        ("POST", "/orders", {**ORDER, "qty": True}, "qty"),
        ("POST", "/orders", {**ORDER, "contract": None}, "contract"),
        ("POST", "/orders", {**ORDER, "contract": "AAPL"}, "contract"),
        ("POST", "/orders", {"qty": 1}, "contract"),
        ("POST", "/orders", {**ORDER, "clientOrderId": "x" * 33}, "clientOrderId"),
        ("POST", "/orders", b"", "body"),
        ("POST", "/orders", b"[]", "body"),
        ("POST", "/orders", b'{"qty":NaN}', "body"),
        ("POST", "/orders", b'{"qty":1,"qty":2}', "body"),
        ("POST", "/orders?dry=1", ORDER, "dry"),
        ("PATCH", "/orders/o1", {}, "qty"),
        ("PATCH", "/orders/o1", {"qty": -1}, "qty"),
        ("PATCH", "/orders/o1", {"orderId": "o2", "qty": 1}, "orderId"),
        ("POST", "/halt", {"reason": 5}, "reason"),
        ("POST", "/halt", {"why": "x"}, "why"),
        ("GET", "/orders?opne=true", None, "opne"),
        ("GET", "/orders?open=yes", None, "open"),
        ("GET", "/orders?open=true&open=false", None, "twice"),
        ("GET", "/orders?open=%ff", None, "query"),
        ("GET", "/orders?since=yesterday", None, "since"),
        ("GET", "/orders?since=2026-11-21T09:30:00", None, "since"),
        ("GET", "/orders?since=-5", None, "since"),
        ("GET", "/orders?since=9999-99-99T00:00:00Z", None, "since"),
        ("GET", "/quotes", None, "symbols"),
        ("GET", "/quotes?symbols=US.AAPL,", None, "symbols"),
        ("GET", "/quotes?symbols=" + ",".join(["US.AAPL"] * 401), None, "symbols"),
        ("GET", "/cash?x=1", None, "x"),
    ],
)
def test_what_does_not_fit(front: Front, verb: str, path: str, fields: Any, named: str) -> None:
    """Unknown, wrong or contradictory parameters are 400, named, and nothing reaches the worker."""
    before = len(front.seen())
    assert named in problem(front.v1(verb, path, fields), 400, "bad_request")["detail"]
    assert len(front.seen()) == before


def test_two_names_for_one_order(front: Front) -> None:
    """Idempotency-Key and clientOrderId must agree."""
    answer = front.v1("POST", "/orders", {**ORDER, "clientOrderId": "a"}, headers={"Idempotency-Key": "b"})
    problem(answer, 400, "bad_request")


@pytest.mark.parametrize(
    ("whim", "status", "code", "info"),
    [
        ("REFUSED", 422, "rejected", {"code": "7"}),
        ("OTHER", 422, "conflict", {"reason": "content", "orderId": "o1"}),
        ("TWIN", 409, "conflict", {"reason": "in_flight"}),
        ("HALTED", 423, "halted", None),
        ("DOWN", 503, "unavailable", None),
    ],
)
def test_what_the_worker_refuses(front: Front, whim: str, status: int, code: str, info: Any) -> None:
    """Each code has its status, its detail and the name under which the order may be asked for again."""
    told = problem(front.v1("POST", "/orders", {**ORDER, "clientOrderId": whim}), status, code)
    assert told.get("info") == info
    assert told["clientOrderId"] == whim


def test_an_odd_refusal(front: Front) -> None:
    """A worker's detail that JSON cannot carry, and a pause that is no time, do not spoil the answer."""
    answer = front.v1("POST", "/orders", {**ORDER, "clientOrderId": "ODD"})
    assert set(problem(answer, 429, "rate_limited")["info"]) == {"x", "y", "z"}
    assert "retry-after" not in answer.headers


def test_answers_that_do_not_fit(front: Front) -> None:
    """A read whose answer has the wrong shape is 500; an order's is asked for again."""
    problem(front.v1("GET", "/orders/MISFIT"), 500, "internal")
    assert front.v1("POST", "/orders", {**ORDER, "clientOrderId": "Misfit_Once"}).status == 201


def test_no_such_order(front: Front) -> None:
    """An order that the broker does not have is 404 with its own words."""
    assert problem(front.v1("GET", "/orders/UNKNOWN"), 404, "not_found")["detail"] == "no such order"


@pytest.mark.parametrize("verb", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "TRACE"])
def test_strangers_cannot_tell_paths_apart(front: Front, verb: str) -> None:
    """Without a valid token every path, instance and method under /v1 gets the same bytes."""
    paths = ["/v1", "/v1/instances", f"/v1/instances/{ONE}/orders", f"/v1/instances/{'Z' * 16}/orders", "/v1/no%2Fpath"]
    found = set()
    for path in paths:
        for token in (None, "wrong", ""):
            headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
            answer = front.ask(verb, path, b"{", headers, None)
            found.add((answer.status, answer.body, tuple(sorted({**answer.headers, "date": ""}.items()))))
    ((status, _, _),) = found
    assert status == 401


@pytest.mark.parametrize("tail", ["", "/orders", "/orders/o1", "/halt", "/nonsense"])
@pytest.mark.parametrize("verb", ["GET", "POST", "PATCH"])
def test_anothers_instance_is_an_unknown_path(front: Front, verb: str, tail: str) -> None:
    """With a valid token, an instance that it does not open looks like a path that does not exist, and is not asked."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    before = len(front.seen(TWO))
    answers = [
        front.ask(verb, path, b"{}", headers, None)
        for path in (f"/v1/instances/{TWO}{tail}", f"/v1/instances/{'Z' * 16}{tail}", "/v1/nonsense", "/v1/instances/")
    ]
    assert {(answer.status, answer.body) for answer in answers} == {(404, answers[0].body)}
    assert len(front.seen(TWO)) == before


def test_a_method_that_a_path_does_not_have(front: Front) -> None:
    """A known path with another method is 405 and names those that it has."""
    answer = front.v1("PUT", "/orders")
    problem(answer, 405, "unknown_method")
    assert answer.headers["allow"] == "GET, POST"


@pytest.mark.parametrize("code", [*BY_CODE, "content"])
def test_statuses(code: str) -> None:
    """The status of each code is the contract's; a conflict over content is 422."""
    wanted = {
        "bad_request": 400, "unknown_method": 404, "unsupported": 501, "not_found": 404, "rejected": 422,
        "rate_limited": 429, "conflict": 409, "halted": 423, "unavailable": 503, "expired": 504,
        "unknown_outcome": 504, "internal": 500, "content": 422,
    }  # fmt: skip
    error = Conflict("x", detail={"reason": "content"}) if code == "content" else BY_CODE[code]("x")
    assert problems.answer(error).status == wanted[code]


def test_served_is_declared_and_declared_is_served(front: Front) -> None:
    """The document has exactly the table's routes, and each of them finds its own row when it is asked for."""
    document = front.ask("GET", "/openapi.json", token=None).json
    declared = {(verb.upper(), path) for path, verbs in document["paths"].items() for verb in verbs if "/v1" in path}
    assert declared == {(route.verb, route.path) for route in ROUTES}
    for route in ROUTES:
        assert match(route.path.replace("{orderId}", "o1").split("/")[2:])[route.verb] is route
    assert len(
        {operation["operationId"] for verbs in document["paths"].values() for operation in verbs.values()}
    ) == sum(len(verbs) for verbs in document["paths"].values())


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.verb} {route.path}")
def test_examples_are_true(route: Route) -> None:
    """Each example of the document has the type that the route answers with, and each body's example its members."""
    assert msgspec.json.decode(msgspec.json.encode(route.example), type=route.result) is not None
    if route.body is not None:
        assert set(route.body.required) <= set(route.body.example) <= set(route.body.members)


def everywhere(front: Front, verb: str, path: str, body: bytes = b"{}", token: str | None = TOKEN) -> Answer:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return front.ask(verb, path, body if verb == "POST" else None, headers, None)


def test_halt_and_resume_everywhere(front: Front) -> None:
    """A key halts all of its instances with one request, and is told of each; strangers get the same 401."""
    halted = everywhere(front, "POST", "/v1/halt", b'{"reason": "a storm"}')
    assert (halted.status, halted.json) == (
        200,
        [{"instance": ONE, "halted": True, "reason": "a storm"}],
    )
    resumed = everywhere(front, "POST", "/v1/resume")
    assert (resumed.status, resumed.json[0]["halted"]) == (200, False)
    problem(everywhere(front, "POST", "/v1/halt", b'{"why": "x"}'), 400, "bad_request")
    assert everywhere(front, "GET", "/v1/halt").status == 405
    assert everywhere(front, "POST", "/v1/halt", token=None).status == 401
