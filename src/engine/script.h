// Scripts and functions that Python runs.
#pragma once

#include "runtime.h"

namespace amphis {

int eval(void* runtime, AmphisSpan source, AmphisSpan name, int evaluation, AmphisBytes* out);
int replay(void* data, AmphisSpan source, AmphisSpan name, AmphisSpan code, int keeps, AmphisBytes* out);
int code_cache(void* data, uint32_t script, AmphisBytes* out);
int call(void* runtime, uint32_t function, AmphisSpan arguments, AmphisBytes* out);

// Empty: an exception is pending.
v8::MaybeLocal<v8::String> source_text(v8::Isolate* isolate, AmphisSpan text);

// The status of an entry's outcome, once all promises that can go on have gone on; the host is told of the others.
int finish(Runtime* runtime, Entry& entry, v8::TryCatch& block, v8::MaybeLocal<v8::Value> outcome, AmphisBytes* out);

}  // namespace amphis
