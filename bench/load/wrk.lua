-- The request comes from the environment; the result leaves as one line of JSON.
-- There is no response() here: called for each response, it would make wrk the bottleneck.

wrk.method = os.getenv("BENCH_METHOD")

local body = os.getenv("BENCH_BODY")
if body ~= "" then
  wrk.body = body
end

for name, value in os.getenv("BENCH_HEADERS"):gmatch("([^:\n]+): ([^\n]*)\n") do
  wrk.headers[name] = value
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"seconds":%.6f,"bytes":%d,"badStatuses":%d,"socketErrors":%d,"p50":%.3f,"p99":%.3f}\n',
    summary.requests, summary.duration / 1e6, summary.bytes,
    e.status, e.connect + e.read + e.write + e.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3
  ))
end
