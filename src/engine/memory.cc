#include "memory.h"

#include <v8.h>

#include <cstring>
#include <memory>
#include <utility>

namespace amphis {

namespace {

using Store = std::shared_ptr<v8::BackingStore>;

}  // namespace

// The memory belongs to whoever shares it, with what frees it: it outlives the buffer, and the isolate of the buffer.
void* hold(napi_value buffer) {
  v8::Local<v8::Value> value;
  // A value of Node-API is such a handle: it has no other contents.
  static_assert(sizeof(value) == sizeof(buffer));
  std::memcpy(static_cast<void*>(&value), &buffer, sizeof(buffer));
  return value->IsArrayBuffer() ? new Store(value.As<v8::ArrayBuffer>()->GetBackingStore()) : nullptr;
}

void let_go(void* memory) { delete static_cast<Store*>(memory); }

}  // namespace amphis
