"""``brokerbus order``: what only a person can say of an order."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from brokerbus.errors import BusError
from brokerbus_deploy.config import ConfigError, load
from brokerbus_deploy.lifecycle import ANSWER_SECONDS, ask, layout_of

order_app = typer.Typer(help="Orders whose outcome nobody knows.", no_args_is_help=True, rich_markup_mode=None)


@order_app.command("resolve")
def resolve(
    context: typer.Context,
    instance: Annotated[str, typer.Argument(metavar="ID")],
    tag: Annotated[str, typer.Argument(metavar="CLIENT_ORDER_ID")],
    order_id: Annotated[str, typer.Option("--order-id", help="The id that the order has at the broker.")] = "",
    never_sent: Annotated[bool, typer.Option("--never-sent", help="There is no such order at the broker.")] = False,
) -> None:
    """Says what became of an order with unknown outcome, after you looked at the broker's own application.

    Only an order that is still unknown can be resolved, and once. After --never-sent its clientOrderId is
    free again: whoever retries it places a new order.

    Example: brokerbus order resolve WyLqtMhDvAnBb6a3 my-order-17 --order-id 281756455988247915
    """
    if bool(order_id) == never_sent:
        _stop(2, "expected one of --order-id X and --never-sent")
    params: dict[str, Any] = {"clientOrderId": tag, **({"neverSent": True} if never_sent else {"orderId": order_id})}
    try:
        config = load(Path(context.find_root().obj))
        known = [one.id for one in config.instances]
        if instance not in known:
            _stop(2, f"{instance}: no such instance; those here: {', '.join(known)}")
        print(json.dumps(ask(layout_of(config), instance, "resolve_order", params, ANSWER_SECONDS)))
    except ConfigError as error:
        _stop(2, *error.lines)
    except BusError as error:
        _stop(1, f"{error.code}: {error.message}")


def _stop(code: int, *lines: str) -> None:
    print("\n".join(lines), file=sys.stderr)
    raise typer.Exit(code)
