// What differs between the versions of V8 and Node.js: every `#if` on a version stands here.
#pragma once

#include <node.h>
#include <v8.h>

#include <memory>
#include <utility>

namespace amphis {

// Whether V8's statistics have the memory of WebAssembly. Those of Node.js 26 do not.
constexpr bool kCountsWebAssembly = V8_MAJOR_VERSION < 14;

// Has V8 compile loops such that they can be interrupted, in all isolates of the process. From version 13 on it takes
// the look for an interrupt out of an endless loop around one that it unrolls, `for (;;) a.push(new
// Array(1000).fill({}))`: no timeout and no limit of the heap would end it.
inline void keep_loops_interruptible() {
#if V8_MAJOR_VERSION >= 13
  v8::V8::SetFlagsFromString("--no-turboshaft-loop-unrolling");
#endif
}

inline v8::ScriptOrigin script_origin(v8::Isolate* isolate, v8::Local<v8::Value> name) {
#if V8_MAJOR_VERSION >= 12
  (void)isolate;
  return v8::ScriptOrigin(name);
#else
  return v8::ScriptOrigin(isolate, name);
#endif
}

inline v8::ScriptOrigin module_origin(v8::Isolate* isolate, v8::Local<v8::Value> url) {
#if V8_MAJOR_VERSION >= 12
  (void)isolate;
  return v8::ScriptOrigin(url, 0, 0, false, -1, v8::Local<v8::Value>(), false, false, true);
#else
  return v8::ScriptOrigin(isolate, url, 0, 0, false, -1, v8::Local<v8::Value>(), false, false, true);
#endif
}

inline v8::Local<v8::FixedArray> attributes_of(v8::Local<v8::ModuleRequest> request) {
#if V8_MAJOR_VERSION >= 12
  return request->GetImportAttributes();
#else
  return request->GetImportAssertions();
#endif
}

inline v8::Local<v8::Data> item_of(v8::Local<v8::Context> context, v8::Local<v8::FixedArray> array, int index) {
#if V8_MAJOR_VERSION >= 14
  (void)context;
  return array->Get(index);
#else
  return array->Get(context, index);
#endif
}

// A module with nothing but a default export.
inline v8::Local<v8::Module> default_module(v8::Isolate* isolate, v8::Local<v8::String> url,
                                            v8::Module::SyntheticModuleEvaluationSteps steps) {
  v8::Local<v8::String> name = v8::String::NewFromUtf8Literal(isolate, "default");
#if V8_MAJOR_VERSION >= 12
  const v8::Local<v8::String> names[] = {name};
  return v8::Module::CreateSyntheticModule(isolate, url, v8::MemorySpan<const v8::Local<v8::String>>(names, 1), steps);
#else
  return v8::Module::CreateSyntheticModule(isolate, url, {name}, steps);
#endif
}

// `target` has room for all of the string.
inline void write_latin1(v8::Isolate* isolate, v8::Local<v8::String> text, uint8_t* target) {
  int length = text->Length();
#if V8_MAJOR_VERSION >= 13
  text->WriteOneByteV2(isolate, 0, static_cast<uint32_t>(length), target);
#else
  text->WriteOneByte(isolate, target, 0, length, v8::String::NO_NULL_TERMINATION);
#endif
}

inline void write_utf16(v8::Isolate* isolate, v8::Local<v8::String> text, uint16_t* target) {
  int length = text->Length();
#if V8_MAJOR_VERSION >= 13
  text->WriteV2(isolate, 0, static_cast<uint32_t>(length), target);
#else
  text->Write(isolate, target, 0, length, v8::String::NO_NULL_TERMINATION);
#endif
}

inline void dispose_isolate(node::MultiIsolatePlatform* platform, v8::Isolate* isolate) {
#if V8_MAJOR_VERSION >= 13
  platform->DisposeIsolate(isolate);
#else
  platform->UnregisterIsolate(isolate);
  isolate->Dispose();
#endif
}

// A task runner whose subclass says what is done with a task, whichever of V8's ways it comes.
class PlainTaskRunner : public v8::TaskRunner {
 public:
  bool IdleTasksEnabled() override { return false; }
  bool NonNestableTasksEnabled() const override { return true; }
  bool NonNestableDelayedTasksEnabled() const override { return true; }
#if V8_MAJOR_VERSION >= 12
  void PostTaskImpl(std::unique_ptr<v8::Task> task, const v8::SourceLocation&) override { post(std::move(task)); }
  void PostNonNestableTaskImpl(std::unique_ptr<v8::Task> task, const v8::SourceLocation&) override {
    post(std::move(task));
  }
  void PostDelayedTaskImpl(std::unique_ptr<v8::Task>, double, const v8::SourceLocation&) override {}
  void PostNonNestableDelayedTaskImpl(std::unique_ptr<v8::Task>, double, const v8::SourceLocation&) override {}
  void PostIdleTaskImpl(std::unique_ptr<v8::IdleTask>, const v8::SourceLocation&) override {}
#else
  void PostTask(std::unique_ptr<v8::Task> task) override { post(std::move(task)); }
  void PostNonNestableTask(std::unique_ptr<v8::Task> task) override { post(std::move(task)); }
  // V8 delays only what may be left out: a later collection, idle work.
  void PostDelayedTask(std::unique_ptr<v8::Task>, double) override {}
  void PostNonNestableDelayedTask(std::unique_ptr<v8::Task>, double) override {}
  void PostIdleTask(std::unique_ptr<v8::IdleTask>) override {}
#endif

