"""Who gets in: everything else gets httptrading 1.0.8's 404, byte for byte."""

import pytest
from front_support import ONE, OTHER_TOKEN, TOKEN, TWO, Front

ROUTES = [
    ("GET", "ping/state"),
    ("GET", "market/quote?tradeType=Securities&region=US&symbol=AAPL"),
    ("GET", "market/state"),
    ("GET", "cash/state"),
    ("GET", "position/state"),
    ("POST", "order/place"),
    ("POST", "order/cancel"),
    ("GET", "order/state?orderId=1"),
]
STRANGERS = {
    "no token": (ONE, None),
    "empty token": (ONE, ""),
    "short token": (ONE, TOKEN[:15]),
    "wrong token": (ONE, "x" * 16),
    "long token": (ONE, "x" * 5000),
    "the digest itself": (ONE, "0" * 64),
    "the other instance's token": (ONE, OTHER_TOKEN),
    "unknown instance": ("Z" * 16, TOKEN),
    "unknown instance without token": ("Z" * 16, None),
    "no valid id": ("short", TOKEN),
}
NOT_FOUND = {"content-type": "text/plain; charset=utf-8", "content-length": "14"}


@pytest.mark.parametrize("stranger", STRANGERS)
@pytest.mark.parametrize(("verb", "route"), ROUTES)
def test_strangers_get_the_404_of_httptrading(front: Front, verb: str, route: str, stranger: str) -> None:
    """A wrong or missing id or token is answered as 1.0.8 answers it, whatever the route."""
    instance, token = STRANGERS[stranger]
    answer = front.ask(verb, front.path(route, instance), b"{}" if verb == "POST" else None, token=token)
    answer.headers.pop("date")
    assert (answer.status, answer.headers, answer.body) == (404, NOT_FOUND, b"404: Not Found")


@pytest.mark.parametrize(
    "path",
    [
        f"/httptrading/api/{ONE}/ping/state/",
        f"/httptrading/api/{ONE}//ping/state",
        f"/httptrading/api/{ONE}/ping%2Fstate",
        f"/httptrading/api/{ONE}/ping/State",
        f"/httptrading/api/{ONE}/unknown/route",
        f"/httptrading/api/../api/{ONE}/ping/state",
        "/httptrading/api/",
        "/httptrading/",
    ],
)
def test_unknown_paths_look_like_wrong_tokens(front: Front, path: str) -> None:
    """A path that 1.0.8 does not have gets its 404 with a right token too."""
    answer = front.ask("GET", path)
    assert (answer.status, answer.body) == (404, b"404: Not Found")


@pytest.mark.parametrize(
    "headers",
    [
        {"ht-token": TOKEN},
        {"HT-TOKEN": f"  {TOKEN}  "},
    ],
)
def test_the_token_header_as_http_has_it(front: Front, headers: dict[str, str]) -> None:
    """The header's name may be in any case and its value padded, as at 1.0.8."""
    assert front.get("ping/state", token=None, headers=headers)["pong"] is True


def test_the_first_token_counts(front: Front) -> None:
    """Of two HT-TOKEN headers the first one decides, as at 1.0.8."""
    request = "GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nHT-TOKEN: {}\r\nHT-TOKEN: {}\r\n\r\n"
    path = front.path("ping/state")
    assert front.raw(request.format(path, TOKEN, "wrong").encode()).startswith(b"HTTP/1.1 200 ")
    assert front.raw(request.format(path, "wrong", TOKEN).encode()).startswith(b"HTTP/1.1 404 ")


def test_escaped_letters_are_the_same_path(front: Front) -> None:
    """Percent escapes of plain letters name the same path, as at 1.0.8."""
    assert front.ask("GET", f"/httptrading/api/{ONE[:-1]}%33/ping/sta%74e").json["pong"] is True


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/instances", f"/v1/instances/{ONE}", "/v1/nonsense"])
@pytest.mark.parametrize("header", [None, "Bearer", "Bearer wrong", f"Basic {TOKEN}", "Bearer \xff"])
@pytest.mark.parametrize("verb", ["GET", "POST"])
def test_v1_tells_strangers_nothing(front: Front, verb: str, path: str, header: str | None) -> None:
    """Under /v1 every path is the same 401 to a caller without a key."""
    answer = front.ask(verb, path, headers={"Authorization": header} if header else {}, token=None)
    assert answer.status == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json["code"] == "bad_request"


def test_v1_with_a_key(front: Front) -> None:
    """A caller with a token is told that a path does not exist."""
    answer = front.ask("GET", "/v1/nonsense", headers={"Authorization": f"Bearer {TOKEN}"}, token=None)
    assert (answer.status, answer.json["code"]) == (404, "not_found")


def test_ids_are_shown_to_this_host_alone(front: Front) -> None:
    """Readiness and metrics name instances by alias to a caller behind a proxy, by id to this host and to tokens."""
    behind = {"X-Forwarded-For": "192.0.2.1"}
    for path in ("/readyz", "/metrics"):
        hidden = front.ask("GET", path, headers=behind, token=None).body.decode()
        assert ONE not in hidden
        assert TWO not in hidden
        assert "stub-1" in hidden
        assert ONE in front.ask("GET", path, token=None).body.decode()
        assert ONE in front.ask("GET", path, headers=behind).body.decode()


def test_no_token_in_the_log(front: Front) -> None:
    """What clients send as tokens never gets into the log."""
    front.get("ping/state")
    assert TOKEN not in front.log
    assert "HT-TOKEN" not in front.log
