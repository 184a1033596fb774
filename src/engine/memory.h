// Memory of Node's own ArrayBuffers, held by somebody who is not JavaScript.
#pragma once

#include "abi.h"

namespace amphis {

void* hold(napi_value buffer);
void let_go(void* memory);

}  // namespace amphis
