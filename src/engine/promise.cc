#include "promise.h"

#include <algorithm>

#include "callback.h"
#include "decode.h"
#include "encode.h"
#include "inspector.h"

namespace amphis {

namespace {

// How many rejections of one entry are told of: a guest may make millions.
constexpr size_t kMostRejected = 64;

void note_outcome(const v8::FunctionCallbackInfo<v8::Value>& info) {
  Runtime* runtime = Runtime::of(info.GetIsolate());
  uint32_t id = info.Data().As<v8::Uint32>()->Value();
  if (runtime->promises.count(id) > 0) runtime->settled.push_back(id);
}

int give_outcome(Runtime* runtime, v8::Local<v8::Context> context, v8::Local<v8::Promise> promise, AmphisBytes* out) {
  if (promise->State() == v8::Promise::kRejected) return give_thrown(runtime, context, promise->Result(), out);
  return give(runtime, context, promise->Result(), out);
}

}  // namespace

int hold_promise(Runtime* runtime, v8::Local<v8::Context> context, v8::Local<v8::Promise> promise, AmphisBytes* out) {
  v8::TryCatch block(runtime->isolate);
  uint32_t id = runtime->next_promise++;
  auto data = v8::Integer::NewFromUnsigned(runtime->isolate, id);
  v8::Local<v8::Function> note;
  if (!v8::Function::New(context, note_outcome, data, 0, v8::ConstructorBehavior::kThrow).ToLocal(&note) ||
      promise->Then(context, note, note).IsEmpty()) {
    return give_thrown(runtime, context, block, out);
  }
  runtime->promises.emplace(id, v8::Global<v8::Promise>(runtime->isolate, promise));
  out->length = 0;
  TapeWriter(out).varint(id);
  return AMPHIS_PENDING;
}

v8::MaybeLocal<v8::Value> promise_later(Runtime* runtime, v8::Local<v8::Context> context, uint32_t later) {
  v8::Local<v8::Promise::Resolver> resolver;
  if (!v8::Promise::Resolver::New(context).ToLocal(&resolver)) return {};
  runtime->laters.emplace(later, v8::Global<v8::Promise::Resolver>(runtime->isolate, resolver));
  return resolver->GetPromise();
}

void report_settled(Runtime* runtime, v8::Local<v8::Context> context) {
  // Reading an outcome may run code of the guest's, but none that settles another one: microtasks come later.
  while (!runtime->settled.empty() && !runtime->is_terminating()) {
    std::vector<uint32_t> settled;
    settled.swap(runtime->settled);
    for (uint32_t id : settled) {
      auto found = runtime->promises.find(id);
      if (found == runtime->promises.end()) continue;
      v8::HandleScope handles(runtime->isolate);
      v8::Local<v8::Promise> promise = found->second.Get(runtime->isolate);
      runtime->promises.erase(found);
      OwnBytes out;
      int status = give_outcome(runtime, context, promise, &out);
      runtime->host.settled(runtime->user, id, status, out.span());
    }
  }
}

void note_rejection(v8::PromiseRejectMessage message) {
  v8::Isolate* isolate = v8::Isolate::GetCurrent();
  Runtime* runtime = Runtime::of(isolate);
  if (message.GetEvent() == v8::kPromiseRejectWithNoHandler) {
    if (runtime->rejected.size() < kMostRejected) runtime->rejected.emplace_back(isolate, message.GetPromise());
  } else if (message.GetEvent() == v8::kPromiseHandlerAddedAfterReject) {
    auto is_it = [&](const v8::Global<v8::Promise>& promise) { return promise == message.GetPromise(); };
    auto& rejected = runtime->rejected;
    rejected.erase(std::remove_if(rejected.begin(), rejected.end(), is_it), rejected.end());
  }
}

void report_unhandled(Runtime* runtime, v8::Local<v8::Context> context) {
  std::vector<v8::Global<v8::Promise>> rejected;
  rejected.swap(runtime->rejected);
  for (const auto& promise : rejected) {
    if (runtime->is_terminating()) return;
    v8::HandleScope handles(runtime->isolate);
    v8::Local<v8::Promise> local = promise.Get(runtime->isolate);
    // `Then` says so of those that the host waits for.
    if (local->HasHandler()) continue;
    OwnBytes out;
    if (give_thrown(runtime, context, local->Result(), &out) == AMPHIS_THROWN) {
      runtime->host.unhandled(runtime->user, out.span());
    }
  }
}

void forget(void* data, uint32_t promise) {
  Gate gate;
  Runtime* runtime = Runtime::of(data);
  v8::Locker locker(runtime->isolate);
  runtime->promises.erase(promise);
}

int resolve(void* data, uint32_t later, int answer, AmphisSpan value, AmphisBytes* out) {
  Runtime* runtime = Runtime::of(data);
  Entry entry(runtime);
  if (!entry.has_stack()) return AMPHIS_NO_STACK;
  if (!may_run(runtime)) return AMPHIS_TERMINATED;
  auto found = runtime->laters.find(later);
  if (found == runtime->laters.end()) return AMPHIS_TAPE;
  v8::Local<v8::Context> context = entry.context();
  v8::Local<v8::Promise::Resolver> resolver = found->second.Get(runtime->isolate);
  runtime->laters.erase(found);
  v8::TryCatch block(runtime->isolate);
  Decoder decoder(runtime, context, value);
  v8::Local<v8::Value> given;
  bool is_well = false;
  if (answer == AMPHIS_RAISE) {
    is_well = exception_of(runtime, context, decoder).ToLocal(&given) && resolver->Reject(context, given).IsJust();
  } else {
    is_well = decoder.value().ToLocal(&given) && resolver->Resolve(context, given).IsJust();
  }
  if (!is_well && block.HasCaught() && !block.HasTerminated()) {
    v8::Local<v8::Value> thrown = block.Exception();
    block.Reset();
    if (resolver->Reject(context, thrown).IsNothing()) return give_thrown(runtime, context, block, out);
  }
  return settle(runtime, entry);
}

int settle(Runtime* runtime, Entry& entry) {
  v8::TryCatch block(runtime->isolate);
  entry.run_microtasks();
  entry.report();
  return runtime->is_terminating() || block.HasTerminated() ? AMPHIS_TERMINATED : AMPHIS_TAPE;
}

int run_tasks(void* data) {
  Runtime* runtime = Runtime::of(data);
  Entry entry(runtime);
  if (!entry.has_stack()) return AMPHIS_NO_STACK;
  if (Inspector* inspector = runtime->inspector.load()) inspector->read(false);
  return settle(runtime, entry);
}

}  // namespace amphis
