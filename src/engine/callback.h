// Functions of Python's, as JavaScript calls them.
#pragma once

#include "runtime.h"

namespace amphis {

class Decoder;

// What calls the host with this number. It cannot be constructed.
v8::MaybeLocal<v8::Function> host_function(Runtime* runtime, v8::Local<v8::Context> context, uint32_t id,
                                           v8::Local<v8::String> name);

// An `Error` of the runtime's own for an exception.
v8::Local<v8::Value> python_error(Runtime* runtime, v8::Local<v8::Context> context, v8::Local<v8::String> name,
                                  v8::Local<v8::String> message);

// The `Error` that an answer of the host's says was raised.
v8::MaybeLocal<v8::Value> exception_of(Runtime* runtime, v8::Local<v8::Context> context, Decoder& answer);

int bind(void* runtime, AmphisSpan name, AmphisSpan value, AmphisBytes* out);

}  // namespace amphis
