// The end of V8 in a process whose main thread has not loaded amphis.
#pragma once

namespace amphis {

// Has `ends` called on the main thread when its Environment ends: behind it Node.js takes V8 down. For a thread that is
// not that one. Whether the main thread will know; where it runs no JavaScript any more it does not.
bool watch_main_end(void (*ends)(void));

}  // namespace amphis
