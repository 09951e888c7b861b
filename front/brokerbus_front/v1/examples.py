"""What the answers of /v1 look like in its document."""

ID, ORDER_ID = "WyLqtMhDvAnBb6a3", "8051813"
CONTRACT = {"type": "contract", "tradeType": "Securities", "region": "US", "symbol": "AAPL"}
MOMENT = "2026-11-21T09:30:00.000Z"
STANDING = {
    "id": ID,
    "broker": "futu",
    "brokerDisplay": "富途证券",
    "state": "ready",
    "session": "up",
    "reason": None,
    "halted": None,
    "unknown": 0,
    "inflight": 0,
    "subscriptions": 2,
    "lastPushAge": 0.4,
}
CAPABILITIES = {
    "methods": ["ping", "place_order"],
    "kinds": ["status"],
    "regions": ["US"],
    "sdk": None,
    "python": "3.12.1",
}
ORDER = {
    "type": "order",
    "orderId": ORDER_ID,
    "clientOrderId": "my-order_1",
    "contract": CONTRACT,
    "direction": "BUY",
    "orderType": "Limit",
    "timeInForce": "DAY",
    "currency": "USD",
    "qty": 10,
    "price": 185.5,
    "filledQty": 0,
    "avgPrice": 0.0,
    "status": "SUBMITTED",
    "errorReason": "",
    "isCanceled": False,
    "isFilled": False,
    "isCompleted": False,
    "isCancelable": True,
    "origin": "bus",
    "createdAt": MOMENT,
    "updatedAt": MOMENT,
}
FILL = {
    "type": "fill",
    "fillId": "77",
    "orderId": ORDER_ID,
    "clientOrderId": "my-order_1",
    "contract": CONTRACT,
    "direction": "BUY",
    "qty": 10,
    "price": 185.5,
    "timestamp": 1795253400000,
}
QUOTE = {
    "type": "quote",
    "contract": CONTRACT,
    "currency": "USD",
    "isTradable": True,
    "latest": 185.5,
    "preClose": 184.0,
    "highPrice": 186.0,
    "lowPrice": 183.5,
    "openPrice": 184.2,
    "timestamp": 1795253400000,
}
POSITION = {
    "type": "position",
    "broker": "futu",
    "brokerDisplay": "富途证券",
    "contract": CONTRACT,
    "unit": "Share",
    "currency": "USD",
    "qty": 10,
}
BALANCE = {"type": "balance", "currency": "USD", "cash": 1000.0, "available": 900.0, "netAssets": 2000.0}
MARKETS = {
    "securities": {"US": {"type": "marketStatus", "region": "US", "originStatus": "OPEN", "unifiedStatus": "RTH"}},
    "type": "marketStatusMap",
}
