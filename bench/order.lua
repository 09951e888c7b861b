-- Places a market order a request, each under a clientOrderId of its own that the front makes up; counts refusals.
local here = debug.getinfo(1, "S").source:match("@(.*/)")
dofile(here .. "report.lua")
local report, threads = done, {}

wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"tradeType":"Securities","region":"US","symbol":"AAPL","direction":"BUY","orderType":"Market",'
  .. '"timeInForce":"DAY","lifecycle":"RTH","qty":0.01}'
refused = 0

setup = function(thread) table.insert(threads, thread) end

response = function(status, headers, body)
  if not body:find('"ex":null', 1, true) then refused = refused + 1 end
end

done = function(summary, latency, requests)
  for _, thread in ipairs(threads) do summary.errors.status = summary.errors.status + thread:get("refused") end
  report(summary, latency, requests)
end
