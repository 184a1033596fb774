// How far down the stack of a thread goes.
#include <pthread.h>

#include <cstddef>
#include <cstdint>

#include "runtime.h"

namespace amphis {

namespace {

uintptr_t lowest_of_thread() {
#if defined(__APPLE__)
  pthread_t thread = pthread_self();
  auto top = reinterpret_cast<uintptr_t>(pthread_get_stackaddr_np(thread));
  return top - pthread_get_stacksize_np(thread);
#else
  pthread_attr_t attributes;
  void* lowest = nullptr;
  size_t size = 0;
  if (pthread_getattr_np(pthread_self(), &attributes) != 0) return 0;
  pthread_attr_getstack(&attributes, &lowest, &size);
  pthread_attr_destroy(&attributes);
  return reinterpret_cast<uintptr_t>(lowest);
#endif
}

}  // namespace

size_t stack_left() {
  // The main thread's grows; what it may grow to is the same for as long as nobody changes the limit.
  thread_local uintptr_t lowest = lowest_of_thread();
  auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  return here > lowest ? here - lowest : 0;
}

}  // namespace amphis
