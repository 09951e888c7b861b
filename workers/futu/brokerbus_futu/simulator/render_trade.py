"""Writes orders, fills, funds and positions into the vendor's messages."""

from __future__ import annotations

from typing import Any

from . import clock
from .accounts import Account, Holding, convert
from .checks import frozen_cash, frozen_qty, power
from .codes import CURRENCIES, CURRENCY_OF, SEC_MARKETS, OrderType, Refused, TrdMarket, trade_market
from .messages import offer
from .orders import Fill, Order
from .securities import Security
from .world import World

MARKET_CURRENCY = {TrdMarket.HK: "HKD", TrdMarket.US: "USD", TrdMarket.HKCC: "CNH", TrdMarket.CN: "CNH"}


def write_order(order: Order, message: Any) -> None:
    """``Trd_Common.Order``; create and update time exchange-local, ids distinct as number and text."""
    prefix, _, symbol = order.code.partition(".")
    message.trdSide, message.orderType, message.orderStatus = order.side, order.order_type, order.status
    message.orderID, message.orderIDEx = order.order_id, order.order_id_ex
    message.code, message.name = symbol, order.name
    message.qty, message.price = order.qty, order.price
    message.createTime = clock.text(prefix, order.created, milliseconds=True)
    message.updateTime = clock.text(prefix, order.updated, milliseconds=True)
    message.createTimestamp, message.updateTimestamp = order.created, order.updated
    message.fillQty, message.fillAvgPrice = order.filled, order.average
    message.lastErrMsg = order.error
    message.secMarket = SEC_MARKETS[prefix]
    _write_optional(order, message)


def _write_optional(order: Order, message: Any) -> None:
    offer(
        message,
        remark=order.remark,
        auxPrice=order.aux_price,
        session=order.session,
        expireTime=order.expire_time,
        currency=CURRENCIES[order.currency],
        trdMarket=order.trd_market,
        timeInForce=order.time_in_force,
        fillOutsideRTH=order.outside_rth,
    )


def write_fill(fill: Fill, message: Any) -> None:
    """``Trd_Common.OrderFill``."""
    order = fill.order
    prefix, _, symbol = order.code.partition(".")
    message.trdSide, message.fillID, message.fillIDEx = order.side, fill.fill_id, fill.fill_id_ex
    message.orderID, message.orderIDEx = order.order_id, order.order_id_ex
    message.code, message.name = symbol, order.name
    message.qty, message.price = fill.qty, fill.price
    offer(message, trdMarket=order.trd_market)
    message.createTime = clock.text(prefix, fill.created, milliseconds=True)
    message.createTimestamp = message.updateTimestamp = fill.created
    message.secMarket, message.status = SEC_MARKETS[prefix], fill.status


def write_position(world: World, account: Account, code: str, holding: Holding, message: Any) -> None:
    """``Trd_Common.Position``; ratios as fractions, which the SDK turns into per cent."""
    security = world.securities.get(code)
    orders = list(world.desk.orders.values())
    profit = (security.price - holding.cost) * holding.qty
    message.positionID, message.positionSide = holding.position_id, 0
    message.code, message.name = security.symbol, security.name
    message.qty = holding.qty
    message.canSellQty = max(0.0, holding.qty - frozen_qty(account, orders, code))
    message.price, message.val = security.price, round(holding.qty * security.price, 3)
    message.costPrice = holding.cost
    message.plVal = message.unrealizedPL = round(profit, 3)
    message.plRatio = security.price / holding.cost - 1 if holding.cost else 0.0
    offer(message, dilutedCostPrice=holding.cost, averageCostPrice=holding.cost, averagePlRatio=message.plRatio)
    message.realizedPL = round(holding.realized, 3)
    message.secMarket = SEC_MARKETS[security.prefix]
    offer(
        message,
        trdMarket=trade_market(security.prefix, account.env),
        currency=CURRENCIES[CURRENCY_OF[security.prefix]],
        accID=account.acc_id,
    )


def market_value(world: World, account: Account, currency: str) -> float:
    """Value of the positions that trade in a currency."""
    return sum(
        holding.qty * world.securities.get(code).price
        for code, holding in account.holdings.items()
        if CURRENCY_OF[code.partition(".")[0]] == currency
    )


def write_funds(world: World, account: Account, wanted: int, message: Any) -> None:
    """``Trd_Common.Funds``; a universal account is told in the currency asked for, any other in its own."""
    into = next((name for name, number in CURRENCIES.items() if number == wanted), None)
    if account.universal and into is None:
        raise Refused("The currency is required for a universal account")
    into = into if account.universal and into else account.base_currency
    orders = list(world.desk.orders.values())
    currencies = sorted(account.cash) or [into]
    cash = sum(convert(amount, name, into) for name, amount in account.cash.items())
    value = sum(convert(market_value(world, account, name), name, into) for name in CURRENCIES)
    frozen = sum(convert(frozen_cash(account, orders, name), name, into) for name in currencies)
    message.power = message.maxPowerShort = sum(
        convert(power(account, orders, name), name, into) for name in currencies
    )
    message.totalAssets = cash + value
    offer(message, securitiesAssets=cash + value, fundAssets=0.0, bondAssets=0.0)
    message.cash, message.marketVal, message.longMv = cash, value, value
    message.frozenCash, message.debtCash = frozen, 0.0
    message.avlWithdrawalCash = message.maxWithdrawal = message.netCashPower = max(0.0, cash - frozen)
    message.shortMv = message.pendingAsset = 0.0
    message.initialMargin, message.maintenanceMargin = value * 0.5, value * 0.4
    message.currency, message.riskStatus = CURRENCIES[into], 2
    _write_cash(world, account, orders, message)


def _write_cash(world: World, account: Account, orders: list[Order], message: Any) -> None:
    for name in sorted(account.cash):
        info = message.cashInfoList.add()
        free = account.cash[name] - frozen_cash(account, orders, name)
        info.currency, info.cash = CURRENCIES[name], account.cash[name]
        info.availableBalance = max(0.0, free)
        offer(info, netCashPower=max(0.0, free))
    for market in account.markets if hasattr(message, "marketInfoList") else ():
        if market in MARKET_CURRENCY:
            info = message.marketInfoList.add()
            info.trdMarket, info.assets = market, market_value(world, account, MARKET_CURRENCY[TrdMarket(market)])


def write_max_qtys(world: World, account: Account, security: Security, c2s: Any, message: Any) -> None:
    """``Trd_Common.MaxTrdQtys``: whole lots that cash, margin and position allow."""
    orders = list(world.desk.orders.values())
    currency = CURRENCY_OF[security.prefix]
    price = security.price if c2s.orderType == OrderType.MARKET or c2s.price <= 0 else c2s.price
    cash = max(0.0, account.cash.get(currency, 0.0) - frozen_cash(account, orders, currency))
    holding = account.holdings.get(security.code)
    message.maxCashBuy = cash / price // security.lot * security.lot
    message.maxCashAndMarginBuy = power(account, orders, currency) / price // security.lot * security.lot
    message.maxPositionSell = max(0.0, (holding.qty if holding else 0.0) - frozen_qty(account, orders, security.code))
    message.maxSellShort = message.maxBuyBack = 0.0
