#include "runtime.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>

#include "inspector.h"
#include "module.h"
#include "promise.h"
#include "snapshot.h"
#include "stream.h"
#include "timer.h"

namespace amphis {

namespace {

// V8 cannot unpack Node's snapshot into less. Smaller limits are held by looking at the heap.
constexpr size_t kLeastHeap = size_t{24} << 20;
// How much of a thread's stack JavaScript gets, as in Node.js.
constexpr size_t kStack = size_t{900} << 10;
// What is left for V8's own functions, and for the host's, when JavaScript has used all of its.
constexpr size_t kReserve = size_t{160} << 10;
// Less than this is not entered with: V8 14 ends the process when it throws below its limit.
constexpr size_t kLeastStack = size_t{64} << 10;

[[noreturn]] void fatal(const char* location, const char* message) {
  std::fprintf(stderr, "amphis: V8 cannot go on in a runtime: %s (%s)\n", message, location);
  std::abort();
}

[[noreturn]] void fatal_out_of_memory(const char* location, const v8::OOMDetails& details) {
  fatal(location, details.detail == nullptr ? "out of memory" : details.detail);
}

size_t near_heap_limit(void* data, size_t current, size_t) {
  auto* runtime = static_cast<Runtime*>(data);
  runtime->out_of_memory();
  return current + runtime->limits.head_room;
}

bool is_over_limit(Runtime* runtime) {
  v8::HeapStatistics heap;
  runtime->isolate->GetHeapStatistics(&heap);
  size_t external = std::max(heap.external_memory(), runtime->allocator.used.load());
  return heap.used_heap_size() + external > runtime->limits.heap;
}

void look_at_heap(v8::Isolate* isolate, void*) {
  Runtime* runtime = Runtime::of(isolate);
  auto began = std::chrono::steady_clock::now();
  // Collecting may take longer than it is until the next look is asked for: one that is asked for meanwhile is none.
  if (runtime->is_terminating() || began < runtime->next_look || !is_over_limit(runtime)) return;
  // What nobody holds any more does not count.
  isolate->LowMemoryNotification();
  if (is_over_limit(runtime)) runtime->out_of_memory();
  auto ended = std::chrono::steady_clock::now();
  runtime->next_look = ended + 4 * (ended - began);
}

// Deletes what a path of names leads to from the global object. Nothing of the guest's has run yet.
void take_off(v8::Local<v8::Context> context, std::initializer_list<const char*> path) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  v8::Local<v8::Object> object = context->Global();
  size_t left = path.size();
  for (const char* name : path) {
    auto key = v8::String::NewFromUtf8(isolate, name).ToLocalChecked();
    v8::Local<v8::Value> found;
    if (--left == 0) {
      object->Delete(context, key).FromMaybe(false);
    } else if (object->Get(context, key).ToLocal(&found) && found->IsObject()) {
      object = found.As<v8::Object>();
    } else {
      return;
    }
  }
}

void make_context(Runtime* runtime) {
  v8::Isolate* isolate = runtime->isolate;
  v8::HandleScope handles(isolate);
  v8::Local<v8::Context> context = v8::Context::New(isolate);
  v8::Context::Scope scope(context);
  // An old function of V8's own that no standard has.
  take_off(context, {"Intl", "v8BreakIterator"});
  // Buffers that grow do so in memory that V8 counts nowhere.
  take_off(context, {"ArrayBuffer", "prototype", "resize"});
  take_off(context, {"SharedArrayBuffer", "prototype", "grow"});
  // A limit that some memory escapes would be none.
  if (!kCountsWebAssembly && runtime->limits.heap > 0) take_off(context, {"WebAssembly"});
  define_timers(context);
  define_streams(runtime, context);
  runtime->context.Reset(isolate, context);
}

void drop_context(Runtime* runtime) {
  runtime->functions.clear();
  runtime->promises.clear();
  runtime->settled.clear();
  runtime->laters.clear();
  runtime->rejected.clear();
  runtime->timers.clear();
  runtime->modules.clear();
  runtime->modules_by_hash.clear();
  runtime->kept.clear();
  runtime->streams.Reset();
  runtime->adopted.clear();
  runtime->released_early.clear();
  runtime->context.Reset();
}

}  // namespace

bool Allocator::take(size_t length) {
  size_t before = used.fetch_add(length);
  if (limit == 0 || before + length <= limit) return true;
  // V8 collects garbage and asks again, and throws a RangeError at last.
  used.fetch_sub(length);
  return false;
}

void* Allocator::Allocate(size_t length) {
  if (!take(length)) return nullptr;
  void* data = std::calloc(std::max<size_t>(length, 1), 1);
  if (data == nullptr) used.fetch_sub(length);
  return data;
}

void* Allocator::AllocateUninitialized(size_t length) {
  if (!take(length)) return nullptr;
  void* data = std::malloc(std::max<size_t>(length, 1));
  if (data == nullptr) used.fetch_sub(length);
  return data;
}

void Allocator::Free(void* data, size_t length) {
  used.fetch_sub(length);
  std::free(data);
}

uint32_t Runtime::hold(v8::Local<v8::Function> function, v8::Local<v8::Value> receiver, bool is_stream) {
  uint32_t id = next_function++;
  Held held;
  held.function.Reset(isolate, function);
  if (!receiver.IsEmpty()) held.receiver.Reset(isolate, receiver);
  held.is_stream = is_stream;
  functions.emplace(id, std::move(held));
  return id;
}

void Runtime::out_of_memory() {
  is_out_of_memory.store(true);
  isolate->TerminateExecution();
}

