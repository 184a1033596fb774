#include "script.h"

#include <algorithm>
#include <vector>

#include "decode.h"
#include "encode.h"
#include "inspector.h"
#include "promise.h"
#include "top_level_await.h"

namespace amphis {

namespace {

// The result, once all promises that can go on have gone on.
int result_of(Runtime* runtime, Entry& entry, v8::TryCatch& block, v8::MaybeLocal<v8::Value> outcome,
              AmphisBytes* out) {
  v8::Local<v8::Context> context = entry.context();
  v8::Local<v8::Value> value;
  bool has_value = outcome.ToLocal(&value);
  v8::Local<v8::Value> thrown;
  if (!has_value && block.HasCaught() && !block.HasTerminated()) thrown = block.Exception();
  if (runtime->is_terminating() || block.HasTerminated()) return AMPHIS_TERMINATED;
  {
    v8::TryCatch inner(runtime->isolate);
    entry.run_microtasks();
    // V8 tells the innermost block only.
    if (inner.HasTerminated()) return AMPHIS_TERMINATED;
  }
  if (runtime->is_terminating()) return AMPHIS_TERMINATED;
  if (!has_value) return thrown.IsEmpty() ? int{AMPHIS_TERMINATED} : give_thrown(runtime, context, thrown, out);
  if (!value->IsPromise()) return give(runtime, context, value, out);
  auto promise = value.As<v8::Promise>();
  switch (promise->State()) {
    case v8::Promise::kFulfilled:
      return give(runtime, context, promise->Result(), out);
    case v8::Promise::kRejected:
      promise->MarkAsHandled();
      return give_thrown(runtime, context, promise->Result(), out);
    case v8::Promise::kPending:
      break;
  }
  return hold_promise(runtime, context, promise, out);
}

}  // namespace

v8::MaybeLocal<v8::String> source_text(v8::Isolate* isolate, AmphisSpan text) {
  if (text.length > static_cast<size_t>(v8::String::kMaxLength)) {
    isolate->ThrowException(
        v8::Exception::RangeError(v8::String::NewFromUtf8Literal(isolate, "Invalid string length")));
    return {};
  }
  auto length = static_cast<int>(text.length);
  bool is_ascii = std::all_of(text.data, text.data + text.length, [](uint8_t byte) { return byte < 0x80; });
  if (is_ascii) return v8::String::NewFromOneByte(isolate, text.data, v8::NewStringType::kNormal, length);
  return v8::String::NewFromUtf8(isolate, reinterpret_cast<const char*>(text.data), v8::NewStringType::kNormal, length);
}

int finish(Runtime* runtime, Entry& entry, v8::TryCatch& block, v8::MaybeLocal<v8::Value> outcome, AmphisBytes* out) {
  int status = result_of(runtime, entry, block, outcome, out);
  entry.report();
  return status;
}

int eval(void* data, AmphisSpan source, AmphisSpan name, int evaluation, AmphisBytes* out) {
  Runtime* runtime = Runtime::of(data);
  Entry entry(runtime);
  if (!entry.has_stack()) return AMPHIS_NO_STACK;
  if (!may_run(runtime)) return AMPHIS_TERMINATED;
  v8::TryCatch block(runtime->isolate);
  watch(runtime, block);
  v8::Local<v8::String> text;
  v8::Local<v8::String> file;
  v8::Local<v8::Script> script;
  if (!source_text(runtime->isolate, source).ToLocal(&text) || !source_text(runtime->isolate, name).ToLocal(&file)) {
    return finish(runtime, entry, block, {}, out);
  }
  v8::ScriptCompiler::Source unit(text, script_origin(runtime->isolate, file));
  if (!v8::ScriptCompiler::Compile(entry.context(), &unit).ToLocal(&script)) {
    if (evaluation != AMPHIS_AWAITING || !compile_awaiting(entry.context(), text, file).ToLocal(&script)) {
      return finish(runtime, entry, block, {}, out);
    }
    block.Reset();
  }
  return finish(runtime, entry, block, script->Run(entry.context()), out);
}

int replay(void* data, AmphisSpan source, AmphisSpan name, AmphisSpan code, int keeps, AmphisBytes* out) {
  Runtime* runtime = Runtime::of(data);
  Entry entry(runtime);
  if (!entry.has_stack()) return AMPHIS_NO_STACK;
  v8::Isolate* isolate = runtime->isolate;
  v8::TryCatch block(isolate);
  v8::Local<v8::String> text;
  v8::Local<v8::String> file;
  v8::Local<v8::Script> script;
  if (!source_text(isolate, source).ToLocal(&text) || !source_text(isolate, name).ToLocal(&file)) {
    return finish(runtime, entry, block, {}, out);
  }
  bool has_code = code.length > 0 && code.length <= INT32_MAX;
  // The unit owns it, but not its bytes. V8 compiles the source where it does not want the code.
  auto* cached = has_code ? new v8::ScriptCompiler::CachedData(code.data, static_cast<int>(code.length)) : nullptr;
  v8::ScriptCompiler::Source unit(text, script_origin(isolate, file), cached);
  auto options = has_code ? v8::ScriptCompiler::kConsumeCodeCache : v8::ScriptCompiler::kNoCompileOptions;
  if (!v8::ScriptCompiler::Compile(entry.context(), &unit, options).ToLocal(&script) ||
      script->Run(entry.context()).IsEmpty()) {
    return finish(runtime, entry, block, {}, out);
  }
  bool is_refused = has_code && unit.GetCachedData() != nullptr && unit.GetCachedData()->rejected;
  if (keeps != 0) runtime->kept.emplace_back(isolate, script->GetUnboundScript());
  int status = finish(runtime, entry, block, v8::Undefined(isolate).As<v8::Value>(), out);
  return status == AMPHIS_TAPE && is_refused ? int{AMPHIS_WIRE} : status;
}

int code_cache(void* data, uint32_t script, AmphisBytes* out) {
  Runtime* runtime = Runtime::of(data);
  Entry entry(runtime);
  if (!entry.has_stack()) return AMPHIS_NO_STACK;
  out->length = 0;
  if (script >= runtime->kept.size()) return AMPHIS_NO_FUNCTION;
  auto* made = v8::ScriptCompiler::CreateCodeCache(runtime->kept[script].Get(runtime->isolate));
  if (made == nullptr) return AMPHIS_NO_FUNCTION;
  TapeWriter(out).raw(made->data, static_cast<size_t>(made->length));
  delete made;
  return AMPHIS_TAPE;
}

int call(void* data, uint32_t function, AmphisSpan arguments, AmphisBytes* out) {
  Runtime* runtime = Runtime::of(data);
  Entry entry(runtime);
  if (!entry.has_stack()) return AMPHIS_NO_STACK;
  if (!may_run(runtime)) return AMPHIS_TERMINATED;
  auto found = runtime->functions.find(function);
  if (found == runtime->functions.end()) return AMPHIS_NO_FUNCTION;
  v8::TryCatch block(runtime->isolate);
  watch(runtime, block);
  // Before the arguments are made, which may run code that changes what is found.
  v8::Local<v8::Value> receiver = v8::Undefined(runtime->isolate);
  if (!found->second.receiver.IsEmpty()) receiver = found->second.receiver.Get(runtime->isolate);
  v8::Local<v8::Function> callee = found->second.function.Get(runtime->isolate);
  Decoder decoder(runtime, entry.context(), arguments);
  std::vector<v8::Local<v8::Value>> values(decoder.varint());
  for (v8::Local<v8::Value>& value : values) {
    if (!decoder.value().ToLocal(&value)) return finish(runtime, entry, block, {}, out);
  }
  return finish(runtime, entry, block,
                callee->Call(entry.context(), receiver, static_cast<int>(values.size()), values.data()), out);
}

}  // namespace amphis
