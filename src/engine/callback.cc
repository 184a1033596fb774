#include "callback.h"

#include <cstring>

#include "decode.h"
#include "encode.h"
#include "promise.h"

namespace amphis {

namespace {

// Has execution end here and now. V8 looks whether it is to terminate when a function begins or a loop comes round, and
// what caught an exception meanwhile would go on until then.
void stop(v8::Isolate* isolate, v8::Local<v8::Context> context) {
  v8::Local<v8::Script> script;
  bool is_compiled =
      v8::Script::Compile(context, v8::String::NewFromUtf8Literal(isolate, "for (;;);")).ToLocal(&script);
  isolate->TerminateExecution();
  if (is_compiled && script->Run(context).IsEmpty()) return;
}

void call_host(const v8::FunctionCallbackInfo<v8::Value>& info) {
  v8::Isolate* isolate = info.GetIsolate();
  Runtime* runtime = Runtime::of(isolate);
  v8::Local<v8::Context> context = isolate->GetCurrentContext();
  uint32_t id = info.Data().As<v8::Uint32>()->Value();
  OwnBytes arguments;
  OwnBytes out;
  {
    Encoder encoder(runtime, context, &arguments);
    encoder.writer().varint(static_cast<uint64_t>(info.Length()));
    for (int index = 0; index < info.Length(); index++) {
      if (encoder.value(info[index], {})) continue;
      if (!encoder.problem().empty() && !runtime->is_terminating()) {
        isolate->ThrowException(
            v8::Exception::TypeError(v8::String::NewFromUtf8(isolate, encoder.problem().c_str()).ToLocalChecked()));
      }
      return;
    }
  }
  int answer = 0;
  {
    OutOfGate out_of_gate;
    answer = runtime->host.call(runtime->user, id, arguments.span(), &out);
  }
  if (answer == AMPHIS_STOP || runtime->is_terminating()) return stop(isolate, context);
  Decoder decoder(runtime, context, out.span());
  v8::Local<v8::Value> value;
  if (answer == AMPHIS_RAISE) {
    if (exception_of(runtime, context, decoder).ToLocal(&value)) isolate->ThrowException(value);
  } else if (answer == AMPHIS_LATER) {
    if (promise_later(runtime, context, static_cast<uint32_t>(decoder.varint())).ToLocal(&value)) {
      info.GetReturnValue().Set(value);
    }
  } else if (decoder.value().ToLocal(&value)) {
    info.GetReturnValue().Set(value);
  }
}

}  // namespace

v8::MaybeLocal<v8::Value> exception_of(Runtime* runtime, v8::Local<v8::Context> context, Decoder& answer) {
  v8::Local<v8::String> name;
  v8::Local<v8::String> message;
  if (!answer.name().ToLocal(&name) || !answer.name().ToLocal(&message)) return {};
  v8::Local<v8::Value> error = python_error(runtime, context, name, message);
  auto id = v8::Integer::NewFromUnsigned(runtime->isolate, static_cast<uint32_t>(answer.varint()));
  error.As<v8::Object>()->SetPrivate(context, runtime->exception.Get(runtime->isolate), id).FromMaybe(false);
  return error;
}

v8::MaybeLocal<v8::Function> host_function(Runtime* runtime, v8::Local<v8::Context> context, uint32_t id,
                                           v8::Local<v8::String> name) {
  v8::Local<v8::Function> function;
  auto data = v8::Integer::NewFromUnsigned(runtime->isolate, id);
  if (!v8::Function::New(context, call_host, data, 0, v8::ConstructorBehavior::kThrow).ToLocal(&function)) return {};
  function->SetName(name);
  return function;
}

v8::Local<v8::Value> python_error(Runtime* runtime, v8::Local<v8::Context> context, v8::Local<v8::String> name,
                                  v8::Local<v8::String> message) {
  v8::Local<v8::Value> error = v8::Exception::Error(message);
  if (name->Length() > 0) {
    auto key = v8::String::NewFromUtf8Literal(runtime->isolate, "name");
    error.As<v8::Object>()->DefineOwnProperty(context, key, name, v8::DontEnum).FromMaybe(false);
  }
  return error;
}

int bind(void* data, AmphisSpan name, AmphisSpan value, AmphisBytes* out) {
  Runtime* runtime = Runtime::of(data);
  Entry entry(runtime);
  if (!entry.has_stack()) return AMPHIS_NO_STACK;
  v8::Local<v8::Context> context = entry.context();
  v8::TryCatch block(runtime->isolate);
  Decoder decoder(runtime, context, value);
  v8::Local<v8::String> key;
  v8::Local<v8::Value> made;
  auto length = static_cast<int>(name.length);
  if (!v8::String::NewFromUtf8(runtime->isolate, reinterpret_cast<const char*>(name.data),
                               v8::NewStringType::kInternalized, length)
           .ToLocal(&key) ||
      !decoder.value().ToLocal(&made)) {
    return give_thrown(runtime, context, block, out);
  }
  v8::PropertyDescriptor property(made, true);
  property.set_enumerable(true);
  property.set_configurable(true);
  if (!context->Global()->DefineProperty(context, key, property).FromMaybe(false)) {
    if (block.HasCaught()) return give_thrown(runtime, context, block, out);
    out->length = 0;
    const char* problem = "The global object has a property of this name that cannot be replaced.";
    TapeWriter(out).raw(problem, std::strlen(problem));
    return AMPHIS_UNFIT;
  }
  return AMPHIS_TAPE;
}

}  // namespace amphis