 protected:
  virtual void post(std::unique_ptr<v8::Task> task) = 0;
};

// A platform that hands everything to another one, but for what a subclass says.
class ForwardingPlatform : public node::MultiIsolatePlatform {
 public:
  using Task = std::unique_ptr<v8::Task>;

  bool FlushForegroundTasks(v8::Isolate*) override { return false; }
  void DrainTasks(v8::Isolate*) override {}
  void AddIsolateFinishedCallback(v8::Isolate* isolate, void (*callback)(void*), void* data) override {
    target()->AddIsolateFinishedCallback(isolate, callback, data);
  }
  void RegisterIsolate(v8::Isolate* isolate, node::IsolatePlatformDelegate* delegate) override {
    target()->RegisterIsolate(isolate, delegate);
  }
  void UnregisterIsolate(v8::Isolate* isolate) override { target()->UnregisterIsolate(isolate); }
  v8::PageAllocator* GetPageAllocator() override { return target()->GetPageAllocator(); }
  int NumberOfWorkerThreads() override { return target()->NumberOfWorkerThreads(); }
  double MonotonicallyIncreasingTime() override { return target()->MonotonicallyIncreasingTime(); }
  double CurrentClockTimeMillis() override { return target()->CurrentClockTimeMillis(); }
  v8::TracingController* GetTracingController() override { return target()->GetTracingController(); }
#if V8_MAJOR_VERSION >= 12
  std::shared_ptr<v8::TaskRunner> GetForegroundTaskRunner(v8::Isolate* isolate, v8::TaskPriority priority) override {
    return target()->GetForegroundTaskRunner(isolate, priority);
  }
  std::unique_ptr<v8::JobHandle> CreateJobImpl(v8::TaskPriority priority, std::unique_ptr<v8::JobTask> task,
                                               const v8::SourceLocation& location) override {
    return target()->CreateJob(priority, std::move(task), location);
  }
  void PostTaskOnWorkerThreadImpl(v8::TaskPriority priority, Task task, const v8::SourceLocation& location) override {
    if (priority == v8::TaskPriority::kBestEffort) {
      target()->CallLowPriorityTaskOnWorkerThread(std::move(task), location);
    } else if (priority == v8::TaskPriority::kUserBlocking) {
      target()->CallBlockingTaskOnWorkerThread(std::move(task), location);
    } else {
      target()->CallOnWorkerThread(std::move(task), location);
    }
  }
  void PostDelayedTaskOnWorkerThreadImpl(v8::TaskPriority, Task task, double seconds,
                                         const v8::SourceLocation& location) override {
    target()->CallDelayedOnWorkerThread(std::move(task), seconds, location);
  }
#else
  std::shared_ptr<v8::TaskRunner> GetForegroundTaskRunner(v8::Isolate* isolate) override {
    return target()->GetForegroundTaskRunner(isolate);
  }
  void CallOnWorkerThread(Task task) override { target()->CallOnWorkerThread(std::move(task)); }
  void CallDelayedOnWorkerThread(Task task, double seconds) override {
    target()->CallDelayedOnWorkerThread(std::move(task), seconds);
  }
  std::unique_ptr<v8::JobHandle> CreateJob(v8::TaskPriority priority, std::unique_ptr<v8::JobTask> task) override {
    return target()->CreateJob(priority, std::move(task));
  }
#endif

 protected:
  virtual node::MultiIsolatePlatform* target() const = 0;
};

}  // namespace amphis
