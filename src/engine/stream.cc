#include "stream.h"

#include <cstring>

#include "callback.h"
#include "script.h"

namespace amphis {

namespace {

constexpr const char* kClasses[] = {
    "ReadableStream",
    "ReadableStreamDefaultReader",
    "ReadableStreamDefaultController",
    "ReadableByteStreamController",
    "WritableStream",
    "WritableStreamDefaultWriter",
    "WritableStreamDefaultController",
    "TransformStream",
    "TransformStreamDefaultController",
    "CountQueuingStrategy",
    "ByteLengthQueuingStrategy",
};

v8::Local<v8::String> ascii(v8::Isolate* isolate, const char* name) {
  return v8::String::NewFromUtf8(isolate, name, v8::NewStringType::kInternalized).ToLocalChecked();
}

// What makes the objects. They have a field that no other object of a runtime has, which keeps V8's serializer off
// them.
v8::Local<v8::FunctionTemplate> brand(Runtime* runtime) {
  v8::Isolate* isolate = runtime->isolate;
  if (runtime->stream_brand.IsEmpty()) {
    v8::Local<v8::FunctionTemplate> made = v8::FunctionTemplate::New(isolate);
    made->InstanceTemplate()->SetInternalFieldCount(1);
    runtime->stream_brand.Reset(isolate, made);
  }
  return runtime->stream_brand.Get(isolate);
}

// Runs the scripts, each of which is a function of what they share and of the brand. The last one gives what there is.
v8::MaybeLocal<v8::Object> make_streams(Runtime* runtime, v8::Local<v8::Context> context) {
  v8::Isolate* isolate = runtime->isolate;
  v8::EscapableHandleScope handles(isolate);
  v8::Local<v8::Function> branded;
  if (!brand(runtime)->GetFunction(context).ToLocal(&branded)) return {};
  v8::Local<v8::Value> arguments[] = {v8::Object::New(isolate), branded};
  v8::Local<v8::Value> given;
  AmphisSpan left = runtime->host.streams;
  while (left.length > 0) {
    const void* found = std::memchr(left.data, 0, left.length);
    size_t length =
        found == nullptr ? left.length : static_cast<size_t>(static_cast<const uint8_t*>(found) - left.data);
    v8::Local<v8::String> source;
    v8::Local<v8::Script> script;
    v8::Local<v8::Value> part;
    if (!source_text(isolate, AmphisSpan{left.data, length}).ToLocal(&source)) return {};
    v8::ScriptCompiler::Source unit(source, script_origin(isolate, ascii(isolate, "amphis:streams")));
    if (!v8::ScriptCompiler::Compile(context, &unit).ToLocal(&script) || !script->Run(context).ToLocal(&part) ||
        !part->IsFunction() ||
        !part.As<v8::Function>()->Call(context, v8::Undefined(isolate), 2, arguments).ToLocal(&given)) {
      return {};
    }
    size_t taken = found == nullptr ? length : length + 1;
    left = AmphisSpan{left.data + taken, left.length - taken};
  }
  if (given.IsEmpty() || !given->IsObject()) return {};
  return handles.Escape(given.As<v8::Object>());
}

v8::MaybeLocal<v8::Object> streams_of(Runtime* runtime, v8::Local<v8::Context> context) {
  if (!runtime->streams.IsEmpty()) return runtime->streams.Get(runtime->isolate);
  v8::Local<v8::Object> made;
  if (!make_streams(runtime, context).ToLocal(&made)) {
    if (runtime->host.streams.length == 0) {
      runtime->isolate->ThrowException(
          v8::Exception::TypeError(ascii(runtime->isolate, "This runtime has no streams")));
    }
    return {};
  }
  // Making them may have run code of the guest's, which has asked for them as well.
  if (runtime->streams.IsEmpty()) runtime->streams.Reset(runtime->isolate, made);
  return runtime->streams.Get(runtime->isolate);
}

v8::MaybeLocal<v8::Value> call_part(Runtime* runtime, v8::Local<v8::Context> context, const char* name, int count,
                                    v8::Local<v8::Value>* arguments) {
  v8::Local<v8::Object> streams;
  v8::Local<v8::Value> function;
  if (!streams_of(runtime, context).ToLocal(&streams) ||
      !streams->GetRealNamedProperty(context, ascii(runtime->isolate, name)).ToLocal(&function) ||
      !function->IsFunction()) {
    return {};
  }
  return function.As<v8::Function>()->Call(context, v8::Undefined(runtime->isolate), count, arguments);
}

void get_class(v8::Local<v8::Name> name, const v8::PropertyCallbackInfo<v8::Value>& info) {
  v8::Isolate* isolate = info.GetIsolate();
  Runtime* runtime = Runtime::of(isolate);
  v8::Local<v8::Context> context = isolate->GetCurrentContext();
  v8::Local<v8::Object> streams;
  v8::Local<v8::Value> classes;
  v8::Local<v8::Value> found;
  if (streams_of(runtime, context).ToLocal(&streams) &&
      streams->GetRealNamedProperty(context, ascii(isolate, "classes")).ToLocal(&classes) && classes->IsObject() &&
      classes.As<v8::Object>()->Get(context, name).ToLocal(&found)) {
    info.GetReturnValue().Set(found);
  }
}

}  // namespace

void define_streams(Runtime* runtime, v8::Local<v8::Context> context) {
  if (runtime->host.streams.length == 0) return;
  for (const char* name : kClasses) {
    context->Global()
        ->SetLazyDataProperty(context, ascii(runtime->isolate, name), get_class, {}, v8::DontEnum)
        .FromMaybe(false);
  }
}

bool is_stream(Runtime* runtime, v8::Local<v8::Object> object) {
  if (runtime->streams.IsEmpty() || object->InternalFieldCount() != 1) return false;
  return runtime->stream_brand.Get(runtime->isolate)->HasInstance(object);
}

v8::MaybeLocal<v8::Function> lend_stream(Runtime* runtime, v8::Local<v8::Context> context, v8::Local<v8::Object> object,
                                         uint8_t* kind) {
  v8::Local<v8::Value> arguments[] = {object};
  v8::Local<v8::Value> found;
  v8::Local<v8::Value> lent;
  *kind = 0;
  if (!call_part(runtime, context, "kindOf", 1, arguments).ToLocal(&found) || !found->IsUint32()) return {};
  *kind = static_cast<uint8_t>(found.As<v8::Uint32>()->Value());
  if (*kind == 0 || !call_part(runtime, context, "lend", 1, arguments).ToLocal(&lent) || !lent->IsFunction()) return {};
  return lent.As<v8::Function>();
}

v8::MaybeLocal<v8::Value> adopt_stream(Runtime* runtime, v8::Local<v8::Context> context, uint8_t kind, uint32_t id) {
  v8::Isolate* isolate = runtime->isolate;
  if (auto found = runtime->adopted.find(id); found != runtime->adopted.end() && !found->second.IsEmpty()) {
    return found->second.Get(isolate);
  }
  v8::Local<v8::Function> step;
  v8::Local<v8::Value> made;
  if (!host_function(runtime, context, id, v8::String::Empty(isolate)).ToLocal(&step)) return {};
  v8::Local<v8::Value> arguments[] = {v8::Integer::NewFromUnsigned(isolate, kind), step};
  if (!call_part(runtime, context, "adopt", 2, arguments).ToLocal(&made) || !made->IsObject()) return {};
  v8::Global<v8::Object>& kept = runtime->adopted[id];
  kept.Reset(isolate, made.As<v8::Object>());
  if (runtime->released_early.erase(id) > 0) kept.SetWeak();
  return made;
}

void release_streams(void* data, const uint32_t* streams, size_t count) {
  Gate gate;
  Runtime* runtime = Runtime::of(data);
  v8::Locker locker(runtime->isolate);
  for (size_t index = 0; index < count; index++) {
    if (auto found = runtime->adopted.find(streams[index]); found != runtime->adopted.end()) {
      found->second.SetWeak();
    } else {
      runtime->released_early.insert(streams[index]);
    }
  }
  if (runtime->adopted.size() < runtime->sweep_at) return;
  // Those that V8 has collected.
  for (auto next = runtime->adopted.begin(); next != runtime->adopted.end();) {
    next = next->second.IsEmpty() ? runtime->adopted.erase(next) : std::next(next);
  }
  runtime->sweep_at = 2 * runtime->adopted.size() + 64;
}

}  // namespace amphis
