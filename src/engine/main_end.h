// The end of V8 in a process whose main thread has not loaded amphis.
#pragma once

#include <cstdint>

namespace amphis {

// Has `exits` called on the main thread when its process is about to end, with the code, and `ends` when its
// Environment ends: behind that Node.js takes V8 down. For a thread that is not that one. Whether the main thread was
// found.
bool watch_main_end(void (*exits)(int32_t code), void (*ends)(void));

}  // namespace amphis
