-- Prints what wrk counted as one line of JSON; there is no request function, so nothing runs per request.
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.6f, "p50": %.1f, "p99": %.1f, "errors": %d, "refused": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50.0), latency:percentile(99.0),
    errors.connect + errors.read + errors.write + errors.timeout, errors.status))
end