Entry::Entry(Runtime* runtime)
    : runtime_(runtime),
      locker_(runtime->isolate),
      isolate_scope_(runtime->isolate),
      handle_scope_(runtime->isolate),
      context_(runtime->context.Get(runtime->isolate)),
      context_scope_(context_) {
  auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  if (runtime->depth++ == 0) {
    uintptr_t lowest = here - stack_left() + kReserve;
    runtime->stack_limit = std::max(here - kStack, lowest);
    runtime->isolate->SetStackLimit(runtime->stack_limit);
  }
  has_stack_ = here > runtime->stack_limit + kLeastStack;
}

Entry::~Entry() { runtime_->depth--; }

void Entry::run_microtasks() {
  if (runtime_->depth > 1 || runtime_->is_terminating()) return;
  runtime_->delegate.tasks->run();
  runtime_->isolate->PerformMicrotaskCheckpoint();
}

void Entry::report() {
  if (runtime_->depth > 1) return;
  report_settled(runtime_, context_);
  report_unhandled(runtime_, context_);
}

void* create(const AmphisLimits* limits, const AmphisHost* host, void* user) {
  Gate gate;
  auto* runtime = new Runtime;
  runtime->limits = *limits;
  runtime->host = *host;
  runtime->user = user;
  runtime->allocator.limit = limits->buffers;
  v8::Isolate::CreateParams params;
  params.array_buffer_allocator = &runtime->allocator;
  params.allow_atomics_wait = false;
  if (limits->heap > 0) params.constraints.ConfigureDefaultsFromHeapSize(0, std::max(limits->heap, kLeastHeap));
  v8::Isolate* isolate = new_isolate(&params, &runtime->delegate);
  if (isolate == nullptr) {
    delete runtime;
    return nullptr;
  }
  runtime->isolate = isolate;
  gate_knows(isolate);
  {
    v8::Locker locker(isolate);
    v8::Isolate::Scope scope(isolate);
    take_nodes_hooks_off(isolate);
    isolate->SetFatalErrorHandler(fatal);
    isolate->SetOOMErrorHandler(fatal_out_of_memory);
    isolate->SetData(0, runtime);
    isolate->SetMicrotasksPolicy(v8::MicrotasksPolicy::kExplicit);
    isolate->SetCaptureStackTraceForUncaughtExceptions(false);
    isolate->SetHostImportModuleDynamicallyCallback(import_module);
    isolate->SetHostInitializeImportMetaObjectCallback(describe_module);
    isolate->SetPromiseRejectCallback(note_rejection);
    runtime->delegate.tasks->tell(
        [](void* data) {
          auto* runtime = static_cast<Runtime*>(data);
          runtime->host.wake(runtime->user);
        },
        runtime);
    isolate->AddNearHeapLimitCallback(near_heap_limit, runtime);
    v8::HandleScope handles(isolate);
    runtime->exception.Reset(isolate, v8::Private::New(isolate));
    make_context(runtime);
  }
  return runtime;
}

void destroy(void* data) {
  Gate gate;
  Runtime* runtime = Runtime::of(data);
  gate_forgets(runtime->isolate);
  {
    v8::Locker locker(runtime->isolate);
    v8::Isolate::Scope scope(runtime->isolate);
    {
      v8::HandleScope handles(runtime->isolate);
      delete runtime->inspector.exchange(nullptr);
    }
    drop_context(runtime);
    runtime->exception.Reset();
    runtime->stream_brand.Reset();
    runtime->delegate.tasks->close();
  }
  dispose_isolate(platform(), runtime->isolate);
  delete runtime;
}

int reset(void* data) {
  Gate gate;
  Runtime* runtime = Runtime::of(data);
  v8::Locker locker(runtime->isolate);
  v8::Isolate::Scope scope(runtime->isolate);
  if (runtime->depth > 0 || runtime->is_terminating()) return AMPHIS_TERMINATED;
  Inspector* inspector = runtime->inspector.load();
  v8::HandleScope handles(runtime->isolate);
  if (inspector != nullptr) inspector->end_context(runtime->context.Get(runtime->isolate));
  drop_context(runtime);
  make_context(runtime);
  if (inspector != nullptr) inspector->begin_context(runtime->context.Get(runtime->isolate));
  return AMPHIS_TAPE;
}

void release(void* data, const uint32_t* functions, size_t count) {
  Gate gate;
  Runtime* runtime = Runtime::of(data);
  v8::Locker locker(runtime->isolate);
  for (size_t index = 0; index < count; index++) runtime->functions.erase(functions[index]);
}

void check_heap(void* data) {
  Runtime* runtime = Runtime::of(data);
  if (runtime->limits.heap == 0) return;
  // What the debugger holds takes no memory.
  Inspector* inspector = runtime->inspector.load();
  if (inspector != nullptr && inspector->mailbox().is_waiting()) return;
  runtime->isolate->RequestInterrupt(look_at_heap, nullptr);
}

void statistics(void* data, AmphisStatistics* out) {
  Gate gate;
  Runtime* runtime = Runtime::of(data);
  v8::Locker locker(runtime->isolate);
  v8::Isolate::Scope scope(runtime->isolate);
  v8::HeapStatistics heap;
  runtime->isolate->GetHeapStatistics(&heap);
  *out = AmphisStatistics{
      heap.total_heap_size(),
      heap.used_heap_size(),
      heap.heap_size_limit(),
      heap.total_physical_size(),
      heap.external_memory(),
      runtime->allocator.used.load(),
      runtime->functions.size(),
      heap.number_of_native_contexts(),
      0,
      0,
      runtime->promises.size(),
  };
  for (const auto& [id, held] : runtime->functions) out->functions -= held.is_stream ? 1 : 0;
  for (const auto& [id, timer] : runtime->timers) (timer.is_repeated ? out->intervals : out->timeouts)++;
}

}  // namespace amphis
