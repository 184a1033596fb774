// setTimeout, setInterval, what clears them, and queueMicrotask.
#pragma once

#include "runtime.h"

namespace amphis {

// Defines them, as a browser has them.
void define_timers(v8::Local<v8::Context> context);

int fire(void* runtime, uint32_t timer, AmphisBytes* out);

}  // namespace amphis
