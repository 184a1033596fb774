// Only an Environment's own thread can add a hook to its end, and the main thread does not know of us. So the handler
// of a signal reads which isolate that thread has, and a task for this isolate, which Node.js runs in a turn of the
// thread's event loop, adds what is to be told.
#include "main_end.h"

#include <node.h>

#include "platform.h"

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#endif

namespace amphis {

namespace {

void exit_event(const v8::FunctionCallbackInfo<v8::Value>& arguments) {
  auto exits = reinterpret_cast<void (*)(int32_t)>(arguments.Data().As<v8::External>()->Value());
  int32_t code = 0;
  if (arguments.Length() > 0 && arguments[0]->IsInt32()) code = arguments[0].As<v8::Int32>()->Value();
  exits(code);
}

// `process.on('exit', exits)`. What throws there is the host's doing, and leaves the code unknown.
void listen_for_exit(v8::Isolate* isolate, v8::Local<v8::Context> context, void (*exits)(int32_t)) {
  auto name = [isolate](const char* text) { return v8::String::NewFromUtf8(isolate, text).ToLocalChecked(); };
  v8::TryCatch caught(isolate);
  v8::Local<v8::Value> process;
  v8::Local<v8::Value> on;
  v8::Local<v8::Function> listener;
  v8::Local<v8::External> data = v8::External::New(isolate, reinterpret_cast<void*>(exits));
  if (!context->Global()->Get(context, name("process")).ToLocal(&process) || !process->IsObject() ||
      !process.As<v8::Object>()->Get(context, name("on")).ToLocal(&on) || !on->IsFunction() ||
      !v8::Function::New(context, exit_event, data).ToLocal(&listener)) {
    return;
  }
  v8::Local<v8::Value> arguments[] = {name("exit"), listener};
  v8::MaybeLocal<v8::Value> result = on.As<v8::Function>()->Call(context, process, 2, arguments);
  static_cast<void>(result);
}

class Introduce : public v8::Task {
 public:
  Introduce(v8::Isolate* isolate, void (*exits)(int32_t), void (*ends)(void))
      : isolate_(isolate), exits_(exits), ends_(ends) {}

  void Run() override {
    v8::HandleScope scope(isolate_);
    if (!isolate_->InContext()) return;
    v8::Local<v8::Context> context = isolate_->GetCurrentContext();
    if (node::GetCurrentEnvironment(context) == nullptr) return;
    node::AddEnvironmentCleanupHook(
        isolate_, [](void* ends) { reinterpret_cast<void (*)(void)>(ends)(); }, reinterpret_cast<void*>(ends_));
    listen_for_exit(isolate_, context, exits_);
  }

 private:
  v8::Isolate* isolate_;
  void (*exits_)(int32_t);
  void (*ends_)(void);
};

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

bool watch_main_end(void (*exits)(int32_t code), void (*ends)(void)) {
  v8::Isolate* isolate = find_main_isolate();
  if (isolate == nullptr) return false;
  std::shared_ptr<v8::TaskRunner> runner = platform()->GetForegroundTaskRunner(isolate);
  if (runner == nullptr) return false;
  runner->PostTask(std::make_unique<Introduce>(isolate, exits, ends));
  return true;
}

}  // namespace amphis
