"""Answers the requests about accounts, funds, positions, orders and fills."""

from __future__ import annotations

import time
from typing import Any, Iterator

from . import clock, render_trade
from .accounts import Account
from .codes import Env, ModifyOp, Proto, Refused, trade_market
from .messages import given, offer
from .orders import Fill, Order
from .world import Answer, Link, World

LONGEST_REMARK = 64
"""Bytes of UTF-8 (Trd_PlaceOrder.proto)."""


def acc_list(world: World, link: Link, c2s: Any, s2c: Any) -> None:
    """Accounts, disabled ones first; universal ones only when asked for."""
    for account in world.accounts.all:
        if account.universal and not c2s.needGeneralSecAccount:
            continue
        row = s2c.accList.add()
        row.trdEnv, row.accID, row.accType = account.env, account.acc_id, account.acc_type
        row.trdMarketAuthList.extend(account.markets)
        offer(row, accStatus=int(account.disabled), accRole=1)
        if account.real:
            row.securityFirm, row.cardNum = account.firm, account.card
            offer(row, uniCardNum=account.card)
        else:
            row.simAccType = 1


def unlock_trade(world: World, link: Link, c2s: Any, s2c: Any) -> None:
    """Lock or unlock REAL trading on this connection."""
    if c2s.unlock and c2s.pwdMD5.lower() != world.options.password_md5.lower():
        raise Refused("Wrong trade password")
    link.unlocked = c2s.unlock


def sub_acc_push(world: World, link: Link, c2s: Any, s2c: Any) -> None:
    """The whole list of accounts whose pushes go to this connection: it replaces the one before."""
    for acc_id in c2s.accIDList:
        world.accounts.find(acc_id)
    link.acc_push = set(c2s.accIDList)


def funds(world: World, link: Link, c2s: Any, s2c: Any) -> None:
    """Funds of one account."""
    account = _account(world, c2s, s2c)
    render_trade.write_funds(world, account, c2s.currency, s2c.funds)


def positions(world: World, link: Link, c2s: Any, s2c: Any) -> None:
    """Positions of one account, filtered by code, market and profit."""
    account = _account(world, c2s, s2c)
    wanted = c2s.filterConditions
    for code, holding in account.holdings.items():
        prefix, _, symbol = code.partition(".")
        market = trade_market(prefix, account.env)
        if wanted.codeList and symbol not in wanted.codeList:
            continue
        if (given(wanted, "filterMarket") or market) != market:
            continue
        row = s2c.positionList.add()
        render_trade.write_position(world, account, code, holding, row)
        low = _or(given(c2s, "filterPLRatioMin"), row.plRatio)
        high = _or(given(c2s, "filterPLRatioMax"), row.plRatio)
        if not low <= row.plRatio <= high:
            del s2c.positionList[-1]


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


def max_trd_qtys(world: World, link: Link, c2s: Any, s2c: Any) -> None:
    """What the account could buy and sell at a price."""
    account = _account(world, c2s, s2c)
    security = world.securities.of_order(c2s.secMarket, c2s.code, c2s.header.trdMarket)
    render_trade.write_max_qtys(world, account, security, c2s, s2c.maxTrdQtys)


def place_order(world: World, link: Link, c2s: Any, s2c: Any) -> None:
    """Take an order; the answer carries both of its ids."""
    account = _trading_account(world, link, c2s, s2c)
    security = world.securities.of_order(c2s.secMarket, c2s.code, c2s.header.trdMarket)
    if trade_market(security.prefix, account.env) != c2s.header.trdMarket:
        raise Refused(f"{security.code} does not trade in market {c2s.header.trdMarket}")
    if len(c2s.remark.encode("utf-8")) > LONGEST_REMARK:
        raise Refused(f"The remark is longer than {LONGEST_REMARK} bytes")
    price = security.round(c2s.price) if c2s.adjustPrice else c2s.price
    order = world.desk.place(account, security, _terms(c2s, price))
    s2c.orderID = order.order_id
    offer(s2c, orderIDEx=order.order_id_ex)


def _terms(c2s: Any, price: float) -> dict[str, Any]:
    return {
        "trd_market": c2s.header.trdMarket,
        "side": c2s.trdSide,
        "order_type": c2s.orderType,
        "qty": c2s.qty,
        "price": price,
        "aux_price": given(c2s, "auxPrice"),
        "remark": given(c2s, "remark"),
        "time_in_force": c2s.timeInForce,
        "outside_rth": c2s.fillOutsideRTH,
        "session": given(c2s, "session"),
        "expire_time": given(c2s, "expireTime"),
        "packet": (c2s.packetID.connID, c2s.packetID.serialNo),
    }


def modify_order(world: World, link: Link, c2s: Any, s2c: Any) -> None:
    """Change, cancel, disable, enable or delete one order; or cancel all of an account."""
    account = _trading_account(world, link, c2s, s2c)
    if c2s.forAll:
        s2c.orderID = 0
        _cancel_all(world, account, c2s)
        return
    wanted = given(c2s, "orderIDEx") or c2s.orderID
    order = world.desk.find(wanted)
    if order.acc_id != account.acc_id:
        raise Refused(f"Order {wanted} does not exist")
    aux_price = given(c2s, "auxPrice")
    world.desk.modify(order, c2s.modifyOrderOp, c2s.qty, c2s.price, aux_price)
    s2c.orderID = order.order_id
    offer(s2c, orderIDEx=order.order_id_ex)


