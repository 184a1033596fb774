#include "exit_gate.h"

#include <unistd.h>

#include <atomic>
#include <mutex>
#include <set>

namespace amphis {

namespace {

std::atomic<int> inside{0};
std::atomic<bool> is_closed{false};

// The thread that ends the process closes the gate, may come again with what has become free since, and must not park:
// nobody would end the process then.
thread_local bool is_closer = false;

bool is_shut() { return is_closed.load() && !is_closer; }

// Never freed: threads that come late must find them.
std::mutex& isolates_mutex() {
  static auto* mutex = new std::mutex;
  return *mutex;
}

std::set<v8::Isolate*>& isolates() {
  static auto* isolates = new std::set<v8::Isolate*>;
  return *isolates;
}

[[noreturn]] void park() {
  for (;;) pause();
}

}  // namespace

void gate_knows(v8::Isolate* isolate) {
  std::lock_guard<std::mutex> guard(isolates_mutex());
  isolates().insert(isolate);
}

void gate_forgets(v8::Isolate* isolate) {
  std::lock_guard<std::mutex> guard(isolates_mutex());
  isolates().erase(isolate);
}

bool gate_has_isolates() {
  std::lock_guard<std::mutex> guard(isolates_mutex());
  return inside.load() > 0 || !isolates().empty();
}

void gate_in() {
  inside.fetch_add(1);
  if (is_shut()) {
    inside.fetch_sub(1);
    park();
  }
}

void gate_out() {
  inside.fetch_sub(1);
  if (is_shut()) park();
}

bool gate_close(uint32_t milliseconds) {
  is_closer = true;
  is_closed.store(true);
  for (uint32_t waited = 0; inside.load() > 0; waited++) {
    if (waited >= milliseconds) return false;
    {
      std::lock_guard<std::mutex> guard(isolates_mutex());
      // Again and again: what catches the termination, as `toString` of a thrown object, goes on otherwise.
      for (v8::Isolate* isolate : isolates()) isolate->TerminateExecution();
    }
    usleep(1000);
  }
  return true;
}

}  // namespace amphis
