// `await` outside of functions, in scripts.
#pragma once

#include "runtime.h"

namespace amphis {

// V8 has it in modules only, whose code has no value. So a script that does not compile as it is becomes the body of an
// async function which is called, and whose last expression is returned. What it declares is the function's.
v8::MaybeLocal<v8::Script> compile_awaiting(v8::Local<v8::Context> context, v8::Local<v8::String> source,
                                            v8::Local<v8::String> name);

}  // namespace amphis
