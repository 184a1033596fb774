#include "timer.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "inspector.h"
#include "script.h"

namespace amphis {

namespace {

// What a guest may have open at once: timers are memory of the host's.
constexpr size_t kMostTimers = size_t{1} << 16;
constexpr double kLongest = 2147483647;
// From so many timers on, each made by the one before it, none is shorter than this, as in browsers: a chain of them
// must not take all of a core.
constexpr uint32_t kFreelyNested = 5;
constexpr double kLeastNested = 4;

void throw_type_error(v8::Isolate* isolate, const char* message) {
  isolate->ThrowException(v8::Exception::TypeError(v8::String::NewFromUtf8(isolate, message).ToLocalChecked()));
}

void arm(Runtime* runtime, uint32_t id, const Timer& timer) {
  double least = timer.nesting > kFreelyNested ? kLeastNested : timer.is_repeated ? 1.0 : 0.0;
  runtime->host.timer(runtime->user, id, std::max(timer.milliseconds, least));
}

void set_timer(const v8::FunctionCallbackInfo<v8::Value>& info) {
  v8::Isolate* isolate = info.GetIsolate();
  Runtime* runtime = Runtime::of(isolate);
  v8::Local<v8::Context> context = isolate->GetCurrentContext();
  if (!info[0]->IsFunction()) return throw_type_error(isolate, "The callback of a timer must be a function");
  Timer timer;
  if (info.Length() > 1 && !info[1]->NumberValue(context).To(&timer.milliseconds)) return;
  if (!(timer.milliseconds > 0)) timer.milliseconds = 0;
  timer.milliseconds = std::min(timer.milliseconds, kLongest);
  if (runtime->timers.size() >= kMostTimers) {
    isolate->ThrowException(
        v8::Exception::RangeError(v8::String::NewFromUtf8Literal(isolate, "Too many timers are open")));
    return;
  }
  timer.callback.Reset(isolate, info[0].As<v8::Function>());
  for (int index = 2; index < info.Length(); index++) timer.arguments.emplace_back(isolate, info[index]);
  timer.is_repeated = info.Data()->IsTrue();
  timer.nesting = runtime->timer_nesting + 1;
  uint32_t id = runtime->next_timer++;
  arm(runtime, id, timer);
  runtime->timers.emplace(id, std::move(timer));
  info.GetReturnValue().Set(id);
}

void clear_timer(const v8::FunctionCallbackInfo<v8::Value>& info) {
  Runtime* runtime = Runtime::of(info.GetIsolate());
  if (!info[0]->IsUint32()) return;
  uint32_t id = info[0].As<v8::Uint32>()->Value();
  if (runtime->timers.erase(id) > 0) runtime->host.timer_cleared(runtime->user, id);
}

// As a promise's reaction: what it throws is a rejection that nobody handles, and is told as such.
void queue_microtask(const v8::FunctionCallbackInfo<v8::Value>& info) {
  v8::Isolate* isolate = info.GetIsolate();
  v8::Local<v8::Context> context = isolate->GetCurrentContext();
  if (!info[0]->IsFunction()) return throw_type_error(isolate, "A microtask must be a function");
  v8::Local<v8::Promise::Resolver> resolver;
  if (!v8::Promise::Resolver::New(context).ToLocal(&resolver)) return;
  if (resolver->Resolve(context, v8::Undefined(isolate)).IsNothing()) return;
  if (resolver->GetPromise()->Then(context, info[0].As<v8::Function>()).IsEmpty()) return;
}

void define(v8::Local<v8::Context> context, const char* name, v8::FunctionCallback callback, bool data) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  auto key = v8::String::NewFromUtf8(isolate, name, v8::NewStringType::kInternalized).ToLocalChecked();
  v8::Local<v8::Function> function;
  if (!v8::Function::New(context, callback, v8::Boolean::New(isolate, data), 1, v8::ConstructorBehavior::kThrow)
           .ToLocal(&function)) {
    return;
  }
  function->SetName(key);
  context->Global()->CreateDataProperty(context, key, function).FromMaybe(false);
}

}  // namespace

void define_timers(v8::Local<v8::Context> context) {
  define(context, "setTimeout", set_timer, false);
  define(context, "setInterval", set_timer, true);
  define(context, "clearTimeout", clear_timer, false);
  define(context, "clearInterval", clear_timer, false);
  define(context, "queueMicrotask", queue_microtask, false);
}

int fire(void* data, uint32_t id, AmphisBytes* out) {
  Runtime* runtime = Runtime::of(data);
  Entry entry(runtime);
  if (!entry.has_stack()) return AMPHIS_NO_STACK;
  v8::Isolate* isolate = runtime->isolate;
  if (!may_run(runtime)) return AMPHIS_TERMINATED;
  auto found = runtime->timers.find(id);
  if (found == runtime->timers.end()) return AMPHIS_TAPE;
  v8::TryCatch block(isolate);
  watch(runtime, block);
  v8::Local<v8::Function> callback = found->second.callback.Get(isolate);
  std::vector<v8::Local<v8::Value>> arguments;
  for (const auto& argument : found->second.arguments) arguments.push_back(argument.Get(isolate));
  runtime->timer_nesting = found->second.nesting;
  if (!found->second.is_repeated) runtime->timers.erase(found);
  auto outcome =
      callback->Call(entry.context(), v8::Undefined(isolate), static_cast<int>(arguments.size()), arguments.data());
  // Microtasks belong to the timer as well.
  v8::MaybeLocal<v8::Value> nothing;
  if (!outcome.IsEmpty()) nothing = v8::Undefined(isolate).As<v8::Value>();
  int status = finish(runtime, entry, block, nothing, out);
  runtime->timer_nesting = 0;
  // It may have cleared itself.
  if (auto still = runtime->timers.find(id); still != runtime->timers.end()) {
    still->second.nesting++;
    arm(runtime, id, still->second);
  }
  return status;
}

}  // namespace amphis
