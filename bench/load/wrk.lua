-- The request comes from the environment; the result leaves as one line of JSON.
-- There is no response() here: called for each response, it would make wrk the bottleneck.

wrk.method = os.getenv("BENCH_METHOD")

local body = os.getenv("BENCH_BODY_FILE")
if body ~= "" then
  local file = assert(io.open(body, "rb"))
  wrk.body = file:read("*a")
  file:close()
end

local pause = tonumber(os.getenv("BENCH_PAUSE_MS"))
if pause > 0 then
  -- wrk takes the time from when it sends: what it has waited before is in no latency.
  function delay()
    return pause
  end
end

for name, value in os.getenv("BENCH_HEADERS"):gmatch("([^:\n]+): ([^\n]*)\n") do
  wrk.headers[name] = value
end

function done(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '\n{"requests":%d,"seconds":%.6f,"bytes":%d,"badStatuses":%d,"socketErrors":%d,"p50":%.3f,"p99":%.3f,"p999":%.3f}\n',
    summary.requests, summary.duration / 1e6, summary.bytes,
    e.status, e.connect + e.read + e.write + e.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    latency:percentile(99.9) / 1e3
  ))
end