def _cancel_all(world: World, account: Account, c2s: Any) -> None:
    if c2s.modifyOrderOp != ModifyOp.CANCEL:
        raise Refused("Only a cancellation may be asked for all orders")
    for order in list(world.desk.orders.values()):
        if (
            order.open
            and order.acc_id == account.acc_id
            and (given(c2s, "trdMarket") or order.trd_market) == order.trd_market
        ):
            world.desk.cancel(order)


def order_list(world: World, link: Link, c2s: Any, s2c: Any) -> None:
    """Orders of today."""
    account = _account(world, c2s, s2c)
    for order in _orders(world, account, c2s):
        if order.today:
            render_trade.write_order(order, s2c.orderList.add())


def history_orders(world: World, link: Link, c2s: Any, s2c: Any) -> None:
    """Orders of all days that are done with, newest first."""
    account = _account(world, c2s, s2c)
    for order in reversed(list(_orders(world, account, c2s))):
        if not (order.today and order.open):
            render_trade.write_order(order, s2c.orderList.add())


def _orders(world: World, account: Account, c2s: Any) -> Iterator[Order]:
    wanted, now = c2s.filterConditions, time.time()
    for order in world.desk.orders.values():
        if order.acc_id != account.acc_id or order.visible_from > now:
            continue
        if c2s.filterStatusList and order.status not in c2s.filterStatusList:
            continue
        if wanted.idList and order.order_id not in wanted.idList:
            continue
        ids = getattr(wanted, "orderIDExList", ())
        if ids and order.order_id_ex not in ids:
            continue
        if _within(wanted, order, order.created):
            yield order


def _within(wanted: Any, order: Order, moment: float) -> bool:
    prefix, _, symbol = order.code.partition(".")
    if wanted.codeList and symbol not in wanted.codeList:
        return False
    if (given(wanted, "filterMarket") or order.trd_market) != order.trd_market:
        return False
    written = clock.text(prefix, moment)
    return (not wanted.beginTime or written >= wanted.beginTime[:19]) and (
        not wanted.endTime or written <= wanted.endTime[:19]
    )


def fill_list(world: World, link: Link, c2s: Any, s2c: Any) -> None:
    """Fills of today's orders."""
    for fill in _fills(world, _account(world, c2s, s2c), c2s):
        if fill.order.today:
            render_trade.write_fill(fill, s2c.orderFillList.add())


def history_fills(world: World, link: Link, c2s: Any, s2c: Any) -> None:
    """Fills of all days, newest first."""
    for fill in reversed(list(_fills(world, _account(world, c2s, s2c), c2s))):
        render_trade.write_fill(fill, s2c.orderFillList.add())


def _fills(world: World, account: Account, c2s: Any) -> Iterator[Fill]:
    if not account.real and not world.options.simulate_deals:
        raise Refused("Simulated trading does not support deal queries")
    now = time.time()
    for fill in world.desk.fills:
        visible = fill.order.acc_id == account.acc_id and fill.order.visible_from <= now
        if visible and _within(c2s.filterConditions, fill.order, fill.created):
            yield fill


def order_fee(world: World, link: Link, c2s: Any, s2c: Any) -> None:
    """A made-up fee for every order asked for."""
    _account(world, c2s, s2c)
    for order_id in c2s.orderIdExList:
        order = world.desk.find(order_id)
        row = s2c.orderFeeList.add()
        row.orderIDEx, row.feeAmount = order.order_id_ex, round(order.turnover * 0.0003, 2)
        item = row.feeList.add()
        item.title, item.value = "Commission", row.feeAmount


def _account(world: World, c2s: Any, s2c: Any) -> Account:
    account = world.accounts.usable(c2s.header)
    s2c.header.CopyFrom(c2s.header)
    return account


def _trading_account(world: World, link: Link, c2s: Any, s2c: Any) -> Account:
    account = _account(world, c2s, s2c)
    if account.env == Env.REAL and not world.unlocked(link):
        raise Refused("Trading is locked: unlock it first")
    packet = (c2s.packetID.connID, c2s.packetID.serialNo)
    if packet in world.seen_packets:
        raise Refused(f"Repeated packet {packet[1]}")
    world.seen_packets.add(packet)
    return account


ANSWERS: dict[int, Answer] = {
    Proto.ACC_LIST: acc_list,
    Proto.UNLOCK_TRADE: unlock_trade,
    Proto.SUB_ACC_PUSH: sub_acc_push,
    Proto.FUNDS: funds,
    Proto.POSITIONS: positions,
    Proto.MAX_TRD_QTYS: max_trd_qtys,
    Proto.PLACE_ORDER: place_order,
    Proto.MODIFY_ORDER: modify_order,
    Proto.ORDER_LIST: order_list,
    Proto.HISTORY_ORDERS: history_orders,
    Proto.FILL_LIST: fill_list,
    Proto.HISTORY_FILLS: history_fills,
    Proto.ORDER_FEE: order_fee,
}
