#include "platform.h"

#include <deque>
#include <mutex>

struct uv_loop_s;

namespace node {

struct SnapshotData;

// Exported, but in no header. Node's workers make their isolates with it, and it keeps to the one snapshot that all
// isolates of a process have to share: they share its read-only heap.
__attribute__((weak)) v8::Isolate* NewIsolate(v8::Isolate::CreateParams*, uv_loop_s*, MultiIsolatePlatform*,
                                              const SnapshotData*, const IsolateSettings&);

}  // namespace node

namespace amphis {

namespace {

node::MultiIsolatePlatform* nodes_platform = nullptr;

// The isolate that this thread is making gets this delegate.
thread_local Delegate* making = nullptr;

// Stands in for Node's platform while Node makes an isolate: Node would have it run its tasks on a loop of libuv's.
class StandIn : public ForwardingPlatform {
 public:
  using ForwardingPlatform::RegisterIsolate;
  void RegisterIsolate(v8::Isolate* isolate, uv_loop_s*) override { target()->RegisterIsolate(isolate, making); }

 protected:
  node::MultiIsolatePlatform* target() const override { return nodes_platform; }
};

}  // namespace

const char* set_platform(node::MultiIsolatePlatform* platform) {
  using Make = v8::Isolate* (*)(v8::Isolate::CreateParams*, uv_loop_s*, node::MultiIsolatePlatform*,
                                const node::SnapshotData*, const node::IsolateSettings&);
  // Through a variable: the compiler takes it for granted that a function has an address.
  const volatile Make make = &node::NewIsolate;
  if (make == nullptr) return "it does not export node::NewIsolate";
  if (platform == nullptr) return "it has no platform for isolates";
  nodes_platform = platform;
  return nullptr;
}

node::MultiIsolatePlatform* platform() { return nodes_platform; }

struct Tasks::Queue {
  std::mutex mutex;
  std::deque<std::unique_ptr<v8::Task>> tasks;
  bool is_closed = false;
  void (*wake)(void* data) = nullptr;
  void* data = nullptr;
};

Tasks::Tasks() : queue_(std::make_unique<Queue>()) {}
Tasks::~Tasks() = default;

void Tasks::post(std::unique_ptr<v8::Task> task) {
  // Whoever is told does not go while this is locked.
  std::lock_guard<std::mutex> guard(queue_->mutex);
  if (queue_->is_closed) return;
  queue_->tasks.push_back(std::move(task));
  if (queue_->wake != nullptr) queue_->wake(queue_->data);
}

void Tasks::tell(void (*wake)(void* data), void* data) {
  std::lock_guard<std::mutex> guard(queue_->mutex);
  queue_->wake = wake;
  queue_->data = data;
}

void Tasks::run() {
  for (;;) {
    std::unique_ptr<v8::Task> task;
    {
      std::lock_guard<std::mutex> guard(queue_->mutex);
      if (queue_->tasks.empty()) return;
      task = std::move(queue_->tasks.front());
      queue_->tasks.pop_front();
    }
    task->Run();
  }
}

void Tasks::close() {
  std::deque<std::unique_ptr<v8::Task>> left;
  std::lock_guard<std::mutex> guard(queue_->mutex);
  queue_->is_closed = true;
  left.swap(queue_->tasks);
}

v8::Isolate* of_nodes_snapshot(v8::Isolate::CreateParams* params, Delegate* delegate) {
  // The isolate keeps its address.
  static auto* stand_in = new StandIn;
  node::IsolateSettings settings;
  settings.flags = 0;
  making = delegate;
  v8::Isolate* isolate = node::NewIsolate(params, nullptr, stand_in, nullptr, settings);
  making = nullptr;
  return isolate;
}

void take_nodes_hooks_off(v8::Isolate* isolate) {
  isolate->SetPrepareStackTraceCallback(nullptr);
  isolate->SetPromiseRejectCallback(nullptr);
  isolate->SetPromiseHook(nullptr);
  isolate->SetModifyCodeGenerationFromStringsCallback(nullptr);
  isolate->SetAllowWasmCodeGenerationCallback(nullptr);
  isolate->SetAbortOnUncaughtExceptionCallback(nullptr);
  isolate->SetWasmStreamingCallback(nullptr);
}

}  // namespace amphis
