// Only an Environment's own thread can add a hook to its end, and the main thread does not know of us. So it is asked
// twice: the handler of a signal reads which isolate that thread has, and an interrupt of this isolate, which V8 runs
// where the thread next calls a function of JavaScript, adds the hook. The end of a process calls some.
#include "main_end.h"

#include <node.h>

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#endif

namespace amphis {

namespace {

void add_hook(v8::Isolate* isolate, void* ends) {
  v8::HandleScope scope(isolate);
  if (!isolate->InContext() || node::GetCurrentEnvironment(isolate->GetCurrentContext()) == nullptr) return;
  node::AddEnvironmentCleanupHook(isolate, [](void* ends) { reinterpret_cast<void (*)(void)>(ends)(); }, ends);
}

#if defined(__linux__)

constexpr int kWaitMilliseconds = 200;

std::atomic<v8::Isolate*> main_isolate{nullptr};
std::atomic<bool> has_answered{false};

// Nothing here takes a lock or memory: the isolate is a thread-local of Node's.
void answer(int) {
  main_isolate.store(v8::Isolate::TryGetCurrent());
  has_answered.store(true);
}

// A signal that nobody has a handler for.
int free_signal() {
  for (int number = SIGRTMAX; number >= SIGRTMIN; number--) {
    struct sigaction current;
    if (sigaction(number, nullptr, &current) == 0 && (current.sa_flags & SA_SIGINFO) == 0 &&
        current.sa_handler == SIG_DFL) {
      return number;
    }
  }
  return 0;
}

v8::Isolate* find_main_isolate() {
  int number = free_signal();
  struct sigaction action = {};
  struct sigaction before;
  action.sa_handler = answer;
  action.sa_flags = SA_RESTART | SA_ONSTACK;
  sigfillset(&action.sa_mask);
  if (number == 0 || sigaction(number, &action, &before) != 0) return nullptr;
  // The main thread has the number of its process.
  bool is_sent = syscall(SYS_tgkill, getpid(), getpid(), number) == 0;
  for (int waited = 0; is_sent && !has_answered.load() && waited < kWaitMilliseconds * 10; waited++) usleep(100);
  // A signal that is still on its way would end the process without the handler.
  if (!is_sent || has_answered.load()) sigaction(number, &before, nullptr);
  return main_isolate.load();
}

#else

// The engine is off where threads are numbered otherwise.
v8::Isolate* find_main_isolate() { return nullptr; }

#endif

}  // namespace

bool watch_main_end(void (*ends)(void)) {
  v8::Isolate* isolate = find_main_isolate();
  if (isolate == nullptr) return false;
  isolate->RequestInterrupt(add_hook, reinterpret_cast<void*>(ends));
  return true;
}

}  // namespace amphis
