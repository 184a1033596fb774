// Modules. Which there are, and what their specifiers mean, is the host's.
#pragma once

#include "runtime.h"

namespace amphis {

// What `import()` calls, and `import.meta`.
v8::MaybeLocal<v8::Promise> import_module(v8::Local<v8::Context> context, v8::Local<v8::Data> options,
                                          v8::Local<v8::Value> importer, v8::Local<v8::String> specifier,
                                          v8::Local<v8::FixedArray> attributes);
void describe_module(v8::Local<v8::Context> context, v8::Local<v8::Module> module, v8::Local<v8::Object> meta);

int compile_module(void* runtime, AmphisSpan source, AmphisSpan url, AmphisBytes* out);
int make_module(void* runtime, AmphisSpan url, AmphisSpan value, AmphisBytes* out);
void link_module(void* runtime, uint32_t module, const uint32_t* imports, size_t count);
int evaluate_module(void* runtime, uint32_t module, AmphisBytes* out);
int finish_import(void* runtime, uint32_t later, uint32_t module, AmphisBytes* out);
void drop_modules(void* runtime, const uint32_t* modules, size_t count);

}  // namespace amphis
