// One isolate with one context, and what belongs to it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "abi.h"
#include "exit_gate.h"
#include "platform.h"

namespace amphis {

// Memory of array buffers, counted.
class Allocator : public v8::ArrayBuffer::Allocator {
 public:
  void* Allocate(size_t length) override;
  void* AllocateUninitialized(size_t length) override;
  void Free(void* data, size_t length) override;

  std::atomic<size_t> used{0};
  // 0: none.
  size_t limit = 0;

 private:
  bool take(size_t length);
};

// A function that Python has a handle of, and the object that it was found in.
struct Held {
  v8::Global<v8::Function> function;
  v8::Global<v8::Value> receiver;
  // It is the end of a stream: no function that the guest knows of.
  bool is_stream = false;
};

// What `setTimeout` and `setInterval` have been given.
struct Timer {
  v8::Global<v8::Function> callback;
  std::vector<v8::Global<v8::Value>> arguments;
  double milliseconds = 0;
  bool is_repeated = false;
  // How many timers have led to it.
  uint32_t nesting = 0;
};

struct Module {
  v8::Global<v8::Module> module;
  // For those that export a value; let go when they have run.
  v8::Global<v8::Value> value;
  std::string url;
  std::vector<uint32_t> imports;
};

class Inspector;

struct Runtime {
  v8::Isolate* isolate = nullptr;
  v8::Global<v8::Context> context;
  // Marks an error that was an exception of Python's: its number.
  v8::Global<v8::Private> exception;
  Allocator allocator;
  Delegate delegate;
  AmphisHost host;
  void* user = nullptr;
  AmphisLimits limits;

  std::unordered_map<uint32_t, Held> functions;
  uint32_t next_function = 1;

  // Promises that the host waits for, and those of them that have an outcome which the host was not told.
  std::unordered_map<uint32_t, v8::Global<v8::Promise>> promises;
  std::vector<uint32_t> settled;
  uint32_t next_promise = 1;
  // What functions of the host's have promised, by the host's numbers.
  std::unordered_map<uint32_t, v8::Global<v8::Promise::Resolver>> laters;
  // Promises that were rejected with nobody there.
  std::vector<v8::Global<v8::Promise>> rejected;

  // What makes objects that are streams, and what src/js/streams/ gives, once it was asked for.
  v8::Global<v8::FunctionTemplate> stream_brand;
  v8::Global<v8::Object> streams;
  // Streams over what Python has, by its numbers; held weakly once it has let go of them, which may be before they are
  // made.
  std::unordered_map<uint32_t, v8::Global<v8::Object>> adopted;
  std::unordered_set<uint32_t> released_early;
  size_t sweep_at = 64;

  std::unordered_map<uint32_t, Module> modules;
  // By V8's hash of each.
  std::unordered_multimap<int, uint32_t> modules_by_hash;
  uint32_t next_module = 1;

  // Scripts whose code will be asked for.
  std::vector<v8::Global<v8::UnboundScript>> kept;

  std::unordered_map<uint32_t, Timer> timers;
  uint32_t next_timer = 1;
  // That of the timer which runs.
  uint32_t timer_nesting = 0;

  // Entries that are open, each within the one before it; all of one thread.
  int depth = 0;
  uintptr_t stack_limit = 0;

  std::atomic<bool> is_out_of_memory{false};
  // Null unless it can be debugged; made once, and gone with the isolate.
  std::atomic<Inspector*> inspector{nullptr};
  // No earlier look at the heap.
  std::chrono::steady_clock::time_point next_look;

  static Runtime* of(v8::Isolate* isolate) { return static_cast<Runtime*>(isolate->GetData(0)); }
  static Runtime* of(void* runtime) { return static_cast<Runtime*>(runtime); }

  uint32_t hold(v8::Local<v8::Function> function, v8::Local<v8::Value> receiver, bool is_stream = false);
  // A limit of memory is met: nothing goes on here.
  void out_of_memory();
  bool is_terminating() const { return is_out_of_memory.load() || isolate->IsExecutionTerminating(); }
};

size_t stack_left();

// Enters a runtime for as long as it is there. Nothing else may be done when `has_stack` is false.
class Entry {
 public:
  explicit Entry(Runtime* runtime);
  ~Entry();
  Entry(const Entry&) = delete;
  Entry& operator=(const Entry&) = delete;

  // Promises that can go on do; at the end of the outermost entry only.
  void run_microtasks();
  // Tells the host of outcomes, and of what nobody handles; likewise.
  void report();

  bool has_stack() const { return has_stack_; }
  v8::Local<v8::Context> context() const { return context_; }

 private:
  Gate gate_;
  Runtime* runtime_;
  v8::Locker locker_;
  v8::Isolate::Scope isolate_scope_;
  v8::HandleScope handle_scope_;
  v8::Local<v8::Context> context_;
  v8::Context::Scope context_scope_;
  bool has_stack_;
};

void* create(const AmphisLimits* limits, const AmphisHost* host, void* user);
void destroy(void* runtime);
int reset(void* runtime);
void statistics(void* runtime, AmphisStatistics* out);
void release(void* runtime, const uint32_t* functions, size_t count);
void check_heap(void* runtime);

}  // namespace amphis
