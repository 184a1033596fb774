// Scripts and functions that Python runs.
#pragma once

#include "runtime.h"

namespace amphis {

int eval(void* runtime, AmphisSpan source, AmphisSpan name, AmphisBytes* out);
int call(void* runtime, uint32_t function, AmphisSpan arguments, AmphisBytes* out);

}  // namespace amphis
