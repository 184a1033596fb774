// Streams: what of them the engine has to know. All else is JavaScript (src/js/streams/).
#pragma once

#include "runtime.h"

namespace amphis {

// Kinds of handles beside functions; src/js/handles.rs and src/js/streams/exchange.js have the same.
constexpr uint8_t kReadableKind = 1;
constexpr uint8_t kWritableKind = 2;

// Defines the globals, which are made when the guest first asks for one of them.
void define_streams(Runtime* runtime, v8::Local<v8::Context> context);

// Whether an object was made by the streams of this runtime. Cheap, and nobody else's objects are.
bool is_stream(Runtime* runtime, v8::Local<v8::Object> object);

// What Python calls to use a stream that it gets. Empty: an exception is pending, or the object has no stream in it,
// and `kind` is 0.
v8::MaybeLocal<v8::Function> lend_stream(Runtime* runtime, v8::Local<v8::Context> context, v8::Local<v8::Object> object,
                                         uint8_t* kind);

// The stream over what Python has under this number; the same one each time. Runs code of the guest's.
v8::MaybeLocal<v8::Value> adopt_stream(Runtime* runtime, v8::Local<v8::Context> context, uint8_t kind, uint32_t id);

// Python has these no more: from here on they are there for as long as JavaScript has them.
void release_streams(void* runtime, const uint32_t* streams, size_t count);

}  // namespace amphis
