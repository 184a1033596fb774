#include "snapshot.h"

#include <uv.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>

#include "exit_gate.h"

namespace amphis {

namespace {

// All isolates of a process share one read-only heap, that of Node's snapshot. From V8 12 on isolates refer to what is
// in it by its place, and V8's own snapshot, which Node's was made from, finds everything where it expects it. Before,
// they refer to it in the order of the snapshot, and mix it up.
constexpr bool kSharesReadOnlyHeap = V8_MAJOR_VERSION >= 12;

std::atomic<bool> uses_v8s{false};

v8::Isolate* of_v8s_snapshot(v8::Isolate::CreateParams* params, Delegate* delegate) {
  if (params->constraints.max_old_generation_size_in_bytes() == 0) {
    // By the memory of the machine, or of the control group, as Node does it.
    uint64_t group = uv_get_constrained_memory();
    uint64_t memory = uv_get_total_memory();
    if (group > 0) memory = std::min(memory, group);
    if (memory > 0) params->constraints.ConfigureDefaults(memory, 0);
  }
  v8::Isolate* isolate = v8::Isolate::Allocate();
  // V8 asks the platform for its task runners while it makes the isolate.
  platform()->RegisterIsolate(isolate, delegate);
  v8::Isolate::Initialize(isolate, *params);
  return isolate;
}

// What the script tells of an isolate; empty where it tells nothing.
std::string describe(bool is_v8s, AmphisSpan description) {
  auto allocator = std::unique_ptr<v8::ArrayBuffer::Allocator>(v8::ArrayBuffer::Allocator::NewDefaultAllocator());
  Delegate delegate;
  v8::Isolate::CreateParams params;
  params.array_buffer_allocator = allocator.get();
  params.allow_atomics_wait = false;
  v8::Isolate* isolate = is_v8s ? of_v8s_snapshot(&params, &delegate) : of_nodes_snapshot(&params, &delegate);
  if (isolate == nullptr) return {};
  std::string told;
  gate_knows(isolate);
  {
    v8::Locker locker(isolate);
    v8::Isolate::Scope scope(isolate);
    take_nodes_hooks_off(isolate);
    v8::HandleScope handles(isolate);
    v8::Local<v8::Context> context = v8::Context::New(isolate);
    v8::Context::Scope context_scope(context);
    v8::TryCatch caught(isolate);
    v8::Local<v8::String> source;
    v8::Local<v8::Script> script;
    v8::Local<v8::Value> value;
    auto length = static_cast<int>(description.length);
    const auto* text = reinterpret_cast<const char*>(description.data);
    if (v8::String::NewFromUtf8(isolate, text, v8::NewStringType::kNormal, length).ToLocal(&source) &&
        v8::Script::Compile(context, source).ToLocal(&script) && script->Run(context).ToLocal(&value) &&
        value->IsString()) {
      v8::String::Utf8Value utf8(isolate, value);
      if (*utf8 != nullptr) told.assign(*utf8, static_cast<size_t>(utf8.length()));
    }
  }
  gate_forgets(isolate);
  delegate.tasks->close();
  dispose_isolate(platform(), isolate);
  return told;
}

}  // namespace

v8::Isolate* new_isolate(v8::Isolate::CreateParams* params, Delegate* delegate) {
  return uses_v8s.load() ? of_v8s_snapshot(params, delegate) : of_nodes_snapshot(params, delegate);
}

int choose_snapshot(AmphisSpan description) {
  if constexpr (!kSharesReadOnlyHeap) return 0;
  Gate gate;
  static const bool are_equal = [&] {
    std::string of_node = describe(false, description);
    return !of_node.empty() && of_node == describe(true, description);
  }();
  uses_v8s.store(are_equal);
  return are_equal ? 1 : 0;
}

}  // namespace amphis
