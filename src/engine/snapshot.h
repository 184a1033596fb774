// Which snapshot isolates are made of: Node's, or V8's own, which has none of what Node.js puts into every isolate.
#pragma once

#include "abi.h"
#include "platform.h"

namespace amphis {

// Makes an isolate. The delegate has to outlive it.
v8::Isolate* new_isolate(v8::Isolate::CreateParams* params, Delegate* delegate);

// Whether isolates are made of V8's own snapshot from here on. Looks the first time: makes one of each, and has
// `description`, a script whose value is a text, tell of both what is in a fresh context.
int choose_snapshot(AmphisSpan description);

}  // namespace amphis
