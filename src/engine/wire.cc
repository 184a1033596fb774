#include "wire.h"

#include <algorithm>
#include <cstdlib>

#include "encode.h"

namespace amphis {

namespace {

class WireDelegate final : public v8::ValueSerializer::Delegate {
 public:
  explicit WireDelegate(Runtime* runtime) : runtime_(runtime) {}

  void ThrowDataCloneError(v8::Local<v8::String>) override { refuse(); }
  v8::Maybe<bool> WriteHostObject(v8::Isolate*, v8::Local<v8::Object>) override {
    refuse();
    return v8::Nothing<bool>();
  }
  void* ReallocateBufferMemory(void* old, size_t size, size_t* actual) override {
    // V8 asks for twice as much as it needs.
    if (size > 2 * runtime_->limits.value + 4096) {
      is_too_large = true;
      return nullptr;
    }
    *actual = std::max<size_t>(size, 1024);
    return std::realloc(old, *actual);
  }
  void FreeBufferMemory(void* data) override { std::free(data); }

  // What V8 has thrown is not the guest's.
  bool is_refused = false;
  bool is_too_large = false;

 private:
  void refuse() {
    is_refused = true;
    runtime_->isolate->ThrowException(v8::Undefined(runtime_->isolate));
  }

  Runtime* runtime_;
};

}  // namespace

int give_wire(Runtime* runtime, v8::Local<v8::Context> context, v8::Local<v8::Value> value, AmphisBytes* out) {
  // Each of these would be refused, or is not written as it is to arrive.
  if (value->IsFunction() || value->IsPromise() || value->IsArrayBufferView() || value->IsNativeError()) return -1;
  v8::TryCatch block(runtime->isolate);
  WireDelegate delegate(runtime);
  v8::ValueSerializer serializer(runtime->isolate, &delegate);
  serializer.WriteHeader();
  if (serializer.WriteValue(context, value).FromMaybe(false)) {
    auto written = serializer.Release();
    std::free(out->data);
    out->data = written.first;
    out->length = written.second;
    out->capacity = written.second;
    return AMPHIS_WIRE;
  }
  if (runtime->is_terminating() || block.HasTerminated()) return AMPHIS_TERMINATED;
  if (delegate.is_refused || delegate.is_too_large) return -1;
  return give_thrown(runtime, context, block, out);
}

}  // namespace amphis
