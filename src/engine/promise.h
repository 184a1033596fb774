// Promises, both ways: those that the host waits for, and those that functions of the host's have made.
#pragma once

#include "runtime.h"

namespace amphis {

// Keeps a pending promise for the host, writes its number to `out`, and gives `AMPHIS_PENDING`.
int hold_promise(Runtime* runtime, v8::Local<v8::Context> context, v8::Local<v8::Promise> promise, AmphisBytes* out);

// The promise of what the host will come to, which has this number there.
v8::MaybeLocal<v8::Value> promise_later(Runtime* runtime, v8::Local<v8::Context> context, uint32_t later);

// At the end of an entry.
void report_settled(Runtime* runtime, v8::Local<v8::Context> context);
void report_unhandled(Runtime* runtime, v8::Local<v8::Context> context);

// V8 says that something was rejected, or that somebody looks after it now.
void note_rejection(v8::PromiseRejectMessage message);

// Promises that can go on do, and the host is told of outcomes.
int settle(Runtime* runtime, Entry& entry);

void forget(void* runtime, uint32_t promise);
int resolve(void* runtime, uint32_t later, int answer, AmphisSpan value, AmphisBytes* out);
int run_tasks(void* runtime);

}  // namespace amphis
